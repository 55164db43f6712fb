"""How often the trials of a run were tried, and what of that counts."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from bomix.errors import FaultsError, StoreError
from bomix.io.store import files
from bomix.trial import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bomix.contracts.executor import Attempt, Ended
    from bomix.contracts.study import RunnableStudy
    from bomix.trial import Outcome, Record, Trial

COUNTED_FILE = ".counted"
"""Says in an attempt's folder how it ended, for runs that go on counting; hidden, as the folder is the evaluator's."""
_FAILED, _LOST = "failed", "lost"
_LIMIT = 64
"""Bytes that are read of such a file: it holds one word."""


class Tries:
    """Failed attempts and lost ones of a run of a study, counted apart.

    Args:
        attempts: How often a trial is tried before it counts as failed.
        max_lost: How often one may be lost, see :attr:`bomix.contracts.executor.Ended.lost`; None for no limit.
        kept: Where earlier runs, whose attempts count, wrote down how these ended; None where none does.
    """

    def __init__(self, attempts: int, max_lost: int | None, *, kept: Kept | None = None) -> None:
        self._attempts = attempts
        self._max_lost = max_lost
        self._failed: dict[int, int] = {}
        self._lost: dict[int, int] = {}
        self._kept = kept
        for trial, words in () if kept is None else kept.read():
            self._failed[trial.id], self._lost[trial.id] = words.count(_FAILED), words.count(_LOST)

    def lost(self, event: Ended) -> bool:
        """Count an attempt that was lost; whether the trial is to be run again for it."""
        if not event.lost or not isinstance(event.outcome, Failure):
            return False
        self._lost[event.trial.id] = self._lost.get(event.trial.id, 0) + 1
        again = self._max_lost is None or self._lost[event.trial.id] <= self._max_lost
        return self._again(event.trial, _LOST, again=again)

    def failed(self, event: Ended) -> bool:
        """Count an attempt that ended by itself; whether it failed and the trial is to be tried again."""
        self._failed[event.trial.id] = self._failed.get(event.trial.id, 0) + 1
        failed = isinstance(event.outcome, Failure) and not event.lost
        return self._again(event.trial, _FAILED, again=failed and self._failed[event.trial.id] < self._attempts)

    def _again(self, trial: Trial, word: str, *, again: bool) -> bool:
        """Write down the end of an attempt whose trial is tried again, where later runs count it."""
        if again and self._kept is not None:
            self._kept.keep(trial, word)
        return again

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


class Kept:
    """How attempts at pending trials ended that were tried again, kept for runs of the study that go on counting.

    Args:
        study: The study.
    """

    def __init__(self, study: RunnableStudy) -> None:
        self._study = study

    def read(self) -> Iterator[tuple[Trial, list[str]]]:
        """Pending trials with the words that :meth:`keep` wrote of their attempts."""
        for trial in (record.trial for record in self._study.history.pending):
            if (last := self._study.last_attempt(trial)) is not None:
                yield trial, _words(last)

    def keep(self, trial: Trial, word: str) -> None:
        """Write down how the latest attempt at a trial ended; one of which that cannot be written is not counted."""
        if (attempt := self._study.last_attempt(trial)) is not None:
            with contextlib.suppress(OSError):
                files.replace(attempt.folder / COUNTED_FILE, word)


def _words(last: Attempt) -> list[str]:
    """How the attempts at a trial ended, as far as that was written down."""
    found = []
    for number in range(1, last.number + 1):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            found.append(files.read_bounded(last.folder.with_name(str(number)) / COUNTED_FILE, _LIMIT))
    return found


def tell(study: RunnableStudy, event: Ended, tries: Tries) -> tuple[Record, bool]:
    """Record how an attempt ended; whether it came back with what is no result of this study."""
    try:
        return study.tell(event.trial, tries.outcome(event)), False
    except StoreError:
        # Somebody told the outcome meanwhile, and the first one counts; or withdrew the trial, and none does.
        told = [record for record in study.history.all_records if record.trial.id == event.trial.id]
        if told and (told[0].outcome is not None or told[0].withdrawn is not None):
            return told[0], False
        raise
    except FaultsError as error:
        return study.tell(event.trial, Failure(str(error), event.log_tail, attempts=tries.of(event.trial))), True
