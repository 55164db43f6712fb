"""``bomix experts``."""

from __future__ import annotations

from pathlib import Path

import click

from bomix.cli import reading
from bomix.cli.options import log_to_stderr, study_argument


@click.command()
@study_argument
@click.option("--workers", type=click.IntRange(min=1), help="Trials at a time.")
@click.option("-q", "--quiet", is_flag=True, help="Only the result.")
@click.option("-v", "--verbose", count=True, help="Say more; twice for everything.")
def experts(study: Path, workers: int | None, quiet: bool, verbose: int) -> None:
    """Train the experts that are missing, one per domain; Ctrl-C stops it, and the same command goes on."""
    from bomix.cli.watch import observer_for
    from bomix.study.running import train_experts
    from bomix.study.study import Study

    log_to_stderr(verbose)
    opened = Study.open(study)
    if quiet:
        reading.silence()
    train_experts(opened.records, workers=workers, observer=observer_for(quiet=quiet, verbose=verbose))
    for domain, trial in sorted(opened.history.experts.items()):
        click.echo(f"{domain}: trial {trial}")
