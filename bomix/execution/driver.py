"""The loop of ``bomix optimize``: ask, train, tell, until the budget is spent."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bomix.errors import EvaluationError, FaultsError, StoreError, StudyError
from bomix.execution.local.executor import Ended, LocalExecutor, Reported
from bomix.execution.observer import Observer
from bomix.io.store import lock
from bomix.io.store.study_folder import FolderStore
from bomix.trial import CONFIRM, EXPERT, Failure, Outcome, Record, Status, Trial

if TYPE_CHECKING:
    from bomix.recommendation.stopping import Seen
    from bomix.study.study import Study

TICK = 0.5
"""Seconds to wait for an event before looking around."""


def drive(
    study: Study, *, observer: Observer | None = None, take_over: bool = False, experts_only: bool = False
) -> None:
    """Run a study until its budget is spent and its recommendation confirmed.

    Trials that an interrupted run left pending are trained first, with the same weights and seed.

    Args:
        study: Its spec says how many trials, workers and confirming seeds.
        observer: Told of everything that happens.
        take_over: Replace a driver that held the study on another host.
        experts_only: End when every domain has its expert.

    Raises:
        StudyError: The study has no evaluator.
        StoreError: Another driver runs it, or its inputs changed.
        EvaluationError: Too many trials failed.
    """
    observer = observer or Observer()
    if study.spec.evaluator is None:
        raise StudyError("the study has no evaluator, so nothing can be trained here; use `ask` and `tell`")
    with _locked(study, take_over):
        observer.preparing()
        study.prepare()
        if isinstance(study.store, FolderStore):
            study.store.sweep()
        # A confirming trial is resumed only where it still confirms what is recommended: the queue finds it then.
        interrupted = [record.trial for record in study.history.pending if record.trial.origin != CONFIRM]
        pending = [trial for trial in interrupted if not experts_only or trial.origin == EXPERT]
        queue = _Queue(study, list(pending), observer, experts_only=experts_only)
        try:
            observer.began(study, pending)
            if queue.has_next():
                _run(study, queue, observer)
        finally:
            observer.closed()
            study.save_results()


class _Queue:
    """Which trial is next: interrupted ones, then new ones while they are worth it, then confirming ones."""

    def __init__(self, study: Study, pending: list[Trial], observer: Observer, *, experts_only: bool) -> None:
        self._study = study
        self._experts_only = experts_only
        self._again = pending
        self._observer = observer
        self._expected: Seen = {}
        self._stopped: str | None = None
        self._in_flight: set[int] = set()
        self._confirming: list[Trial] | None = None

    def has_next(self) -> bool:
        """Whether :meth:`next` would give a trial now."""
        if self._again or self._goes_on():
            return True
        return bool(self._confirmations())

    def next(self) -> Trial:
        """The next trial, recorded as pending."""
        if self._again:
            trial = self._again.pop(0)
        elif self._goes_on():
            trial = self._study.ask(expert=self._experts_only)
        else:
            trial = self._confirmations().pop(0)
        self._in_flight.add(trial.id)
        return trial

    def again(self, trial: Trial) -> None:
        """Try a trial once more, before all others."""
        self._again.insert(0, trial)

    def ended(self, trial: Trial) -> None:
        """A trial is no longer in flight."""
        self._in_flight.discard(trial.id)

    def _goes_on(self) -> bool:
        """Whether a new trial is within the budget, and worth it."""
        study = self._study
        history, budget = study.history, study.spec.budget
        expert = study.next_expert(history, wanted=self._experts_only)
        if self._experts_only:
            return expert is not None
        counted = study.spec.counted(history)
        unfailed = sum(record.status is not Status.FAILED for record in counted)
        if budget.spent(counted) is not None or unfailed >= budget.trials:
            return False
        if expert is not None or study.experts_on_the_way(history):
            # What the strategy knows without its experts is no ground to ask it.
            return expert is not None
        if budget.improvement is None:
            return True
        from bomix.recommendation.stopping import why_stop

        known, seed = self._expected, study.spec.seed
        reason = why_stop(study.problem, history, study.spec.strategy, budget, seed=seed, seen=known)
        if reason is not None and reason != self._stopped:
            self._observer.stopped(reason)
        self._stopped = reason
        return reason is None

    def _confirmations(self) -> list[Trial]:
        """Confirming trials still to run; only known once every searching trial has ended."""
        if self._confirming is None:
            if (
                self._experts_only
                or self._study.spec.confirm == 0
                or self._in_flight
                or not self._study.history.completed
            ):
                return []
            from bomix.recommendation.confirmation import confirming_trials

            records = confirming_trials(self._study, self._study.spec.confirm)
            self._confirming = [record.trial for record in records if record.outcome is None]
        return self._confirming


def _run(study: Study, queue: _Queue, observer: Observer) -> None:
    failed_attempts: dict[int, int] = {}
    failed_trials: list[Record] = []
    with contextlib.ExitStack() as stack:
        evaluator = study.spec.ready_evaluator(study.store.base)
        assert evaluator is not None
        attempts = _Attempts(study)
        executor = LocalExecutor(evaluator, workers=study.spec.execution.workers)
        stack.callback(executor.close)
        while True:
            while executor.free and queue.has_next():
                trial = queue.next()
                executor.submit(trial, attempts.new(trial))
                observer.started(trial)
            if not executor.running:
                return
            for event in executor.events(TICK):
                if isinstance(event, Reported):
                    observer.progressed(event.trial, event.progress)
                    continue
                tries = failed_attempts[event.trial.id] = failed_attempts.get(event.trial.id, 0) + 1
                if isinstance(event.outcome, Failure) and tries < study.spec.execution.attempts:
                    observer.retried(event.trial, event.outcome.message)
                    queue.again(event.trial)
                    continue
                record = _tell(study, event, tries)
                queue.ended(event.trial)
                observer.ended(study, record)
                if isinstance(record.outcome, Failure):
                    failed_trials.append(record)
                    _give_up_if_too_many(study, failed_trials)


def _tell(study: Study, event: Ended, tries: int) -> Record:
    outcome: Outcome = event.outcome
    if isinstance(outcome, Failure):
        outcome = dataclasses.replace(outcome, attempts=tries)
    try:
        return study.tell(event.trial, outcome)
    except StoreError:
        # Somebody told the outcome meanwhile, and the first one counts.
        told = [record for record in study.history.records if record.trial.id == event.trial.id]
        if told and told[0].outcome is not None:
            return told[0]
        raise
    except FaultsError as error:  # the evaluator came back with something that is no result of this study
        return study.tell(event.trial, Failure(str(error), event.log_tail, attempts=tries))


def _give_up_if_too_many(study: Study, failed: list[Record]) -> None:
    if len(failed) < study.spec.execution.max_failures:
        return
    last = failed[-1].outcome
    assert isinstance(last, Failure)
    where = f" (log below {study.folder / 'trials'})" if study.folder else ""
    raise EvaluationError(
        f"{len(failed)} trials failed, as many as execution.max_failures allows; the last one, trial "
        f"{failed[-1].trial.id}: {last.message}{where}\n{last.log_tail}\n"
        "mend the cause and run the same command again"
    )


class _Attempts:
    """Work folders: in the study folder, or in a temporary one for a study in memory."""

    def __init__(self, study: Study) -> None:
        self._store = study.store
        self._temporary = None
        if not isinstance(self._store, FolderStore):
            # What experts left there is read for as long as the study lives.
            self._temporary = Path(tempfile.mkdtemp(prefix="bomix-"))
            weakref.finalize(study, shutil.rmtree, self._temporary, ignore_errors=True)

    def new(self, trial: Trial) -> Path:
        if isinstance(self._store, FolderStore):
            return self._store.new_attempt(trial.id)[1]
        return Path(tempfile.mkdtemp(prefix=f"{trial.id:04d}-", dir=self._temporary))


@contextlib.contextmanager
def _locked(study: Study, take_over: bool) -> Iterator[None]:
    if study.folder is None:
        yield
        return
    with lock.holding(study.folder, take_over=take_over):
        yield
