"""What a run of a study tells whoever watches it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bomix.contracts.study import WatchedStudy
    from bomix.progress import Progress
    from bomix.trial import Record, Trial


class Observer:
    """Told of everything; does nothing. Override what is of interest."""

    def preparing(self) -> None:
        """The evaluator is about to build and measure its inputs."""

    def began(self, study: WatchedStudy, pending: Sequence[Trial]) -> None:
        """The study is ready; an interrupted run left ``pending`` trials, of which :meth:`resuming` says more."""

    def resuming(self, running: Sequence[Trial], again: Sequence[Trial]) -> None:
        """Of the pending trials, ``running`` still run, or ended unheard, and are taken over; ``again`` are trained."""

    def started(self, trial: Trial) -> None:
        """A trial's process was asked for."""

    def grouped(self, trials: Sequence[Trial]) -> None:
        """Several trials are trained as one from now on; :meth:`started` follows for each."""

    def progressed(self, trial: Trial, progress: Progress) -> None:
        """A trial reported how far it is."""

    def retried(self, trial: Trial, message: str) -> None:
        """An attempt failed; the trial is tried again."""

    def lost(self, trial: Trial, message: str) -> None:
        """The cluster ended an attempt, through no fault of the trial; it is run again, and that is no failure."""

    def parted(self, trials: Sequence[Trial], message: str, width: int) -> None:
        """The group of some trials ended before they did; they are tried again, at most ``width`` as one."""

    def cancelled(self, trial: Trial) -> None:
        """A confirming trial of an earlier run was ended, as its result is no longer wanted; it stays pending."""

    def ended(self, study: WatchedStudy, record: Record) -> None:
        """A trial's outcome is durable."""

    def stopped(self, reason: str) -> None:
        """The search ended before its budget did; confirmations may follow."""

    def closed(self) -> None:
        """The run is over: the budget is spent, it was interrupted, or it failed."""
