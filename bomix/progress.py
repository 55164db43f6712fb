"""How a training run tells its driver where it is, and the building of a corpus whoever shows it.

The driver installs a sink in the process that trains; without one, :func:`report` does nothing. So an evaluator
needs no argument for it and works the same when called by hand. :func:`report_reading` is the same for text that
becomes tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Progress:
    """One report.

    Attributes:
        step: Optimizer steps done.
        steps: Optimizer steps in all.
        tokens_per_second: Training speed since the last report.
        losses: Metric name to the newest validation loss, nats per token; may be empty.
        trial: Id of the trial that the report is of, where several are trained as one; None for all of them together,
            whose speed then is that of all.
    """

    step: int
    steps: int
    tokens_per_second: float = 0.0
    losses: Mapping[str, float] = field(default_factory=dict)
    trial: int | None = None


Sink = Callable[[Progress], None]
_sink: ContextVar[Sink | None] = ContextVar("bomix_progress_sink", default=None)


def report(progress: Progress) -> None:
    """Hand ``progress`` to the driver, if there is one."""
    if (sink := _sink.get()) is not None:
        sink(progress)


@contextmanager
def reporting_to(sink: Sink) -> Iterator[None]:
    """Send every report made inside the block to ``sink``."""
    token = _sink.set(sink)
    try:
        yield
    finally:
        _sink.reset(token)


@dataclass(frozen=True)
class Reading:
    """How far the text of one domain, or of one validation set, has become tokens.

    Attributes:
        name: The domain or the set.
        documents: Documents written so far.
        tokens: Tokens written so far.
        share: Share of it that is done, 0 to 1; None where its source does not tell how long it is.
        is_done: Whether nothing more comes of it.
    """

    name: str
    documents: int
    tokens: int
    share: float | None
    is_done: bool


ReadingSink = Callable[[Reading], None]
_reading_sink: ContextVar[ReadingSink | None] = ContextVar("bomix_reading_sink", default=None)


def report_reading(reading: Reading) -> None:
    """Hand ``reading`` to whoever shows it, if anybody does."""
    if (sink := _reading_sink.get()) is not None:
        sink(reading)


@contextmanager
def reading_to(sink: ReadingSink) -> Iterator[None]:
    """Send every reading that is reported inside the block to ``sink``."""
    token = _reading_sink.set(sink)
    try:
        yield
    finally:
        _reading_sink.reset(token)
