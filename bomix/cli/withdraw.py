"""``bomix withdraw``."""

from __future__ import annotations

from pathlib import Path

import click

from bomix.cli import jobs
from bomix.cli.options import study_argument
from bomix.study.study import Study


@click.command()
@study_argument
@click.argument("trial", type=click.IntRange(min=0))
@click.option("--why", required=True, help="The reason, which the record keeps.")
def withdraw(study: Path, trial: int, why: str) -> None:
    """Have TRIAL count for nothing from now on, whether it was imported, told or is pending.

    Nothing is removed: `bomix status` shows the run and the reason. Nothing is learnt from it, it costs no budget, and
    its mixture may be proposed again. A table that has the run leaves it withdrawn when it is imported again.
    """
    opened = Study.open(study)
    record = opened.withdraw(trial, why=why)
    click.echo(f"trial {trial} ({record.trial.origin}) is withdrawn: {record.withdrawn}")
    for job in jobs.queued(opened) if record.outcome is None else []:
        if trial in job.trials:
            end = " ".join(map(str, job.trials))
            goes_on = "goes on" if job.live else "may go on"
            what = f"job {job.name} ({jobs.numbers(job)}) {goes_on} in the queue"
            click.echo(f"{what}: `bomix cancel {study} {end}` ends it")
