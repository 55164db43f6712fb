"""``bomix cancel``."""

from __future__ import annotations

from pathlib import Path

import click

from bomix.cli import jobs
from bomix.cli.options import study_argument
from bomix.errors import StoreError, StudyError
from bomix.io.store import lock
from bomix.study.running import queued_execution
from bomix.study.study import Study


@click.command()
@study_argument
@click.argument("trials", nargs=-1, type=click.IntRange(min=0))
def cancel(study: Path, trials: tuple[int, ...]) -> None:
    """End the jobs of TRIALS in the queue of a cluster, or of all that are pending or withdrawn.

    Where no driver runs, the trials stay pending: `bomix optimize` trains them again, `bomix withdraw` has one count
    for nothing. Beside a driver that runs, TRIALS must be named, and each counts as an attempt that failed.
    """
    opened = Study.open(study)
    execution = queued_execution(opened.spec.execution, "bomix cancel")
    folder = opened.folder
    driven = folder is not None and lock.is_held(folder) is not False
    if folder is not None and not trials and driven:
        raise StoreError(
            f"{lock.named(lock.read(folder))} is optimising this study, and would submit other trials instead; stop "
            "it first (Ctrl-C leaves the jobs alone), or name the trials"
        )
    found = {trial.id: (trial, attempt) for trial, attempt in jobs.tried(opened)}
    if strays := [number for number in trials if number not in found]:
        raise StudyError(f"trial {strays[0]} has no job: it has ended, or was never submitted (`bomix status`)")
    pending = {record.trial.id for record in opened.history.pending}
    ended = execution.cancel([found[number] for number in trials or found])
    for job in ended:
        click.echo(f"job {job.name} is cancelled ({jobs.numbers(job)})")
    if not pending.isdisjoint(number for job in ended for number in job.trials):
        left = "no driver runs: pending trials stay so, and the next `bomix optimize` submits them again"
        click.echo("a driver runs: each trial counts as an attempt that failed" if driven else left)
    if not ended:
        click.echo("nothing to cancel: no job of these trials runs or waits")
