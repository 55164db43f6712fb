"""What studies do to their folder: each is one command, and the same command goes on where it was ended.

A scenario is called with the folder of a study and a function that it tells of everything that is durable: what was
told of must be there ever after.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner

from bomix.cli.importing import import_tables
from bomix.config.budget import BudgetSpec
from bomix.errors import StudyError
from bomix.execution.observer import Observer
from bomix.io.store import files
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.designs import Sobol
from bomix.study import handed
from bomix.study.running import run
from bomix.study.study import Study
from bomix.surrogates.gp.spec import GP
from bomix.trial import Record, Result, Trial
from tests.execution.inline import Inline

Acknowledge = Callable[[str], None]

DOMAINS = ["code", "web"]
HANDED = 3
BAYESIAN = Bayesian(surrogate=GP(draws=0, restarts=1), n_init=2)
STUDY = "domains: {code: {}, web: {}}\nmetrics: [loss]\nstrategy: sobol\n"
TABLE = "run,code,web,loss\n" + "".join(f"r{k},{k / 8:.3f},{1 - k / 8:.3f},{2 + k / 10:.2f}\n" for k in range(4))


def loss(trial: Trial) -> float:
    """What a mixture is worth: the same at every try."""
    return 2.0 + (trial.weights["web"] - 0.3) ** 2


@dataclasses.dataclass(frozen=True)
class Trainer:
    """Trains nothing; leaves a file, as trainers do."""

    metrics: tuple[str, ...] = ("loss",)

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        return Result({"loss": loss(trial)}, cost=1.0)


def ask_and_tell(folder: Path, acknowledge: Acknowledge, *, bayesian: bool = False, trials: int = 4) -> None:
    """The detached loop, by hand: what is pending is told first."""
    study = Study(DOMAINS, ["loss"], path=folder, strategy=BAYESIAN if bayesian else Sobol())
    for record in study.history.pending:
        _tell(study, record.trial, acknowledge)
    while len(study.history.records) < trials:
        _tell(study, study.ask(), acknowledge)


def _tell(study: Study, trial: Trial, acknowledge: Acknowledge) -> None:
    study.tell(trial, {"loss": loss(trial)})
    acknowledge(f"{trial.id} {loss(trial):.17g}")


def bayesian_ask_and_tell(folder: Path, acknowledge: Acknowledge) -> None:
    """The same with asks by a model of the record."""
    ask_and_tell(folder, acknowledge, bayesian=True)


def drive(folder: Path, acknowledge: Acknowledge, *, bayesian: bool = False) -> None:
    """A driver, its lock and its attempts; not the recommendation that follows, which writes nothing."""

    class Told(Observer):
        def ended(self, study: object, record: Record) -> None:
            acknowledge(f"{record.trial.id} {record.result.losses['loss']:.17g}")

    strategy = BAYESIAN if bayesian else Sobol()
    budget, execution = BudgetSpec(trials=3), Inline()
    study = Study(
        DOMAINS, ["loss"], path=folder, evaluator=Trainer(), strategy=strategy, budget=budget, execution=execution
    )
    run(study.records, observer=Told())


def bayesian_drive(folder: Path, acknowledge: Acknowledge) -> None:
    """The same with asks by a model of the record."""
    drive(folder, acknowledge, bayesian=True)


def import_table(folder: Path, acknowledge: Acknowledge) -> None:
    """``bomix import`` of a table, by its key; said again, it completes what is not there."""
    table = folder.with_name(f"{folder.name}.csv")
    table.write_text(TABLE)
    if not (folder / "study.yaml").exists():
        (folder / "study.yaml").write_text(STUDY)
    arguments = [str(folder), "--weights", str(table), "--losses", str(table), "--id", "run"]
    done = CliRunner().invoke(import_tables, arguments)
    if done.exception is not None:
        raise done.exception
    for number, line in enumerate(TABLE.splitlines()[1:]):
        acknowledge(f"{number} {float(line.split(',')[-1]):.17g}")


def hand_out_and_take(folder: Path, acknowledge: Acknowledge) -> None:
    """``bomix ask --out`` and ``bomix tell`` of a folder, with ``results.nc`` after each; asked again, it goes on."""
    study = Study(DOMAINS, ["loss"], path=folder, strategy=Sobol())
    out = folder / "out"
    out.mkdir(exist_ok=True)
    while len(study.history.records) < HANDED:
        study.ask()
    for record in study.history.records:
        handed.hand_out(study.records, record.trial, out, ("weights",), tokens=None)
        text = json.dumps({"losses": {"loss": loss(record.trial)}})
        files.replace(out / f"{record.trial.id}.result.json", text)
    for taken in handed.take(study.records, out):
        if taken.record is None:
            raise StudyError(f"{taken.path.name} {taken.state}: {taken.why}")
        acknowledge(f"{taken.trial} {loss(taken.record.trial):.17g}")
        if taken.state is handed.State.TOLD:
            study.records.save_results()


SCENARIOS: dict[str, Callable[[Path, Acknowledge], None]] = {
    "ask and tell": ask_and_tell,
    "ask and tell, Bayesian": bayesian_ask_and_tell,
    "driver": drive,
    "driver, Bayesian": bayesian_drive,
    "import": import_table,
    "hand out and take": hand_out_and_take,
}
