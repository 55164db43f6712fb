"""Speed, reports and the watch over the losses of a training, apart from its loop."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from bomix import progress
from bomix.errors import EvaluationError
from bomix.training.device import Hardware

if TYPE_CHECKING:
    import torch

    from bomix.training.run import Run

REPORT_SECONDS = 1.0
"""Seconds between two reports of progress: as often as people look, and far too seldom to slow a step."""
CURE = "lower evaluator.optimization.rate, raise its warmup, or clip the gradient"
"""What to do about a loss that left the numbers."""


class Monitor:
    """Speed, reports and the watch over the losses, apart from the loop.

    Reading a loss waits for the device, so that is done about once a second and not at every step.

    Args:
        runs: The runs of the stack.
        losses: ``steps x k`` losses of the batches, as the loop fills them.
        first: Steps that were taken before.
    """

    def __init__(self, runs: Sequence[Run], losses: torch.Tensor, *, first: int = 0) -> None:
        self.newest: Mapping[str, float] = {}
        self._steps, self._losses = runs[0].steps, losses
        self._tokens_per_step = len(runs) * runs[0].spec.step_tokens
        self._training = 0.0
        self._since = self._reported_at = time.perf_counter()
        self._checked = self._reported = self._first = first

    def tick(self, done: int) -> dict[int, EvaluationError]:
        """After every step; reports when it is time, and looks at the losses then."""
        now = time.perf_counter()
        if now - self._reported_at < REPORT_SECONDS and done < self._steps:
            return {}
        failed = self.check(done)
        speed = (done - self._reported) * self._tokens_per_step / max(now - self._reported_at, 1e-9)
        progress.report(progress.Progress(done, self._steps, speed, dict(self.newest)))
        self._reported_at, self._reported = now, done
        return failed

    def check(self, done: int) -> dict[int, EvaluationError]:
        """Look at the losses that came since the last look; the runs that left the numbers, and where."""
        recent = self._losses[self._checked : done].cpu().numpy()
        first, failed = self._checked + 1, {}
        self._checked = done
        for at in np.flatnonzero(~np.isfinite(recent).all(axis=0)):
            row = int(np.flatnonzero(~np.isfinite(recent[:, at]))[0])
            what = f"training loss is {recent[row, at]} at step {first + row} of {self._steps}"
            failed[int(at)] = EvaluationError(f"{what}; {CURE}")
        return failed

    @contextmanager
    def pause(self, hardware: Hardware) -> Iterator[None]:
        """Stop the clock of the training while something else is done."""
        hardware.synchronize()
        start = time.perf_counter()
        self._training += start - self._since
        yield
        self._since = time.perf_counter()
        self._reported_at += self._since - start

    def tokens_per_second(self, done: int) -> float:
        """Training tokens per second until the last pause, after which no step was taken; pauses left out."""
        return (done - self._first) * self._tokens_per_step / max(self._training, 1e-9)
