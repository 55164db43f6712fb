"""The jobs of a study in the queue of a cluster, as commands show them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from bomix.cli.running import name_of, position
from bomix.contracts.executor import Attempt
from bomix.contracts.queued import QueuedExecution, QueuedJob
from bomix.execution.attempt.position import read
from bomix.study.study import Study
from bomix.trial import Record, Trial


def tried(study: Study) -> list[tuple[Trial, Attempt]]:
    """Trials that were tried and have not ended, withdrawn ones included, each with its latest attempt."""
    return _latest(study, study.history.all_records)


def _latest(study: Study, records: Iterable[Record]) -> list[tuple[Trial, Attempt]]:
    open_ended = [record.trial for record in records if record.outcome is None]
    last = [(trial, study.records.store.last_attempt(trial.id)) for trial in open_ended]
    return [(trial, Attempt(*attempt)) for trial, attempt in last if attempt is not None]


def queued(study: Study) -> list[QueuedJob]:
    """The jobs of pending trials, and those that withdrawn ones still have; none where trials run in no queue."""
    pending = {record.trial.id for record in study.history.pending}
    return [job for job in _jobs(study, tried(study)) if job.live is not False or not pending.isdisjoint(job.trials)]


def left(study: Study) -> list[QueuedJob]:
    """Jobs that run or wait, or may, whatever the study file says by now; none where trials run in no queue."""
    attempts = _latest(study, study.records.store.read().records)
    return [job for job in _jobs(study, attempts) if job.live is not False]


def listed(jobs: Iterable[QueuedJob]) -> str:
    """Jobs in words: ``17 (trial 3), 18 (trials 4, 5)``."""
    return ", ".join(f"{job.name} ({numbers(job)})" for job in jobs)


def numbers(job: QueuedJob) -> str:
    """The trials of a job in words."""
    return f"trial{'s' if len(job.trials) > 1 else ''} {', '.join(map(str, job.trials))}"


def _jobs(study: Study, attempts: Sequence[tuple[Trial, Attempt]]) -> Sequence[QueuedJob]:
    execution = study.spec.execution
    if study.folder is None or not isinstance(execution, QueuedExecution):
        return []
    return execution.jobs(attempts)


def line(study: Study, job: QueuedJob) -> str:
    """A job in a line: ``job 17 (trial 3): RUNNING, step 30/120, 14,000 tokens/s; log: ...``."""
    trials = [record.trial for record in study.history.all_records if record.trial.id in job.trials]
    progress = read(job.folder)
    how_far = "" if progress is None else f", {position(progress)}"
    return f"job {job.name} ({name_of(*trials)}): {job.state}{how_far}; log: {job.log}"


def as_data(job: QueuedJob) -> dict[str, Any]:
    """The same for programs."""
    progress = read(job.folder)
    known = {} if progress is None else dataclasses.asdict(progress)
    numbers = {name: known.get(name) for name in ("step", "steps", "tokens_per_second")}
    return {"trials": list(job.trials), "job": job.name, "state": job.state, "log": str(job.log), **numbers}
