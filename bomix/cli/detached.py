"""``bomix ask`` and ``bomix tell``: the loop for trainers that run elsewhere."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from bomix.cli.options import study_argument
from bomix.cli.watch import value
from bomix.errors import ConfigError, FaultsError, StudyError
from bomix.io.store import files, lock
from bomix.io.store.incoming import RESULT_LIMIT, read_outcome
from bomix.study.limits import over
from bomix.study.study import Study
from bomix.trial import Failure, Outcome, Record


@click.command()
@study_argument
@click.option("-n", "--number", type=click.IntRange(min=1), default=1, show_default=True, help="Mixtures to propose.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for one <id>.json per trial; else printed."
)
def ask(study: Path, number: int, out: Path | None) -> None:
    """Propose mixtures and record them as pending.

    Each is `{"trial": 7, "seed": 0, "origin": "log_ei", "weights": {...}}`. Train with the seed where you can: trials
    that share it are compared with less noise. In a study of several scales `scale` says which to train at: its name,
    parameters and tokens.

    In a study without an evaluator and with `confirm: N`, the trials that confirm the recommendation on N fresh seeds
    follow once the budget is spent and every result told; `bomix recommend` compares them. Without `confirm`, trials
    beyond the budget are proposed, and it is said.
    """
    opened = Study.open(study)
    if opened.folder is not None and lock.is_held(opened.folder) is not False:
        raise StudyError("the study is being optimised, and its driver would train what is asked here; stop it first")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    for count in range(number):
        if not opened.spec.confirm and (limit := over(opened.records)) is not None and not count:
            click.echo(f"{limit}; what is asked goes beyond it", err=True)
        try:
            trial = opened.ask()
        except StudyError as error:
            if not count:
                raise
            click.echo(f"asked for {count} of {number}: {error}", err=True)
            return
        data = {"trial": trial.id, "seed": trial.seed, "origin": trial.origin, "weights": dict(trial.weights)}
        if opened.problem.scales and trial.scale is not None:
            data["scale"] = {"name": opened.problem.scale_name(trial.scale), **trial.scale.to_data()}
        if trial.reweighting is not None:
            data["reweighting"] = dataclasses.asdict(trial.reweighting)
        if out is None:
            click.echo(json.dumps(data))
        else:
            path = out / f"{trial.id}.json"
            files.replace(path, json.dumps(data, indent=1) + "\n")
            click.echo(str(path))


@click.command()
@study_argument
@click.argument("trial", type=click.IntRange(min=0))
@click.argument("result", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--failed", metavar="WHY", help="The run failed for good; no RESULT is read.")
@click.option("--partial", is_flag=True, help="Metrics that RESULT does not name were not measured.")
def tell(study: Path, trial: int, result: Path | None, failed: str | None, partial: bool) -> None:
    """Record what TRIAL came back with, or that it failed.

    RESULT is `{"losses": {metric: x}, "sems": {}, "realized": {}, "cost": s}`, all but the losses optional; null
    stands for the loss of a metric that was not measured. Paths of `artifacts` are relative to RESULT's folder.
    `{"failure": "diverged at step 800"}` says that the run failed, as `--failed "diverged at step 800"` does.
    """
    if (result is None) == (failed is None):
        raise click.UsageError("give RESULT, the file that the training wrote, or --failed WHY, and not both")
    opened = Study.open(study)
    outcome = _failure(failed) if result is None else _read_outcome(opened, result, partial=partial)
    record = opened.tell(trial, outcome)
    if isinstance(record.outcome, Failure):
        click.echo(f"trial {trial}: failed ({record.outcome.message})")
        return
    objective = value(opened.problem.value(record.result.losses))
    click.echo(f"trial {trial}: objective {objective}{_gaps(record)}")


def _read_outcome(study: Study, path: Path, *, partial: bool) -> Outcome:
    """What a training wrote: its result, or why it failed."""
    try:
        text = files.bytes_of(path, RESULT_LIMIT, pipes=True).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"cannot read {path}: it is not UTF-8 ({error.reason}); write it in that encoding") from error
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    problem = study.problem
    try:
        outcome = read_outcome(text, problem.metric_names, problem.space.domains, partial=partial)
    except FaultsError as error:
        raise FaultsError(error.faults, f"{path} cannot be used:") from error
    if isinstance(outcome, Failure):
        return outcome
    artifacts = {name: str(path.absolute().parent / at) for name, at in outcome.artifacts.items()}
    return dataclasses.replace(outcome, artifacts=artifacts)


def _failure(why: str | None) -> Failure:
    """A failure with its reason.

    Raises:
        click.UsageError: The reason is empty.
    """
    if why is None or not why.strip():
        raise click.UsageError('say how the run failed: --failed "diverged at step 800"')
    return Failure(why.strip())


def _gaps(record: Record) -> str:
    gaps = record.result.unmeasured
    return f" (not measured: {', '.join(gaps)})" if gaps else ""
