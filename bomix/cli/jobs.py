"""The jobs of a study in the queue of a cluster, as commands show them."""

from __future__ import annotations

import dataclasses
from typing import Any

from bomix.cli.running import name_of, position
from bomix.contracts.executor import Attempt
from bomix.contracts.queued import QueuedExecution, QueuedJob
from bomix.execution.attempt.position import read
from bomix.study.study import Study
from bomix.trial import Trial


def tried(study: Study) -> list[tuple[Trial, Attempt]]:
    """Pending trials that were tried, each with its latest attempt."""
    last = [(record.trial, study.records.store.last_attempt(record.trial.id)) for record in study.history.pending]
    return [(trial, Attempt(*attempt)) for trial, attempt in last if attempt is not None]


def queued(study: Study) -> list[QueuedJob]:
    """The jobs of pending trials; none where trials run in no queue."""
    execution = study.spec.execution
    if study.folder is None or not isinstance(execution, QueuedExecution):
        return []
    return list(execution.jobs(tried(study)))


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
