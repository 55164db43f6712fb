"""How often the trials of one run were tried, and what of that counts."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from bomix.trial import Failure

if TYPE_CHECKING:
    from bomix.contracts.executor import Ended
    from bomix.trial import Outcome, Trial


class Tries:
    """Failed attempts and lost ones of one run of a study, counted apart.

    Args:
        attempts: How often a trial is tried before it counts as failed.
        max_lost: How often one may be lost, see :attr:`bomix.contracts.executor.Ended.lost`; None for no limit.
    """

    def __init__(self, attempts: int, max_lost: int | None) -> None:
        self._attempts = attempts
        self._max_lost = max_lost
        self._failed: dict[int, int] = {}
        self._lost: dict[int, int] = {}

    def lost(self, event: Ended) -> bool:
        """Count an attempt that was lost; whether the trial is to be run again for it."""
        if not event.lost or not isinstance(event.outcome, Failure):
            return False
        self._lost[event.trial.id] = self._lost.get(event.trial.id, 0) + 1
        return self._max_lost is None or self._lost[event.trial.id] <= self._max_lost

    def failed(self, event: Ended) -> bool:
        """Count an attempt that ended by itself; whether it failed and the trial is to be tried again."""
        self._failed[event.trial.id] = self._failed.get(event.trial.id, 0) + 1
        return isinstance(event.outcome, Failure) and not event.lost and self._failed[event.trial.id] < self._attempts

    def outcome(self, event: Ended) -> Outcome:
        """What is recorded of a trial that is not tried again; a failure says how often it was tried, or lost."""
        if not isinstance(event.outcome, Failure):
            return event.outcome
        message = event.outcome.message
        if event.lost:
            message = f"lost {self._lost[event.trial.id]} times (execution.max_lost is {self._max_lost}): {message}"
        return dataclasses.replace(event.outcome, message=message, attempts=self.of(event.trial))

    def of(self, trial: Trial) -> int:
        """Attempts of a trial that count."""
        return self._failed[trial.id]
