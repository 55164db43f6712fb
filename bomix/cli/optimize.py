"""``bomix optimize``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bomix.cli import reading
from bomix.cli.options import log_to_stderr, study_argument

if TYPE_CHECKING:
    from bomix.study.study import Study


@click.command()
@study_argument
@click.option("--trials", type=click.IntRange(min=1), help="Completed trials in all, imported runs not counted.")
@click.option("--workers", type=click.IntRange(min=1), help="Trials at a time.")
@click.option("--confirm", type=click.IntRange(min=0), help="Fresh seeds on which the recommendation is trained again.")
@click.option("--take-over", is_flag=True, help="Replace a driver on another host that is gone.")
@click.option("--detach", is_flag=True, help="Submit, record what has ended, and leave the rest to the queue.")
@click.option("--dry-run", is_flag=True, help="Show what would be handed to the cluster; nothing is submitted.")
@click.option("-q", "--quiet", is_flag=True, help="Only the result.")
@click.option("-v", "--verbose", count=True, help="Say more; twice for everything.")
def optimize(
    study: Path,
    trials: int | None,
    workers: int | None,
    confirm: int | None,
    take_over: bool,
    detach: bool,
    dry_run: bool,
    quiet: bool,
    verbose: int,
) -> None:
    """Run a study, or resume it; Ctrl-C stops it, and the same command goes on."""
    from bomix.cli import picture, summary
    from bomix.cli.watch import observer_for
    from bomix.study.running import run
    from bomix.study.study import Study

    log_to_stderr(verbose)
    opened = Study.open(study)
    if dry_run:
        _show_scripts(opened, workers)
        return
    observer = observer_for(quiet=quiet, verbose=verbose)
    if quiet:
        reading.silence()
    if detach:
        run(
            opened.records,
            trials=trials,
            workers=workers,
            confirm=confirm,
            observer=observer,
            take_over=take_over,
            detach=True,
        )
        if opened.history.pending:
            count = len(opened.history.pending)
            click.echo(f"{count} pending; the same command goes on, `bomix status` shows the jobs")
            return
        best = opened.recommend()
    else:
        best = opened.run(trials=trials, workers=workers, confirm=confirm, observer=observer, take_over=take_over)
    summary.show_summary(opened, best)
    if opened.folder is not None:
        picture.draw(opened, best, opened.folder / picture.FIGURE)
        click.echo(f"figure: {opened.folder / picture.FIGURE}")


def _show_scripts(study: Study, workers: int | None) -> None:
    """Show what would be handed to the cluster for the next trials, whose mixtures are not asked for."""
    from bomix.contracts.executor import Attempt, ExecutionTraits
    from bomix.contracts.traits import traits
    from bomix.errors import StudyError
    from bomix.study.running import queued_execution
    from bomix.trial import Trial

    execution = queued_execution(study.spec.execution, "--dry-run")
    if study.folder is None:
        raise StudyError("the study is kept in memory; jobs need a folder that all nodes see")
    count = workers or traits(execution, ExecutionTraits).workers or 1
    even = dict.fromkeys(study.spec.domains, 1.0 / len(study.spec.domains))
    first = study.history.next_id
    trials = [Trial(number, even, study.spec.seed, "uniform") for number in range(first, first + count)]
    folders = [study.folder / "trials" / f"{trial.id:04d}" / "attempts" / "1" for trial in trials]
    attempts = [(trial, Attempt(1, folder)) for trial, folder in zip(trials, folders, strict=True)]
    for script in execution.preview(attempts, folder=study.folder):
        click.echo(script)
