"""Which sequences the batches of a run read whose shares of the domains change from step to step.

As in a run of one mixture nothing is left to chance: every domain is owed its share of each batch, what could not be
given is owed further, and the sequences of a domain come in the order of :func:`bomix.training.data_order.order`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bomix.contracts.reweighter import Array
from bomix.training.data_order import order


def counts(owed: Array, shares: Array, batch: int) -> tuple[np.ndarray, Array]:
    """How many sequences of each domain a batch reads.

    One after the other goes to the domain that is owed most, the first of equals. With constant shares a domain stays
    within a sequence or two of its due, however many batches there were.

    Args:
        owed: ``K`` sequences that the domains are owed from earlier batches; they sum to zero.
        shares: ``K`` shares of the batch, a sum of one; a domain of zero is given nothing.
        batch: Sequences of the batch.

    Returns:
        ``K`` counts that sum to ``batch``, and what is owed after it.
    """
    left = np.where(shares > 0.0, owed + shares * batch, -np.inf)
    found = np.zeros(len(shares), dtype=np.int64)
    for _ in range(batch):
        # Rounded, so that what is equal on paper is equal here, and the name decides.
        k = int(np.round(left, 9).argmax())
        found[k] += 1
        left[k] -= 1.0
    return found, np.where(shares > 0.0, left, owed)


class Sequences:
    """The sequences of every domain in their order, handed out a few at a time.

    Args:
        domains: ``K`` names, sorted.
        available: Domain name to sequences in one epoch.
        seed: Seed of the data order.
    """

    def __init__(self, domains: Sequence[str], available: Mapping[str, int], *, seed: int) -> None:
        self._domains, self._available, self._seed = tuple(domains), available, seed
        self._orders: dict[int, np.ndarray] = {}
        self.taken = np.zeros(len(domains), dtype=np.int64)

    def take(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The next sequences of every domain.

        Args:
            numbers: ``K`` numbers of sequences.

        Returns:
            For each sequence of the batch, domain by domain, the position of its domain and its number there.

        Raises:
            EvaluationError: A domain that is asked for has no sequence.
        """
        domain = np.repeat(np.arange(len(numbers)), numbers)
        parts = [self._next(k, int(n)) for k, n in enumerate(numbers) if n]
        return domain, np.concatenate(parts)

    def _next(self, k: int, n: int) -> np.ndarray:
        name, first = self._domains[k], int(self.taken[k])
        known = self._orders.get(k)
        if known is None or len(known) < first + n:
            # Twice as many as are needed: what was drawn before stays as it is, and few calls draw anything.
            known = order(name, 2 * (first + n), available=self._available[name], seed=self._seed)
            self._orders[k] = known
        self.taken[k] += n
        return known[first : first + n]

    @property
    def realized(self) -> dict[str, float]:
        """Domain name to share of the sequences that were handed out."""
        total = int(self.taken.sum())
        return {name: int(n) / total for name, n in zip(self._domains, self.taken, strict=True)}

    @property
    def epochs(self) -> dict[str, float]:
        """Domain name to passes over its sequences."""
        return {
            name: int(n) / self._available[name] if n else 0.0
            for name, n in zip(self._domains, self.taken, strict=True)
        }
