"""``bomix ask`` and ``bomix tell``: the loop for trainers that run elsewhere."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bomix.cli.options import study_argument
from bomix.errors import StudyError
from bomix.io.exports.formats import FORMATS
from bomix.io.exports.sheet import sheet_of
from bomix.io.store import lock
from bomix.report.shown import value
from bomix.study import handed
from bomix.study.handed import State, Taken
from bomix.study.limits import over
from bomix.study.study import Study
from bomix.trial import Failure, Record

if TYPE_CHECKING:
    from rich.table import Table

    from bomix.scale import Scale
    from bomix.trial import Trial

MOST_TOKENS = 1e24
"""Tokens of a run, at most: far more than there is text."""
MOST_NAMED = 20
"""Trials that a line names, at most: an array of a thousand has its numbers in the folder."""


@click.command()
@study_argument
@click.option("-n", "--number", type=click.IntRange(min=1), default=1, show_default=True, help="Mixtures to propose.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for one <id>.json per trial; else printed."
)
@click.option(
    "--format",
    "formats",
    type=click.Choice(list(FORMATS)),
    multiple=True,
    help=f"Beside each file another: {'; '.join(f'{name}, {each.what}' for name, each in FORMATS.items())}.",
)
@click.option(
    "--tokens", type=click.FloatRange(1.0, MOST_TOKENS), help="Training tokens of a run, where the study does not say."
)
@click.option("--pending", is_flag=True, help="Propose nothing: write the files of pending trials, once more.")
def ask(
    study: Path, number: int, out: Path | None, formats: tuple[str, ...], tokens: float | None, pending: bool
) -> None:
    """Propose mixtures and record them as pending.

    Each is `{"trial": 7, "seed": 0, "origin": "log_ei", "weights": {...}}`. Train with the seed where you can: trials
    that share it are compared with less noise. Where the study knows them, `scale` says which to train at, `tokens` and
    `epochs` what that is of each domain. A file of `--out` also says where `bomix tell STUDY DIR` looks for the result:
    in <id>.result.json beside it.

    In a study without an evaluator and with `confirm: N`, the trials that confirm the recommendation on N fresh seeds
    follow once the budget is spent and every result told; `bomix recommend` compares them. Without `confirm`, trials
    beyond the budget are proposed, and it is said.
    """
    if out is None and (formats or pending):
        raise click.UsageError("--format and --pending write files: name their folder with --out")
    if tokens is not None and math.isnan(tokens):
        raise click.UsageError("--tokens is no number; give the training tokens of a run, 2e9 say")
    counted = None if tokens is None else int(tokens)
    opened = Study.open(study)
    if opened.folder is not None and lock.is_held(opened.folder) is not False:
        raise StudyError("the study is being optimised, and its driver would train what is asked here; stop it first")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        handed.refuse_strangers(opened.records, out)
    if "tokens" in formats:
        _refuse_uncounted(opened, counted)
    for trial in (record.trial for record in opened.history.pending) if pending else _asked(opened, number):
        if out is None:
            click.echo(json.dumps(sheet_of(trial, opened.records.resolved.problem, tokens=counted).to_data()))
        else:
            click.echo(str(handed.hand_out(opened.records, trial, out, formats, tokens=counted)))
    if out is not None and (missing := handed.without_file(opened.records, out)):
        click.echo(f"pending without a file in {out}: {_named(missing)}; --pending writes one for each", err=True)


def _asked(study: Study, number: int) -> Iterable[Trial]:
    """So many new trials, each asked for when it is wanted; fewer, and a word about it, where there are no more."""
    said = bool(study.spec.confirm)
    for count in range(number):
        # Each trial may be the last one that the budget has room for.
        if not said and (limit := over(study.spec, study.problem, study.history)) is not None:
            said = True
            click.echo(f"{limit}; what is asked from now on goes beyond it", err=True)
        try:
            trial = study.ask()
        except StudyError as error:
            if not count:
                raise
            click.echo(f"asked for {count} of {number}: {error}", err=True)
            return
        yield trial


def _refuse_uncounted(study: Study, tokens: int | None) -> None:
    """Raise StudyError where the tokens of a run are wanted and unknown, before anything is asked for."""
    problem = study.records.resolved.problem
    scales: list[Scale | None] = [each.scale for each in problem.scales if each.trained]
    scales = scales or [problem.scale]
    if tokens is None and any(scale is None or scale.tokens is None for scale in scales):
        raise StudyError(
            "nothing says how many tokens a run trains on, so that they cannot be counted per domain; pass --tokens, "
            "or state 'tokens' of the study's scales"
        )


@click.command()
@study_argument
@click.argument("trial", metavar="TRIAL|DIR")
@click.argument("result", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--failed", metavar="WHY", help="The run failed for good; no RESULT is read.")
@click.option("--partial", is_flag=True, help="Metrics that RESULT does not name were not measured.")
def tell(study: Path, trial: str, result: Path | None, failed: str | None, partial: bool) -> None:
    """Record what TRIAL came back with, or that it failed; of a folder DIR, whatever results lie there.

    RESULT is `{"losses": {metric: x}, "sems": {}, "realized": {}, "cost": s}`, all but the losses optional; null
    stands for the loss of a metric that was not measured. Paths of `artifacts` are relative to RESULT's folder.
    `{"failure": "diverged at step 800"}` says that the run failed, as `--failed "diverged at step 800"` does.

    DIR is a folder of `bomix ask --out`, where results are called <id>.result.json. It may be told as often as one
    likes, by several shells at a time: what was told before is known again, and a file that is not whole yet is left
    for later.
    """
    if not (trial.isascii() and trial.isdigit()):
        if result is not None or failed is not None:
            raise click.UsageError(f"a RESULT or --failed is of one trial: give its number in the place of '{trial}'")
        return _tell_folder(Study.open(study), Path(trial), partial=partial)
    if (result is None) == (failed is None):
        raise click.UsageError("give RESULT, the file that the training wrote, or --failed WHY, and not both")
    opened, number = Study.open(study), int(trial)
    problem = opened.records.resolved.problem
    outcome = _failure(failed) if result is None else handed.read_told(result, problem, partial=partial)
    record = opened.tell(number, outcome)
    if isinstance(record.outcome, Failure):
        click.echo(f"trial {number}: failed ({record.outcome.message})")
        return
    click.echo(f"trial {number}: objective {value(opened.records.value(record.result))}{_gaps(record)}")


def _tell_folder(study: Study, folder: Path, *, partial: bool) -> None:
    """Record what lies in a folder, and show it in a table.

    Raises:
        click.UsageError: There is no such folder.
        StudyError: Something in it cannot be recorded; what can is.
    """
    from bomix.cli.tables import console

    if not folder.is_dir():
        raise click.UsageError(f"no folder {folder}; give the number of a trial, or the folder of `bomix ask --out`")
    found: list[Taken] = []
    try:
        found += handed.take(study.records, folder, partial=partial)
    finally:  # a disk that is full half-way: what is recorded is said
        news = [each for each in found if each.state is not State.BEFORE]
        if news:
            console().print(_table(study, news))
    states = [each.state for each in found]
    counts = [f"{states.count(state)} {state}" for state in State if state in states]
    waiting = handed.waiting(study.records, folder)
    pending = f"{len(waiting)} still pending ({_named(waiting)})" if waiting else "none pending"
    click.echo(f"{', '.join(counts) or 'no results'}; {pending}")
    refused = [each for each in found if each.state is State.REFUSED]
    if refused:
        names = ", ".join(each.path.name for each in refused[:MOST_NAMED])
        raise StudyError(f"{len(refused)} of {folder} cannot be recorded: {names}; the table says why")


def _table(study: Study, found: Iterable[Taken]) -> Table:
    """One row per file."""
    from bomix.cli.tables import titled

    table = titled("results")
    for column in ("trial", "file", "state", "objective", ""):
        table.add_column(column, justify="right" if column in ("trial", "objective") else "left")
    for each in found:
        known = each.record if each.state is State.TOLD else None
        objective = "" if known is None else value(study.records.value(known.result))
        table.add_row(str(each.trial), each.path.name, str(each.state), objective, each.why)
    return table


def _named(numbers: list[int]) -> str:
    """Numbers of trials, the first ones where there are many."""
    return ", ".join(map(str, numbers[:MOST_NAMED])) + (", ..." if len(numbers) > MOST_NAMED else "")


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
