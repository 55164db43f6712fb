"""The tokens of every step, for all models of a stack: read in blocks, and sent to a GPU before they are needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.training.data.tokens import Text
    from bomix.training.data_order import Plan
    from bomix.training.device import Hardware

TOKENS_AT_ONCE = 1 << 20
"""Tokens that are read at a time: enough that reading costs next to nothing, and some megabytes."""


class Feed:
    """What each model of a stack reads.

    Args:
        texts: Where from, domain to its text for each model.
        plans: Which sequences, one plan for each model, all of one size.
        length: Inputs per sequence.
        hardware: Where to.
    """

    def __init__(
        self, texts: Sequence[Mapping[str, Text]], plans: Sequence[Plan], *, length: int, hardware: Hardware
    ) -> None:
        self._texts, self._plans, self._length, self._hardware = texts, plans, length, hardware
        steps, batch = plans[0].domain.shape
        self._steps = steps
        self._block = max(1, min(steps, TOKENS_AT_ONCE // (len(plans) * batch * (length + 1))))
        self._first = self._end = 0
        self._held: Tensor | None = None

    def tokens(self, step: int) -> Tensor:
        """``k x batch x (length + 1)`` ids of a step, on the device; steps are asked for in ascending order."""
        if self._held is None or not self._first <= step < self._end:
            self._first, self._end = step, min(step + self._block, self._steps)
            self._held = self._read(self._first, self._end)
        return self._held[step - self._first]

    def _read(self, first: int, end: int) -> Tensor:
        import torch

        shape = (end - first, len(self._plans), self._plans[0].domain.shape[1], self._length + 1)
        found = np.empty(shape, dtype=np.int64)
        for at, (text, plan) in enumerate(zip(self._texts, self._plans, strict=True)):
            domain, sequence = plan.domain[first:end], plan.sequence[first:end]
            for number in np.unique(domain):
                chosen = domain == number
                found[:, at][chosen] = text[plan.domains[number]].windows(sequence[chosen], self._length)
        tokens = torch.from_numpy(found)
        return tokens.pin_memory().to(self._hardware.device, non_blocking=True) if self._hardware.is_cuda else tokens
