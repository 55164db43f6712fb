"""``bomix optimize``."""

from __future__ import annotations

from pathlib import Path

import click

from bomix.cli.options import log_to_stderr, study_argument


@click.command()
@study_argument
@click.option("--trials", type=click.IntRange(min=1), help="Completed trials in all, imported runs not counted.")
@click.option("--workers", type=click.IntRange(min=1), help="Trials at a time.")
@click.option("--confirm", type=click.IntRange(min=0), help="Fresh seeds on which the recommendation is trained again.")
@click.option("--take-over", is_flag=True, help="Replace a driver on another host that is gone.")
@click.option("-q", "--quiet", is_flag=True, help="Only the result.")
@click.option("-v", "--verbose", count=True, help="Say more; twice for everything.")
def optimize(
    study: Path,
    trials: int | None,
    workers: int | None,
    confirm: int | None,
    take_over: bool,
    quiet: bool,
    verbose: int,
) -> None:
    """Run a study, or resume it; Ctrl-C stops it, and the same command goes on."""
    from bomix.cli import picture, summary
    from bomix.cli.watch import observer_for
    from bomix.study.study import Study

    log_to_stderr(verbose)
    opened = Study.open(study)
    observer = observer_for(quiet=quiet, verbose=verbose)
    best = opened.run(trials=trials, workers=workers, confirm=confirm, observer=observer, take_over=take_over)
    summary.show_summary(opened, best)
    if opened.folder is not None:
        picture.draw(opened, best, opened.folder / picture.FIGURE)
        click.echo(f"figure: {opened.folder / picture.FIGURE}")
