"""When the runs of a stack write their checkpoints, and what of their models these hold."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bomix.training import checkpoint
from bomix.training.checkpoint import Moments, Place, Saved

if TYPE_CHECKING:
    from bomix.training.model.stack import Stack
    from bomix.training.optim import StackOptimizer

logger = logging.getLogger(__name__)

SHARE_OF_TIME = 0.02
"""Share of a run's time that its checkpoints take, at most: small beside what a killed run loses without them."""


class Keeper:
    """Writes the checkpoints of a stack when it is time.

    Args:
        places: Where each run has its own; empty for none.
        every_s: About how many seconds lie between two; more where writing takes long. None for no checkpoint.
    """

    def __init__(self, places: Sequence[Place], every_s: float | None) -> None:
        self._places, self._every = places, every_s
        self._next = np.inf if every_s is None or not places else time.perf_counter() + every_s

    def is_due(self) -> bool:
        """Whether it is time."""
        return time.perf_counter() >= self._next

    def write(self, found: Iterable[tuple[int, Saved]]) -> None:
        """Write the checkpoints of some runs, by their places in the stack; a disk that is full stops no run."""
        start = time.perf_counter()
        try:
            for at, saved in found:
                checkpoint.write(self._places[at], saved)
        except OSError as error:
            logger.warning("no checkpoint was written (%s); the run goes on without", error)
        end = time.perf_counter()
        self._next = end + max(self._every or 0.0, (end - start) / SHARE_OF_TIME)


def held(stack: Stack, optimizer: StackOptimizer, at: int) -> tuple[dict[str, np.ndarray], Moments]:
    """Parameters of one model, and what its optimizer remembers; they may change with the next step."""
    import torch

    moments = {
        name: {key: x.cpu().numpy() if isinstance(x, torch.Tensor) else x for key, x in of_it.items()}
        for name, of_it in optimizer.moments(at).items()
    }
    return {name: values.cpu().numpy() for name, values in stack.pieces(at).items()}, moments


def restore(stack: Stack, optimizer: StackOptimizer, saved: Sequence[Saved]) -> None:
    """Have models and optimizer be what they were.

    Args:
        stack: The models.
        optimizer: Theirs.
        saved: For each of them where it was, all after equally many steps.
    """
    import torch

    for at, one in enumerate(saved):
        for name, values in stack.pieces(at).items():
            values.copy_(torch.from_numpy(one.parameters[name]))
    stack.refresh()
    optimizer.load(
        [
            {
                name: {key: torch.from_numpy(x) if isinstance(x, np.ndarray) else x for key, x in of_it.items()}
                for name, of_it in one.moments.items()
            }
            for one in saved
        ]
    )
