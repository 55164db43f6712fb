"""A process that trains, as the driver sees it: which of its trials have not ended, and its limits."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from bomix.execution.attempt import left_behind
from bomix.execution.local.slots import Slot
from bomix.trial import Trial


@dataclasses.dataclass
class Job:
    """A process that runs, of a trial or of several that are trained as one.

    Attributes:
        attempts: Trials to the folders of their attempts; the log is in the first.
        left: Ids of those that have not ended.
        finished: Whether the last of a group is finished, and the process need only end.
        slot: The slot that it takes.
        started: When it began, by the monotonic clock; None before the server has loaded the evaluator and started it.
        alive: When it last gave a sign of life, by the same clock.
        logged: Bytes of its log at the last look.
        overdue: Why it was ended, in words; None while it is within its limits.
    """

    attempts: dict[int, tuple[Trial, Path]]
    left: list[int]
    slot: Slot
    started: float | None = None
    alive: float = 0.0
    finished: bool = False
    logged: int = 0
    overdue: str | None = None

    @property
    def folder(self) -> Path:
        """The folder with the log."""
        return next(iter(self.attempts.values()))[1]

    @property
    def grouped(self) -> bool:
        """Whether several trials are trained as one."""
        return len(self.attempts) > 1

    def ends(self, now: float, *, timeout_s: float | None, silence_s: float | None) -> bool:
        """Whether it is beyond a limit, and has to be ended now; its log is cut where that is.

        Args:
            now: The monotonic clock.
            timeout_s: Seconds for each of its trials; None for no limit.
            silence_s: Seconds without a sign of life; None for no limit.
        """
        if left_behind.log_size(self.folder) != self.logged:
            self.logged, self.alive = left_behind.cut_log(self.folder), now
        if self.overdue is not None or self.started is None:
            return False
        count = len(self.attempts)
        if timeout_s is not None and now - self.started > timeout_s * count:
            together = f" for each of {count} trials that are trained as one" if self.grouped else ""
            self.overdue = f"took longer than {timeout_s:g} s{together} (execution.timeout_s)"
        elif silence_s is not None and now - self.alive > silence_s:
            self.overdue = (
                f"no progress and nothing new in its log for {silence_s:g} s (execution.silence_s); print "
                "something, report progress (bomix.progress.report), or raise the limit"
            )
        return self.overdue is not None
