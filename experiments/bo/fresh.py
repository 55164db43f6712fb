"""What was trained on seeds that no search has seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experiments.bo.choose import array
from experiments.bo.plan import FIVE, SIZES
from experiments.bo.stats import Array, two_way_noise
from experiments.runs import Row

UNIFORM = "uniform"
SEARCHES = {
    "sobol": "Sobol",
    "bo32": "BO 32 + 32",
    "bo16": "BO 16 + 48",
    "short": "BO 16 + 16",
    "default": "bomix's default",
    "recommended": "bomix's default, recommended",
    "BiMix": "BiMix",
    "DML": "DML",
    "power": "power law",
    "GP": "GP",
    "RegMix": "RegMix",
    "excess": "GP, excess",
    "worst": "GP, worst",
    "guardrail": "GP, guardrail",
}
"""What stands before the seed in a name of found.jsonl, to what tables call it."""
MEAN_ALONE = [name for name in SEARCHES if name not in ("excess", "worst", "guardrail")]
"""Those that minimize the mean loss."""


class Fresh:
    """Losses of mixtures on fresh seeds.

    Args:
        rows: All rows.
        kind: The set that they stand in.
        domains: Sorted names; columns of all arrays.
    """

    def __init__(self, rows: Sequence[Row], kind: str = "five fresh", domains: Sequence[str] = FIVE.domains) -> None:
        own = [row for row in rows if row["set"] == kind]
        self.domains = tuple(domains)
        self._losses: dict[tuple[str, int], Array] = {}
        self._texts: dict[tuple[str, int], str | None] = {}
        self.weights: dict[str, Array] = {}
        for row in own:
            X, Y = array([row], domains)
            self._losses[row["name"], row["seed"]] = Y[0]
            self._texts[row["name"], row["seed"]] = row.get("text")
            self.weights[row["name"]] = X[0]
        self.seeds = sorted({row["seed"] for row in own})
        self.names = [name for name in self.weights if all((name, seed) in self._losses for seed in self.seeds)]

    @classmethod
    def at(cls, rows: Sequence[Row], size: str) -> Fresh:
        """Those of five domains at a size."""
        return cls(rows, "five fresh" if size == next(iter(SIZES)) else f"five {size}")

    def of(self, name: str) -> Array:
        """Losses of a mixture, ``s x m`` over the seeds."""
        return np.array([self._losses[name, seed] for seed in self.seeds])

    def mean(self, name: str) -> Array:
        """Its mean loss on each seed, ``s``."""
        return np.asarray(self.of(name).mean(axis=1))

    def texts(self, name: str) -> tuple[str | None, ...]:
        """Of which text its run on each seed was; None of the first rows, which do not say it."""
        return tuple(self._texts[name, seed] for seed in self.seeds)

    def against(self, name: str, over: str = UNIFORM) -> Array:
        """Losses minus those of another mixture on the same seed, ``s x m``; below zero is better.

        Raises:
            ValueError: They were trained on different text.
        """
        if self.texts(name) != self.texts(over):
            raise ValueError(f"'{name}' and '{over}' were trained on different text: train both again on one")
        return self.of(name) - self.of(over)

    def gain(self, name: str, over: str = UNIFORM) -> Array:
        """The same of the mean loss, ``s``."""
        return np.asarray(self.against(name, over).mean(axis=1))

    def searches(self, method: str) -> list[str]:
        """The names of what a method found, a name for each search."""
        return [name for name in self.names if name.rpartition("-")[0] == method]

    def method_gains(self, method: str, over: str = UNIFORM) -> Array:
        """Gains of what each search of a method found, ``k x s``.

        Args:
            method: As in the names.
            over: Another method, which is compared search by search, or one mixture.
        """
        found = []
        for name in self.searches(method):
            other = over if over in self.names else f"{over}-{name.rpartition('-')[2]}"
            if other in self.names:
                found.append(self.gain(name, other))
        return np.array(found).reshape(len(found), len(self.seeds))

    @property
    def complete(self) -> bool:
        """Whether there is anything to compare."""
        return UNIFORM in self.names and len(self.names) > 1 and len(self.seeds) > 1

    def distinct(self, column: int | None = None) -> list[Array]:
        """The mean loss, or one column, of every mixture on every seed, ``n x s`` for each text.

        A mixture that several searches found counts once: its runs are the same to the last bit, and say nothing of
        noise.
        """
        once = {(self.texts(name), tuple(self.weights[name])): self.of(name) for name in self.names}
        groups: dict[tuple[str | None, ...], list[Array]] = {}
        for (texts, _), losses in once.items():
            groups.setdefault(texts, []).append(losses.mean(axis=1) if column is None else losses[:, column])
        return [np.array(group) for group in groups.values()]

    def noise(self) -> tuple[float, int]:
        """Standard deviation of the mean loss beyond mixture and seed, and its degrees of freedom."""
        return two_way_noise(*self.distinct())
