"""The same numbers whatever the process did before: one thread, torch's own generator left as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def deterministic() -> Iterator[None]:
    """Compute with one thread and a forked generator inside the block.

    More threads sum in another order, which changes the last bits, and so in the end which mixture is asked for.
    The caller's count and generator are back afterwards.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            yield
    finally:
        torch.set_num_threads(threads)
