"""Where the optimum of the mean loss lies by size and tokens, and a law of it over both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from experiments.bo.choose import array
from experiments.bo.plan import FIVE, SIZES
from experiments.bo.slices import CHECKPOINTS
from experiments.bo.stats import Array, Estimate
from experiments.runs import Row

DESIGNS = {"0.3M": "five sobol", "1M": "five design 1M"}
"""Size to the set of its design."""
FLOORS = (0.01, 0.03, 0.1, 0.2, 0.4)
"""Shares added to the own weight inside the logarithm, among which the error of leaving one out chooses."""
LEAST = 0.002
"""Weights below are lifted to it before the logarithm: an optimum may leave a domain out."""
RESAMPLES = 400
"""Of mixtures: each fits eight laws of five domains."""
HALVINGS = 60
"""Steps of the bisection for the multiplier, which gains a digit in three."""
FEWEST = 32
"""Mixtures of a design from which on it is fitted."""
Cell: TypeAlias = tuple[str, float]
"""Size and share of the tokens."""
CORNER: Cell = ("1M", 1.0)
"""What is predicted from the others."""


@dataclass(frozen=True)
class Design:
    """The runs of one size.

    Attributes:
        weights: ``n x d``.
        losses: ``n x c x m``, at each checkpoint.
        group: ``n``, the seed of each.
    """

    weights: Array
    losses: Array
    group: Array

    @classmethod
    def of(cls, rows: Sequence[Row], size: str) -> Design | None:
        """The design of a size; None where there is too little of it."""
        own = sorted((row for row in rows if row["set"] == DESIGNS[size]), key=lambda row: (row["seed"], row["name"]))
        if len(own) < FEWEST:
            return None
        losses = [[row["curve"]["losses"][domain] for domain in FIVE.domains] for row in own]
        seeds = np.array([float(row["seed"]) for row in own])
        return cls(array(own, FIVE.domains)[0], np.moveaxis(np.array(losses), -1, -2), seeds)

    def taken(self, places: Array) -> Design:
        """Some of the runs."""
        return Design(self.weights[places], self.losses[places], self.group[places])


@dataclass(frozen=True)
class OwnLog:
    """``L_j = c_j + a_j . w + b_j log(w_j + e)``, and a constant for each seed.

    Attributes:
        slopes: ``a`` averaged over the losses, ``d``.
        heights: ``b`` over the number of losses, ``d``; not above zero.
        floor: ``e``.
        error: Root mean square error of the mean loss, each mixture left out, and the standard deviation of that loss.
    """

    slopes: Array
    heights: Array
    floor: float
    error: tuple[float, float]

    @classmethod
    def fit(cls, weights: Array, losses: Array, group: Array, floor: float) -> OwnLog:
        """By least squares, metric by metric; losses ``n x m`` in the order of the domains."""
        seeds = (group[:, None] == np.unique(group)).astype(float)
        slopes, heights, left = np.zeros(weights.shape[1]), [], []
        for column in range(losses.shape[1]):
            features = np.hstack([seeds, weights[:, 1:], np.log(weights[:, column : column + 1] + floor)])
            inverse = np.linalg.pinv(features)
            found = inverse @ losses[:, column]
            slopes[1:] += found[seeds.shape[1] : -1] / losses.shape[1]
            heights.append(min(float(found[-1]), -1e-9) / losses.shape[1])  # no domain harms itself
            kept = 1.0 - (features * inverse.T).sum(axis=1)
            left.append((losses[:, column] - features @ found) / np.maximum(kept, 0.05))
        off, mean = np.mean(left, axis=0), losses.mean(axis=1) - seeds @ np.linalg.pinv(seeds) @ losses.mean(axis=1)
        return cls(slopes, np.array(heights), floor, (float(np.sqrt((off**2).mean())), float(mean.std())))

    def value(self, weights: Array) -> float:
        """The mean loss but for a constant."""
        return float(self.slopes @ weights + self.heights @ np.log(weights + self.floor))

    def optimum(self) -> Array:
        """Its minimizer over the simplex: a domain gets weight until its slope is that of all, found by bisection."""
        low = -float(self.slopes.min())  # every domain would get all of it
        high = low + 1.0 + float(-self.heights.sum()) / self.floor

        def at(multiplier: float) -> Array:
            return np.asarray(np.maximum(-self.heights / (self.slopes + multiplier) - self.floor, 0.0))

        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if at(middle).sum() > 1.0 else (low, middle)
        found = at(high)
        return np.asarray(found / found.sum())


def floor_of(designs: Mapping[str, Design]) -> float:
    """The floor with which leaving one mixture out errs least, over all sizes and checkpoints."""

    def error(floor: float) -> float:
        fits = (
            OwnLog.fit(each.weights, each.losses[:, c], each.group, floor)
            for each in designs.values()
            for c in range(len(CHECKPOINTS))
        )
        return sum(fit.error[0] ** 2 / fit.error[1] ** 2 for fit in fits)

    return min(FLOORS, key=error)


def fitted(designs: Mapping[str, Design], floor: float) -> dict[Cell, OwnLog]:
    """The law of each size and checkpoint."""
    return {
        (size, share): OwnLog.fit(each.weights, each.losses[:, at], each.group, floor)
        for size, each in designs.items()
        for at, share in enumerate(CHECKPOINTS)
    }


def resampled(designs: Mapping[str, Design], rng: np.random.Generator) -> dict[str, Design]:
    """Mixtures drawn again; sizes that share mixtures draw the same."""
    small = designs["0.3M"]
    shared = int((small.group == 0).sum())
    first, rest = (
        rng.integers(shared, size=shared),
        rng.integers(len(small.group) - shared, size=len(small.group) - shared),
    )
    found = {"0.3M": small.taken(np.concatenate([first, shared + rest]))}
    if "1M" in designs:
        found["1M"] = designs["1M"].taken(first[first < len(designs["1M"].group)])
    return found


class Moving:
    """``log w_i = a_i + b_i log D + c_i log N``, weights that add up to one.

    Args:
        optima: Cell to weights.
        cells: Those that the law is fitted to.
    """

    def __init__(self, optima: Mapping[Cell, Array], cells: Sequence[Cell]) -> None:
        logs = np.array([np.log(np.maximum(optima[cell], LEAST)) for cell in cells])
        # Centred: what is the same of all weights is taken away by the sum of one.
        self.found = np.linalg.pinv(np.array([self._row(cell) for cell in cells])) @ (
            logs - logs.mean(axis=1, keepdims=True)
        )

    @staticmethod
    def _row(cell: Cell) -> tuple[float, float, float]:
        return 1.0, float(np.log(cell[1])), float(np.log(SIZES[cell[0]] / SIZES["0.3M"]))

    def at(self, cell: Cell) -> Array:
        """The optimum that it says."""
        found = np.exp(np.array(self._row(cell)) @ self.found)
        return np.asarray(found / found.sum())


def predictions(optima: Mapping[Cell, Array]) -> dict[str, tuple[Cell, Array]]:
    """What is predicted of which cell, by name."""
    small = [("0.3M", share) for share in CHECKPOINTS]
    found: dict[str, tuple[Cell, Array]] = {
        "0.3M: as at 50 %": (small[-1], optima[small[1]]),
        "0.3M: law of 25 and 50 %": (small[-1], Moving(optima, small[:2]).at(small[-1])),
    }
    if CORNER not in optima:
        return found
    large = [("1M", share) for share in CHECKPOINTS]
    return found | {
        "1M: as at 50 %": (CORNER, optima[large[1]]),
        "1M: law of 25 and 50 %": (CORNER, Moving(optima, large[:2]).at(CORNER)),
        "1M: as at 0.3M": (CORNER, optima[small[-1]]),
        "1M: law of 0.3M and of 1M at 25 and 50 %": (CORNER, Moving(optima, [*small, *large[:2]]).at(CORNER)),
        "1M: law of all seven others": (CORNER, Moving(optima, [*small, *large[:3]]).at(CORNER)),
    }


class Moves:
    """Optima, laws of them, and both again for every resample.

    Args:
        rows: All rows.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        found = {size: Design.of(rows, size) for size in DESIGNS}
        self.designs = {size: each for size, each in found.items() if each is not None}
        self.floor = floor_of(self.designs)
        self.laws = fitted(self.designs, self.floor)
        self.optima = {cell: law.optimum() for cell, law in self.laws.items()}
        rng = np.random.default_rng(0)
        self.again = [fitted(resampled(self.designs, rng), self.floor) for _ in range(RESAMPLES)]
        self.optima_again = [{cell: law.optimum() for cell, law in laws.items()} for laws in self.again]

    def judged(self, laws: Sequence[Row] = ()) -> Iterator[tuple[str, Estimate, Estimate]]:
        """Every prediction: its name, the share of the tokens that is elsewhere, and what that costs.

        Args:
            laws: What laws of the losses say of the corner, which are not fitted again for the resamples.
        """
        points, again = predictions(self.optima), [predictions(each) for each in self.optima_again]
        for row in laws if CORNER in self.optima else ():
            at = np.array([row["weights"].get(domain, 0.0) for domain in FIVE.domains])
            for each in (points, *again):
                each[f"1M: losses by the law {row['law']}"] = CORNER, at
        for name, (cell, found) in points.items():
            off, costs = [], []
            for law, best, each in zip(self.again, self.optima_again, again, strict=True):
                off.append(apart(each[name][1], best[cell]))
                costs.append(cost_of(law[cell], each[name][1], best[cell]))
            best_there = self.optima[cell]
            cost = self.interval(costs, cost_of(self.laws[cell], found, best_there))
            yield name, self.interval(off, apart(found, best_there)), cost

    def interval(self, values: Sequence[float], point: float) -> Estimate:
        """A number with the interval of its resamples."""
        low, high = np.quantile(values, [0.025, 0.975])
        return point, float(low), float(high)


def apart(one: Array, other: Array) -> float:
    """Total variation: the share of the tokens that differs."""
    return float(np.abs(one - other).sum() / 2)


def cost_of(law: OwnLog, found: Array, best: Array) -> float:
    """What a mixture loses against the best one by a law."""
    return law.value(found) - law.value(best)


def made(rows: Sequence[Row]) -> Moves | None:
    """The optima; None before there is a design."""
    return None if Design.of(rows, "0.3M") is None else Moves(rows)
