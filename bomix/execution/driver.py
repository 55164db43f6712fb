"""The loop of ``bomix optimize``: ask, train, tell, until the budget is spent."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bomix.contracts.executor import Ended, ExecutionTraits, Executor, GroupExecutor, Reported
from bomix.contracts.queued import LeavingError
from bomix.contracts.traits import traits
from bomix.errors import StudyError
from bomix.execution.failures import Failures
from bomix.execution.groups import Groups, named
from bomix.execution.observer import Observer
from bomix.execution.queue import Action, Decision, Situation, decide
from bomix.execution.tries import Kept, Tries, tell
from bomix.io.store import lock
from bomix.trial import CONFIRM, EXPERT, Failure, Trial

if TYPE_CHECKING:
    from bomix.contracts.study import RunnableStudy

logger = logging.getLogger(__name__)

TICK = 0.5
"""Seconds to wait for an event before looking around."""


def drive(
    study: RunnableStudy,
    *,
    observer: Observer | None = None,
    take_over: bool = False,
    experts_only: bool = False,
    leaves: bool = False,
) -> None:
    """Run a study until its budget is spent and its recommendation confirmed.

    Trials that an interrupted run left pending are trained first, with the same weights and seed.

    Args:
        study: The study, whose spec says how many trials, workers and confirming seeds.
        observer: Told of everything that happens.
        take_over: Replace a driver that held the study on another host.
        experts_only: End when every domain has its expert.
        leaves: Whether the executor raises LeavingError where nothing happens. Many such runs are one, so that failures
            and attempts of the earlier ones count.

    Raises:
        StudyError: The study has no evaluator.
        StoreError: Another driver runs it, or its inputs changed.
        EvaluationError: Too many trials failed.
    """
    observer = observer or Observer()
    if study.spec.evaluator is None:
        raise StudyError("the study has no evaluator, so nothing can be trained here; use `ask` and `tell`")
    folder = study.folder
    with contextlib.nullcontext() if folder is None else lock.holding(folder, take_over=take_over):
        observer.preparing()
        study.prepare()
        # A confirming trial is resumed only where it still confirms what is recommended: the queue finds it then.
        interrupted = [record.trial for record in study.history.pending if record.trial.origin != CONFIRM]
        pending = [trial for trial in interrupted if not experts_only or trial.origin == EXPERT]
        try:
            observer.began(study, pending)
            _Run(study, list(pending), observer, experts_only=experts_only, leaves=leaves).run()
        finally:
            observer.closed()
            study.save_results()


class _Run:
    """What happens between two decisions: trials are submitted, and what becomes of them is recorded."""

    def __init__(
        self, study: RunnableStudy, pending: list[Trial], observer: Observer, *, experts_only: bool, leaves: bool
    ) -> None:
        self._study = study
        self._again = pending
        self._observer = observer
        self._experts_only = experts_only
        self._executor: Executor | None = None
        self._groups: Groups | None = None
        self._in_flight: set[int] = set()
        self._confirmations_taken_over: dict[int, Trial] = {}
        self._cancelled: set[int] = set()
        self._confirming: list[Trial] | None = None
        self._stopped: str | None = None
        execution = study.spec.execution
        own = traits(execution, ExecutionTraits)
        self._tries = Tries(execution.attempts, own.max_lost, kept=Kept(study) if leaves else None)
        self._ahead = own.ask_ahead
        self._failures = Failures(study, in_all=leaves)

    def run(self) -> None:
        """Do what is decided until there is nothing to do; running trials end with an error, or stay as they may."""
        try:
            running = self._take_over()
            if running or self._again:
                self._observer.resuming(running, self._again)
            self._give_up_before_more()
            self._loop()
        except BaseException:
            self._close_after_an_error()
            raise
        if self._executor is not None:
            self._executor.close()

    def _close_after_an_error(self) -> None:
        try:
            if self._executor is not None:
                self._executor.close()
        except Exception:  # whatever an executor raises: the error that ended the run is its cause, or weighs more
            logger.exception("the executor could not be closed after the run had failed")

    def _give_up_before_more(self) -> None:
        """Raise EvaluationError where earlier runs have seen too many failures; what has ended is recorded first."""
        if self._failures.too_many and self._executor is not None:
            with contextlib.suppress(LeavingError):
                self._listen(self._executor, 0.0)
        self._failures.give_up()

    def _loop(self) -> None:
        while True:
            now = self._situation()
            if self._confirmations_taken_over:
                self._cancel_all_but(record.trial for record in now.history.confirming)
            decision = decide(now, self._study.why_stop, self._study.settled)
            self._tell_why(decision)
            match decision.action:
                case Action.STOP | Action.CONFIRM if self._study.look() != now.history:
                    continue  # the search may go on after all: a trial was withdrawn elsewhere
                case Action.STOP:
                    return
                case Action.CONFIRM:
                    wanted = self._study.confirmations()
                    self._cancel_all_but(wanted)
                    self._confirming = [trial for trial in wanted if trial.id not in self._in_flight]
                case Action.WAIT:
                    assert self._executor is not None, "nothing is in flight before there is an executor"
                    self._listen(self._executor, TICK)
                    while not self._executor.free:
                        self._listen(self._executor, TICK)
                case _ if self._executor is None:
                    self._start()  # how many slots are free there may change the decision
                case Action.RUN:
                    self._submit(self._executor, decision.trials)
                case Action.ASK_AHEAD if self._listen(self._executor, 0.0):
                    continue  # what came back is known to the next ask, and may have freed a slot
                case Action.ASK | Action.ASK_AHEAD | Action.ASK_EXPERT:
                    self._again.append(self._study.ask(expert=decision.action is Action.ASK_EXPERT))

    def _situation(self) -> Situation:
        study, history = self._study, self._study.history
        free = 1 if self._executor is None else self._executor.free
        return Situation(
            plan=study.spec,
            history=history,
            free=free,
            in_flight=frozenset(self._in_flight),
            again=tuple(self._again),
            full=free < 1 or self._groups is None or self._groups.full(self._again, free),
            confirming=None if self._confirming is None else tuple(self._confirming),
            experts=study.experts(history, wanted=self._experts_only),
            experts_only=self._experts_only,
            exhausted=study.exhausted(history),
            scales=study.problem.scales,
            ahead=self._ahead,
        )

    def _tell_why(self, decision: Decision) -> None:
        """Tell once why the search ends before its budget does; again where it went on meanwhile."""
        if decision.reason is not None and decision.reason != self._stopped:
            self._observer.stopped(decision.reason)
        if decision.reason is not None or decision.action in (Action.ASK, Action.ASK_AHEAD):
            self._stopped = decision.reason

    def _start(self) -> Executor:
        study = self._study
        evaluator = study.ready_evaluator()
        assert evaluator is not None
        self._executor = study.spec.execution.start(evaluator, folder=study.folder)
        self._groups = Groups(evaluator, self._executor)
        return self._executor

    def _take_over(self) -> Sequence[Trial]:
        """Count as in flight whatever an earlier driver left running, also what this run would not submit itself."""
        study = self._study
        pending = [record.trial for record in study.history.pending]
        tried = [(trial, attempt) for trial in pending if (attempt := study.last_attempt(trial)) is not None]
        if not tried:
            return ()
        running = {trial.id: trial for trial in self._start().reattach(tried)}
        self._in_flight |= running.keys()
        self._again = [trial for trial in self._again if trial.id not in running]
        self._confirmations_taken_over = {n: trial for n, trial in running.items() if trial.origin == CONFIRM}
        return tuple(running.values())

    def _cancel_all_but(self, wanted: Iterable[Trial]) -> None:
        """Cancel the confirmations that were taken over, and that nobody wants to know the result of any more."""
        unwanted = self._confirmations_taken_over.keys() - {trial.id for trial in wanted}
        for number in sorted(unwanted):
            assert self._executor is not None, "it was started to take them over"
            self._executor.cancel(self._confirmations_taken_over.pop(number))
            self._cancelled.add(number)

    def _submit(self, executor: Executor, trials: Sequence[Trial]) -> None:
        """Start the first of the groups that trials are trained in; the others are decided on anew."""
        assert self._groups is not None, "it is there with the executor"
        group = self._groups.of(trials, executor.free)[0]
        attempts = [(self._study.handed(trial), self._study.new_attempt(trial)) for trial in group]
        if len(attempts) == 1:
            executor.submit(*attempts[0])
        else:
            assert isinstance(executor, GroupExecutor), "others are given one trial at a time"
            executor.submit_together(attempts)
        self._groups.submitted(group)
        self._in_flight |= {trial.id for trial in group}
        started = {trial.id for trial in group}
        self._again = [trial for trial in self._again if trial.id not in started]
        if self._confirming is not None:
            self._confirming = [trial for trial in self._confirming if trial.id not in started]
        if len(group) > 1:
            self._observer.grouped(group)
        for trial in group:
            self._observer.started(trial)

    def _listen(self, executor: Executor, timeout: float) -> bool:
        """Record what happens within some seconds; whether a trial ended.

        Raises:
            EvaluationError: Too many trials failed, or an expert came back without what experts are for; what ended
                together with the last of them is recorded as well.
        """
        parted: list[tuple[Ended, int]] = []
        lost: list[Ended] = []
        running = len(self._in_flight)
        for event in executor.events(timeout):
            if event.trial.id not in self._in_flight:
                what = type(event).__name__
                logger.warning("the executor told %s of trial %d, which does not run; ignored", what, event.trial.id)
            elif isinstance(event, Reported):
                self._observer.progressed(event.trial, event.progress)
            elif event.trial.id not in self._cancelled and self._tries.lost(event):
                self._in_flight.remove(event.trial.id)
                lost.append(event)
            elif (width := self._narrower(event)) is not None:
                self._in_flight.remove(event.trial.id)
                parted.append((event, width))
            else:
                self._end(event)
        self._run_again(lost)
        self._try_in_parts(parted)
        self._failures.give_up()
        return len(self._in_flight) < running

    def _run_again(self, lost: Sequence[Ended]) -> None:
        """Have trials run again that were lost, before all others; it is no attempt of their own."""
        self._again[:0] = [event.trial for event in lost]
        for event in lost:
            assert isinstance(event.outcome, Failure), "what came back was not lost"
            self._observer.lost(event.trial, event.outcome.message)

    def _narrower(self, event: Ended) -> int | None:
        """The width in which a trial is tried again, whose group ended before it did; None where the end is its own."""
        if self._groups is None or not event.by_group or event.trial.id in self._cancelled:
            return None
        if not isinstance(event.outcome, Failure):
            return None
        return self._groups.died(event.trial, event.outcome.message if event.raised else None)

    def _try_in_parts(self, parted: Sequence[tuple[Ended, int]]) -> None:
        """Have trials tried again in smaller groups, before all others; it is no attempt of their own."""
        self._again[:0] = [event.trial for event, _ in parted]
        causes: dict[tuple[str, int], list[Trial]] = {}
        for event, width in parted:
            assert isinstance(event.outcome, Failure), "what came back needs no second try"
            causes.setdefault((event.outcome.message, width), []).append(event.trial)
        for (message, width), trials in causes.items():
            logger.info("trials %s ended with their group: %s; at most %d as one now", named(trials), message, width)
            self._observer.parted(trials, message, width)

    def _end(self, event: Ended) -> None:
        trial = event.trial
        self._in_flight.remove(trial.id)
        self._confirmations_taken_over.pop(trial.id, None)
        if isinstance(event.outcome, Failure) and trial.id in self._cancelled:
            # It did not fail: it stays pending, as do confirming trials that were interrupted and not resumed.
            self._observer.cancelled(trial)
            return
        if self._tries.failed(event):
            assert isinstance(event.outcome, Failure), "what came back is not tried again"
            self._observer.retried(trial, event.outcome.message)
            self._again.insert(0, trial)
            return
        record, refused = tell(self._study, event, self._tries)
        if record.withdrawn is not None:
            self._observer.cancelled(trial)
            return
        self._observer.ended(self._study, record)
        if isinstance(record.outcome, Failure) and self._groups is not None:
            self._groups.failed(trial, record.outcome.message)
        self._failures.ended(record, useless=refused and trial.origin == EXPERT)
