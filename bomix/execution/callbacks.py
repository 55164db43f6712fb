"""What a run tells its observer, told to callbacks too; none of them can end the run."""

from __future__ import annotations

import logging
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bomix.contracts.callback import Callback, CallbackTraits
from bomix.contracts.traits import traits
from bomix.execution.observer import Observer

if TYPE_CHECKING:
    from bomix.contracts.study import WatchedStudy
    from bomix.progress import Progress
    from bomix.trial import Record, Trial

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Function:
    """A function as a callback.

    Attributes:
        call: Takes the study and the record of a trial that ended.
    """

    call: Callable[[WatchedStudy, Record], object]

    def ended(self, study: WatchedStudy, record: Record) -> None:
        """Call it."""
        self.call(study, record)


class CallbackObserver(Observer):
    """Tells an observer first, then callbacks, whose errors are logged: the record does not depend on them.

    Args:
        observer: What is told whatever happens, and may raise.
        callbacks: What is told besides.
    """

    def __init__(self, observer: Observer, callbacks: Sequence[Callback]) -> None:
        self._observer = observer
        self._callbacks = list(callbacks)
        self._failures: dict[int, int] = {}

    def preparing(self) -> None:
        """Tell the observer."""
        self._observer.preparing()

    def began(self, study: WatchedStudy, pending: Sequence[Trial]) -> None:
        """Tell all; a callback that cannot begin is told nothing more."""
        self._observer.began(study, pending)
        # What could not begin has nothing open that it could write to.
        self._callbacks = [each for each in self._callbacks if self._tell(each, _own(each).began, study, pending)]

    def started(self, trial: Trial) -> None:
        """Tell all."""
        self._observer.started(trial)
        for each in self._callbacks:
            self._tell(each, _own(each).started, trial)

    def grouped(self, trials: Sequence[Trial]) -> None:
        """Tell the observer."""
        self._observer.grouped(trials)

    def progressed(self, trial: Trial, progress: Progress) -> None:
        """Tell all."""
        self._observer.progressed(trial, progress)
        for each in self._callbacks:
            self._tell(each, _own(each).progressed, trial, progress)

    def retried(self, trial: Trial, message: str) -> None:
        """Tell the observer."""
        self._observer.retried(trial, message)

    def lost(self, trial: Trial, message: str) -> None:
        """Tell the observer."""
        self._observer.lost(trial, message)

    def parted(self, trials: Sequence[Trial], message: str, width: int) -> None:
        """Tell the observer."""
        self._observer.parted(trials, message, width)

    def cancelled(self, trial: Trial) -> None:
        """Tell the observer."""
        self._observer.cancelled(trial)

    def ended(self, study: WatchedStudy, record: Record) -> None:
        """Tell all."""
        self._observer.ended(study, record)
        for each in self._callbacks:
            self._tell(each, each.ended, study, record)

    def stopped(self, reason: str) -> None:
        """Tell all."""
        self._observer.stopped(reason)
        for each in self._callbacks:
            self._tell(each, _own(each).stopped, reason)

    def closed(self) -> None:
        """Tell all, and log how often each callback raised."""
        self._observer.closed()
        for each in self._callbacks:
            self._tell(each, _own(each).closed)
        for each in self._callbacks:
            if (count := self._failures.get(id(each), 0)) > 1:
                logger.warning("the callback %s raised %d times in this run", _name(each), count)

    def _tell(self, callback: Callback, call: Callable[..., Any], *what: object) -> bool:
        """Tell a callback something; whether it took it. Its first error is logged with its traceback."""
        try:
            call(*what)
        except Exception:  # whatever it raises: the trial that it is told of is recorded, and the next one is wanted
            count = self._failures[id(callback)] = self._failures.get(id(callback), 0) + 1
            if count == 1:
                logger.exception("the callback %s raised; the record is whole, and the run goes on", _name(callback))
            return False
        return True


def _name(callback: Callback) -> str:
    """What a log calls a callback: a function by its own name, an object by its class."""
    if isinstance(callback, Function):
        call = callback.call
        return call.__name__ if isinstance(call, types.FunctionType | types.MethodType) else type(call).__name__
    return type(callback).__name__


def _own(callback: Callback) -> CallbackTraits:
    return traits(callback, CallbackTraits)
