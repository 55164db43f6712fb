"""Batches of a run whose shares of the domains change: their tokens, and the plan of what was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bomix.contracts.reweighter import Array
from bomix.errors import EvaluationError
from bomix.training.data.tokens import Text
from bomix.training.data_order import Plan
from bomix.training.reweighting.draws import Sequences, counts

if TYPE_CHECKING:
    from torch import Tensor


class Batches:
    """The sequences of several sets of tokens, drawn by shares.

    Args:
        sets: ``K`` names to tokens, in order of name.
        length: Inputs per sequence.
        seed: Seed of the order of the sequences.
        device: Where to.

    Attributes:
        names: ``K`` names.
        domain: For each sequence of the batch that was drawn last, the position of its set; ascending.
    """

    def __init__(self, sets: Mapping[str, Text], *, length: int, seed: int, device: str) -> None:
        self.names = tuple(sets)
        self.domain = np.empty(0, dtype=np.int64)
        self._sets, self._length, self._device = sets, length, device
        available = {name: tokens.sequences(length) for name, tokens in sets.items()}
        self._order = Sequences(self.names, available, seed=seed)
        self._owed = np.zeros(len(sets))
        self._drawn: list[tuple[np.ndarray, np.ndarray]] = []

    def draw(self, shares: Array, batch: int) -> Tensor:
        """``1 x batch x (length + 1)`` ids of the next batch, set by set.

        Args:
            shares: ``K`` shares of the batch.
            batch: Sequences.

        Raises:
            EvaluationError: A set that is drawn from has no sequence.
        """
        import torch

        numbers, self._owed = counts(self._owed, shares, batch)
        self.domain, sequence = self._order.take(numbers)
        self._drawn.append((self.domain, sequence))
        rows = [
            self._sets[self.names[k]].windows(sequence[self.domain == k], self._length) for k in np.flatnonzero(numbers)
        ]
        return torch.from_numpy(np.concatenate(rows)[None]).to(self._device)

    @property
    def held(self) -> np.ndarray:
        """``K`` numbers of sequences in the batch that was drawn last."""
        return np.bincount(self.domain, minlength=len(self.names))

    def parts(self) -> Sequence[tuple[int, slice]]:
        """The sets that the last batch holds, by position, and where in it their sequences are."""
        ends = np.cumsum(self.held)
        return [(int(k), slice(int(ends[k] - self.held[k]), int(ends[k]))) for k in np.flatnonzero(self.held)]

    def plan(self) -> Plan:
        """What was read, as the plan of a run of one mixture says it beforehand; every batch is of one size."""
        domain, sequence = (np.stack(rows) for rows in zip(*self._drawn, strict=True))
        return Plan(self.names, domain, sequence, self._order.realized, self._order.epochs)


def sets_of(names: Sequence[str], known: Mapping[str, object], lack: str) -> dict[str, Text]:
    """The texts of some names, in their order.

    Args:
        names: The domains, or the metrics, in order.
        known: Name to what there is: text, or a task, which is none.
        lack: What the error says of a name without text.

    Raises:
        EvaluationError: A name has no text.
    """
    found: dict[str, Text] = {}
    for name in names:
        if not isinstance(tokens := known.get(name), Text):
            raise EvaluationError(f"{lack} '{name}' (known: {', '.join(sorted(known))})")
        found[name] = tokens
    return found
