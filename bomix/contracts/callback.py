"""A callback: what is told of a run while it goes on.

Write a dataclass with :meth:`Callback.ended`; what else it may be told of stands in :class:`CallbackTraits`. A plain
function of the study and the record will do for ``study.run(callbacks=[...])``; in a study file a callback stands under
``callbacks``, by its kind or as ``my_package.my_module:MyClass``. Runs alone tell callbacks: who calls ``ask`` and
``tell`` knows what happens.

What a callback is told of is durable already, and nothing that it does is asked for: where it raises, the run logs that
and goes on, and the callback is told of the next trial all the same. One that raises in ``began`` is told nothing more.

>>> from dataclasses import dataclass, field
>>> @dataclass(frozen=True)
... class Best:
...     '''Keeps the lowest objective after each trial.'''
...     found: list = field(default_factory=list, init=False, compare=False)
...     def ended(self, study, record):
...         if record.status == "completed":
...             self.found.append(min([*self.found[-1:], study.problem.value(record.result.losses)]))
>>> isinstance(Best(), Callback)
True
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from bomix.contracts.study import WatchedStudy
from bomix.contracts.traits import ComponentTraits
from bomix.errors import Fault
from bomix.progress import Progress
from bomix.trial import Record, Trial


@runtime_checkable
class Callback(Protocol):
    """Told of every trial of a run that ended."""

    def ended(self, study: WatchedStudy, record: Record) -> None:
        """A trial's outcome is durable.

        Args:
            study: Its problem and its record, the trial included.
            record: The trial with its result or its failure.
        """
        ...


@dataclass(frozen=True)
class CallbackTraits(ComponentTraits):
    """What a callback may have beyond :class:`Callback`; what it has not is not told.

    Attributes:
        unready: Returns what keeps it from being told on this machine, a package that is not installed say; asked when
            a run begins and by ``bomix check``, not when a study file is read.
        began: Takes the study and the trials of an interrupted run that are trained again, once the study is ready.
        started: Takes a trial whose process was asked for.
        progressed: Takes a trial and how far it is.
        stopped: Takes the reason, in words, for which the search ends before its budget does.
        closed: Takes nothing: the run is over, the budget spent, interrupted or failed.
    """

    contract: ClassVar[type | None] = Callback

    unready: Callable[[], list[Fault]] = list
    began: Callable[[WatchedStudy, Sequence[Trial]], None] = lambda study, pending: None
    started: Callable[[Trial], None] = lambda trial: None
    progressed: Callable[[Trial, Progress], None] = lambda trial, progress: None
    stopped: Callable[[str], None] = lambda reason: None
    closed: Callable[[], None] = lambda: None
