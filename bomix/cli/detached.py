"""``bomix ask`` and ``bomix tell``: the loop for trainers that run elsewhere."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from bomix.cli.options import study_argument
from bomix.cli.watch import value
from bomix.errors import ConfigError, StudyError
from bomix.io.store import files, lock
from bomix.io.store.result_checks import RESULT_LIMIT, read_result
from bomix.study.study import Study
from bomix.trial import Record


@click.command()
@study_argument
@click.option("-n", "--number", type=click.IntRange(min=1), default=1, show_default=True, help="Mixtures to propose.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for one <id>.json per trial; else printed."
)
def ask(study: Path, number: int, out: Path | None) -> None:
    """Propose mixtures and record them as pending.

    Each is `{"trial": 7, "seed": 0, "origin": "log_ei", "weights": {...}}`.
    """
    opened = Study.open(study)
    if opened.folder is not None and lock.is_held(opened.folder) is not False:
        raise StudyError("the study is being optimised, and its driver would train what is asked here; stop it first")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    for _ in range(number):
        trial = opened.ask()
        data = {"trial": trial.id, "seed": trial.seed, "origin": trial.origin, "weights": dict(trial.weights)}
        if out is None:
            click.echo(json.dumps(data))
        else:
            path = out / f"{trial.id}.json"
            files.replace(path, json.dumps(data, indent=1) + "\n")
            click.echo(str(path))


@click.command()
@study_argument
@click.argument("trial", type=click.IntRange(min=0))
@click.argument("result", type=click.Path(path_type=Path, dir_okay=False))
def tell(study: Path, trial: int, result: Path) -> None:
    """Record what TRIAL came back with.

    RESULT is `{"losses": {metric: x}, "sems": {}, "realized": {}, "cost": s}`, all but the losses optional; null
    stands for the loss of a metric that was not measured. Paths of `artifacts` are relative to RESULT's folder.
    """
    opened = Study.open(study)
    try:
        text = files.read_bounded(result, RESULT_LIMIT)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {result}: {error}") from error
    problem = opened.problem
    outcome = read_result(text, problem.metric_names, problem.space.domains)
    artifacts = {name: str(result.absolute().parent / path) for name, path in outcome.artifacts.items()}
    outcome = dataclasses.replace(outcome, artifacts=artifacts)
    record = opened.tell(trial, outcome)
    objective = value(problem.value(record.result.losses))
    click.echo(f"trial {trial}: objective {objective}{_gaps(record)}")


def _gaps(record: Record) -> str:
    gaps = record.result.unmeasured
    return f" (not measured: {', '.join(gaps)})" if gaps else ""
