"""What the attempts at a study's trials tell a reader: how far those are that run, and where the logs of others lie."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bomix.cli.running import name_of, position
from bomix.contracts.queued import QueuedExecution
from bomix.execution.attempt.position import read
from bomix.io.store import lock
from bomix.progress import Progress
from bomix.study.study import Study
from bomix.trial import Trial

MOST_LOGS = 10
"""Logs that are named, at most, the last ones: a run ends after three failures, unless it is told otherwise."""


@dataclass(frozen=True)
class Running:
    """Trials that are trained in one process.

    Attributes:
        trials: The trials.
        progress: How far they are; None where they have not said so.
    """

    trials: tuple[Trial, ...]
    progress: Progress | None

    def __str__(self) -> str:
        where = "starting, or it does not say how far it is" if self.progress is None else position(self.progress)
        return f"{name_of(*self.trials)}: {where}"

    def as_data(self) -> dict[str, Any]:
        """The same for programs."""
        known = {} if self.progress is None else dataclasses.asdict(self.progress)
        numbers = {name: known.get(name) for name in ("step", "steps", "tokens_per_second")}
        return {"trials": [trial.id for trial in self.trials], **numbers}


def running(study: Study) -> list[Running]:
    """Trials that a driver on this machine trains now; what is trained as one stands together.

    The attempts of a group have one log: that of the first, to which the others link.
    """
    if study.folder is None or not lock.is_held(study.folder) or isinstance(study.spec.execution, QueuedExecution):
        return []  # jobs of a queue are shown as such, see `bomix.cli.jobs`
    together: dict[Path, list[Trial]] = {}
    for record in study.history.pending:
        if (log := _last_log(study, record.trial)) is not None:
            together.setdefault(log.resolve().parent, []).append(record.trial)
    return [Running(tuple(trials), read(folder)) for folder, trials in together.items()]


def failed_logs(study: Study) -> dict[int, Path]:
    """Failed trials to the logs of their last attempts, as far as there are some."""
    logs = {record.trial.id: _last_log(study, record.trial) for record in study.history.failed}
    return {number: log for number, log in logs.items() if log is not None}


def _last_log(study: Study, trial: Trial) -> Path | None:
    """The log of the last attempt at a trial; None where there is none."""
    from bomix.execution.attempt.evaluate import LOG_FILE  # with what ends processes, which few studies need here

    attempt = study.records.store.last_attempt(trial.id)
    if attempt is None or not (log := attempt[1] / LOG_FILE).exists():
        return None
    return log


def log_lines(study: Study) -> list[str]:
    """A line for each log of a failed trial, the last ones where there are many."""
    logs = [f"log of trial {number}, which failed: {path}" for number, path in failed_logs(study).items()]
    left = len(logs) - MOST_LOGS
    return ([f"{left} more trials failed and have logs"] if left > 0 else []) + logs[-MOST_LOGS:]
