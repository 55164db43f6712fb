"""Commands that look at a study; none of them adds to its record, and only ``check --repair`` changes anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bomix.cli.export import Target, paths_option, show, single
from bomix.cli.options import log_to_stderr, study_argument
from bomix.cli.spinner import working
from bomix.contracts.executor import ExecutionTraits
from bomix.contracts.strategy import StrategyTraits
from bomix.contracts.traits import traits
from bomix.errors import ConfigError, Fault, raise_faults
from bomix.io.store import lock
from bomix.io.store.results_file import RESULTS_FILE
from bomix.trial import CONFIRM, IMPORTED, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bomix.contracts.queued import QueuedJob
    from bomix.recommendation.recommend import Recommendation
    from bomix.study.study import Study
    from bomix.trial import Record

BEST = 10
"""Trials that ``bomix status`` shows beside those that are pending: what a glance takes in."""


@click.command()
@study_argument
@click.option("-v", "--verbose", count=True, help="Say what is being built; twice for everything.")
@click.option("--repair", is_flag=True, help="Set damaged files of the record aside, and say what is lost with them.")
def check(study: Path, verbose: int, repair: bool) -> None:
    """Report every problem of a study at once; nothing is trained.

    Text is tokenised (and kept in the cache), so that the counts below are those of the study.
    """
    import numpy as np

    from bomix.cli import tables
    from bomix.cli.phases import phases
    from bomix.cli.surrogate_line import surrogate_line
    from bomix.space.few import few_mixtures, single_by
    from bomix.space.negligible import left_out
    from bomix.strategies.checks import own_domain_note
    from bomix.study import nested, repetition_check, scale_rates
    from bomix.study import repair as repairing
    from bomix.study.shared_text import shared_text
    from bomix.study.study import Study
    from bomix.study.watching import unready

    log_to_stderr(verbose)
    opened = Study.open(study)
    assert opened.folder is not None
    for done in repairing.repair(opened.folder, study if study.is_file() else None) if repair else ():
        click.echo(str(done))
    raise_faults(unready(opened.spec.callbacks))
    opened.records.prepare()
    tables.console().print(tables.domains(opened))
    if (epochs := tables.epochs(opened)) is not None:
        tables.console().print(epochs)
    if opened.problem.matching is not None:
        click.echo(
            "trials see only so much of each domain that they repeat it as the target does (target.match_epochs)"
        )
    if (of := opened.problem.phases) is not None:
        tables.console().print(phases(opened.problem, of))
    searched = opened.problem.searched
    for line in nested.sentences(opened.problem, opened.history):
        click.echo(line)
    if opened.problem.space.constraints:
        tables.console().print(tables.constraints(opened))
    if (cut := tables.read_in_part(opened)) is not None:
        click.echo(cut)
    if opened.problem.scales:
        tables.console().print(tables.scales(opened))
    if (described := traits(opened.spec.strategy, StrategyTraits).description) is not None:
        click.echo(f"strategy: {described(searched)}")
    click.echo(f"surrogate of predictions and the recommendation: {surrogate_line(opened)}")
    space = searched.single
    for name, largest in left_out(space.domains, space.upper_array, np.array(space.negligible)).items():
        least = space.negligible[space.domains.index(name)]
        click.echo(
            f"domain '{name}' is left out of all mixtures but the natural one: its largest weight {largest:.2g} is as "
            f"good as zero, below {least:.2g} (one sequence of the run, or the key 'negligible')"
        )
    space = opened.problem.space
    if (few := few_mixtures(space)) is not None and not opened.problem.pool:
        count = "a single mixture, so that there is nothing to search" if len(few) == 1 else f"only {len(few)} mixtures"
        what = "bounds, constraints and 'at_least'" if space.constraints else "bounds and 'at_least'"
        click.echo(f"{what} allow {count}: each is asked for once")
        if space.constraints and len(few) == 1 and not any(space.at_least):
            click.echo(f"  it is fixed by {single_by(space)}")
    if (note := own_domain_note(searched)) is not None:
        click.echo(f"metrics: {note}")
    raise_faults(
        [
            Fault(str(damage.path), f"{damage.reason}: {damage.lost} is lost")
            for damage in repairing.damages(opened.folder)
        ],
        "files of the record are damaged; restore them, or let `bomix check --repair` set them aside:",
    )
    quarantined = [str(each) for each in opened.records.quarantined()]
    quarantined += shared_text(opened.spec, opened.folder) if opened.spec.trains_on_sources else []
    quarantined += repetition_check.warnings(opened)
    quarantined += scale_rates.warnings(opened, study)
    for each in quarantined:
        click.echo(f"warning: {each}")
    lacks = traits(opened.spec.execution, ExecutionTraits).lacks(opened.folder) if opened.spec.evaluator else ()
    for sentence in lacks:
        click.echo(f"warning: {sentence}")
    click.echo("no other problems found" if quarantined or lacks else "no problems found")


@click.command()
@study_argument
@click.option("--json", "as_json", is_flag=True, help="For programs; every trial.")
@click.option("--all", "every", is_flag=True, help=f"Every trial, not the best {BEST} and pending ones alone.")
def status(study: Path, as_json: bool, every: bool) -> None:
    """Show where a study stands."""
    from bomix.cli import jobs
    from bomix.study import nested
    from bomix.study.study import Study

    opened = Study.open(study)
    unread = opened.records.resolve_to_show()
    queued = jobs.queued(opened)
    state = _state(opened, queued, resolved=unread is None)
    if as_json:
        click.echo(json.dumps({**state, "trials": _rows(opened)}, indent=1))
        return
    from bomix.cli import attempts, tables
    from bomix.report.shown import done_of

    others = {key: state[f"confirming_{key}"] for key in ("pending", "failed") if state[f"confirming_{key}"]}
    unconfirmed = f" ({', '.join(f'{count} more {key}' for key, count in others.items())})" if others else ""
    click.echo(
        f"{done_of(state['completed'], state['budget'], 'trials completed')}, {state['pending']} pending, "
        f"{state['failed']} failed, {state['imported']} imported, {state['confirming']} confirming{unconfirmed}"
        + (f", {state['withdrawn']} withdrawn" if state["withdrawn"] else "")
    )
    if state["ended"] is not None:
        click.echo(f"the search has ended: {state['ended']}")
    click.echo(f"driver: {state['driver']}")
    click.echo(f"dataset: {state['dataset'] or 'none since the last result; `bomix dataset` writes it'}")
    for each in attempts.running(opened):
        click.echo(f"running: {each}")
    for job in queued:
        click.echo(jobs.line(opened, job))
    for sentence in nested.sentences(opened.problem, opened.history) if unread is None else ():
        click.echo(sentence)
    for sentence in state["quarantined"]:
        click.echo(f"warning: {sentence}")
    if unread is not None:
        first = unread.faults[0]
        click.echo(f"nothing can be told of the inputs ({first.where}: {first.what}); `bomix check` says all")
    if opened.history.all_records:
        if opened.problem.scales:
            tables.console().print(tables.scales(opened))
        tables.console().print(tables.trials(opened, best=None if every else BEST))
        if not every and len(opened.history.all_records) > BEST:
            scale = f" of scale '{opened.problem.scale_name(opened.problem.scale)}'" if opened.problem.scales else ""
            click.echo(f"of {len(opened.history.all_records)} trials the best {BEST}{scale}; --all shows every one")
    for line in attempts.log_lines(opened):
        click.echo(line)


@click.command()
@study_argument
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--figure", type=click.Path(dir_okay=False, path_type=Path), help="Draw it as well, .png, .pdf or .svg.")
@click.option("--format", "kind", metavar="FORMAT", help="Print it as a trainer reads it instead, see `bomix export`.")
@paths_option
def recommend(study: Path, as_json: bool, figure: Path | None, kind: str | None, paths: tuple[str, ...]) -> None:
    """Show which mixture to train on, and how sure that is."""
    from bomix.study.study import Study

    if as_json and kind is not None:
        raise ConfigError("--json and --format both print the recommendation; give one of them")
    if paths and kind is None:
        raise ConfigError("--paths is for an export; give --format as well")

    if figure is not None:
        from bomix.cli.picture import file_format
        from bomix.cli.predict import check_folder

        file_format(figure)
        check_folder(figure, "--figure")
    opened = Study.open(study)
    target = None if kind is None else Target(opened, kind, paths)
    with working("fitting the model, and looking for the best mixture"):
        best = opened.recommend()
    if _dataset(opened.folder) is None:
        opened.records.save_results()
    if target is not None:
        show(*target.write_one(single(best)), None)
    elif as_json:
        click.echo(json.dumps(_plain_recommendation(opened, best), indent=1))
    else:
        from bomix.cli import summary

        summary.show_summary(opened, best)
    if figure is not None:
        from bomix.cli.picture import draw

        draw(opened, best, figure)
        click.echo(f"figure: {figure}", err=as_json or kind is not None)


def _state(study: Study, queued: Sequence[QueuedJob], *, resolved: bool) -> dict[str, Any]:
    """Where a study stands, for programs; ``resolved`` says whether its inputs could be read, now or earlier."""
    from bomix.cli import attempts, jobs
    from bomix.study.standing import why_ended

    history = study.history
    stands = [record.status for record in study.spec.counted(history)]
    counts = {str(status): stands.count(status) for status in Status if status is not Status.WITHDRAWN}
    confirming = [record.status for record in history.records if record.trial.origin == CONFIRM]
    return {
        "budget": study.spec.budget.trials,
        **counts,
        "imported": sum(record.trial.origin == IMPORTED for record in history.records),
        "withdrawn": len(history.withdrawn),
        "confirming": confirming.count(Status.COMPLETED),
        "confirming_pending": confirming.count(Status.PENDING),
        "confirming_failed": confirming.count(Status.FAILED),
        "ended": why_ended(study.records) if resolved else None,
        "driver": "none" if study.folder is None else _driver(study.folder),
        "dataset": _dataset(study.folder),
        "running": [each.as_data() for each in attempts.running(study)],
        "jobs": [jobs.as_data(each) for each in queued],
        "quarantined": [str(each) for each in study.records.quarantined()] if resolved else [],
    }


def _rows(study: Study) -> list[dict[str, Any]]:
    """Every trial, for programs."""
    if not study.history.all_records:
        return []
    problem = study.problem
    return [
        {
            "id": record.trial.id,
            "status": str(record.status),
            "origin": record.trial.origin,
            "seed": record.trial.seed,
            **({"scale": problem.scale_name(record.trial.scale)} if problem.scales else {}),
            "weights": dict(record.trial.weights),
            "losses": _losses(record, problem.metric_names),
            "revision": record.revision,
            "withdrawn": record.withdrawn,
        }
        for record in study.history.all_records
    ]


def _losses(record: Record, metrics: Sequence[str]) -> dict[str, float | None] | None:
    """Every metric of a completed trial, None for one that was not measured."""
    if record.status is not Status.COMPLETED:
        return None
    return {name: record.result.losses.get(name) for name in metrics}


def _dataset(folder: Path | None) -> str | None:
    """The path of ``results.nc``, which holds every result where it is there; None without it."""
    path = None if folder is None else folder / RESULTS_FILE
    return None if path is None or not path.is_file() else str(path)


def _driver(folder: Path) -> str:
    holder = lock.read(folder)
    where = lock.named(holder)
    match lock.is_held(folder):
        case True:
            return f"running, {where}"
        case None:
            return f"{where}, which cannot be seen from here"
        case _:
            return "none" if holder is None else f"dead, {where}"


def _plain_recommendation(study: Study, best: Recommendation) -> dict[str, Any]:
    """Every field of the recommendation; ``confirmation`` compares what was ``confirmed``."""
    from bomix.cli.plain import plain
    from bomix.recommendation.confirmation import compare

    judged = best if best.confirmed is None else best.confirmed
    comparisons = compare(study.problem, study.history, judged.weights)
    return {
        **plain(best),
        "loss": best.loss,
        "interval": list(best.interval),
        "beats": dict(best.beats),
        "confirmation": [{**plain(each), "verdict": each.verdict} for each in comparisons],
    }
