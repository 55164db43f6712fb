"""Studies, trials and folders of attempts for tests of the executor of Slurm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bomix.contracts.executor import Attempt, Ended, Event
from bomix.execution.attempt.evaluate import ERROR_FILE, RESULT_FILE
from bomix.execution.slurm import job_file
from bomix.execution.slurm.executor import SlurmExecutor
from bomix.execution.slurm.spec import SlurmExecution
from bomix.io.store import records
from bomix.testing.endings import Ending
from bomix.trial import Result, Trial

TRIALS = [Trial(number, {"code": 0.25, "web": 0.75}, number, "sobol") for number in range(4)]


def study(folder: Path, how: str = "well") -> Path:
    """A study's folder whose file says of an evaluator."""
    folder.mkdir(exist_ok=True)
    evaluator = f"{{kind: 'bomix.testing.endings:Ending', how: {how}}}"
    (folder / "study.yaml").write_text(
        f"domains: {{code: {{}}, web: {{}}}}\nmetrics: [loss]\nevaluator: {evaluator}\nexecution: {{kind: slurm}}\n"
    )
    return folder


def started(folder: Path, how: Any = "well", **options: Any) -> SlurmExecutor:
    """An executor that asks Slurm as often as it can."""
    executor = SlurmExecution(**{"poll_s": 1.0, "workers": 4, **options}).start(Ending(how), folder=study(folder, how))
    executor._poll_s = 0.0
    return executor


def attempt(folder: Path, trial: Trial, number: int = 1) -> tuple[Trial, Attempt]:
    """A trial with a new attempt."""
    where = folder / "trials" / f"{trial.id:04d}" / "attempts" / str(number)
    where.mkdir(parents=True)
    return trial, Attempt(number, where)


def trained(where: Path, *, loss: float | None = 1.0, error: str = "", code: int = 0) -> None:
    """What a job leaves behind whose training came to its end."""
    job_file.begin(where, "job")
    if loss is not None:
        (where / RESULT_FILE).write_text(json.dumps(records.result_to_data(Result({"loss": loss}))))
    if error:
        (where / ERROR_FILE).write_text(error)
    ended(where, code)


def ended(where: Path, code: int) -> None:
    """What the process of the job in a folder writes last."""
    file = job_file.read(where)
    job_file.end(where, code, "" if file is None else file.token)


def ends(events: list[Event]) -> list[Ended]:
    """The ends among some events."""
    return [event for event in events if isinstance(event, Ended)]
