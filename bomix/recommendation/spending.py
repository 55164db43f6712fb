"""A budget spent on a function of which everything is known, as often and as one likes: what an allocation would bring.

A search that is cheap enough to be repeated hundreds of times stands in for the real one: one Gaussian process of the
objective over mixtures and scales, whose correlation between scales and lengthscale are the likeliest of a few, and
which asks for the mixtures that may be the best at the target.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import solve_triangular

from bomix.space.polytope import Array

Integers = np.ndarray

MOST_RUNS = 150
"""Runs of one scale that are simulated at most: more of them hardly change what is known, and take the time."""
BATCH = 6
"""Runs below the target that are chosen at a time, as small ones are trained side by side."""
_CHOICES = 12
"""Choices below the target at most, so that many small runs are chosen in larger batches."""
_AGREEMENTS = (0.2, 0.5, 0.8, 0.95)
"""Correlations of neighbouring scales that are thought possible."""
_LENGTHSCALES = (0.3, 0.6, 1.2)
"""Lengthscales in roots of weights: from half the usual distance of two mixtures to twice that."""
_TOLD = 3
"""Runs of a larger scale from which on its correlation with the smaller ones is asked of the runs."""
_USUAL = 0.8
"""Correlation that is assumed before."""
_GROWTH = 1.2
"""Growth of the number of runs after which it is asked anew which lengthscale and correlation are the likeliest."""
_LEVEL = 100.0
"""Variance of the level of a scale, in the same units: its runs tell it, and nothing else has to."""
_LINEAR = 0.5
"""Variance of the linear part of the objective, in units of that of the rest: losses fall with their own domain."""


@dataclass(frozen=True)
class World:
    """A function that a budget is spent on.

    Attributes:
        X: ``p x d`` mixtures that can be run.
        values: ``s x p`` true objective of each at each scale, the target's last; lower is better.
        noise: ``s`` standard deviations of the objective of a run.
        seen: Rows of ``X`` or mixtures that have been run: ``n x d`` weights.
        scales: ``n`` numbers of the scales that these are of.
        observed: ``n`` objectives that they showed.
    """

    X: Array
    values: Array
    noise: Array
    seen: Array = field(default_factory=lambda: np.zeros((0, 0)))
    scales: Array = field(default_factory=lambda: np.zeros(0, dtype=int))
    observed: Array = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class Allocation:
    """How many runs of each scale a budget is spent on.

    Attributes:
        name: What it is called.
        runs: One number for each scale, the cheapest first.
    """

    name: str
    runs: tuple[int, ...]

    def cost(self, costs: Sequence[float]) -> float:
        """What it costs."""
        return float(np.dot(self.runs, costs))


def allocations(names: Sequence[str], costs: Sequence[float], budget: float) -> list[Allocation]:
    """A few ways of spending a budget, no two alike: from all at the target to mostly at the smallest scale.

    Args:
        names: Names of the scales, the cheapest first, the target last.
        costs: Cost of a run of each.
        budget: What may be spent.
    """
    count, target = len(names), names[-1]
    shares: list[tuple[str, list[float]]] = [(f"all at {target}", [0.0] * (count - 1) + [1.0])]
    for number in reversed(range(count - 1)):
        for share, word in ((0.2, "a fifth"), (0.5, "half"), (0.8, "most")):
            parts = [0.0] * count
            parts[number], parts[-1] = share, 1.0 - share
            shares.append((f"{word} at {names[number]}", parts))
    if count > 2:
        shares.append(("evenly", [1.0 / count] * count))
    found: list[Allocation] = []
    for name, parts in shares:
        runs = [int(share * budget / cost + 1e-9) for share, cost in zip(parts, costs, strict=True)]
        # What whole runs leave over goes to the smaller scales that have a share, the dearest first.
        for number in reversed(range(count)):
            left = budget - float(np.dot(runs, costs))
            runs[number] += int(left / costs[number] + 1e-9) if parts[number] else 0
        if runs[-1] and all(other.runs != tuple(runs) for other in found):
            found.append(Allocation(name, tuple(runs)))
    return found


def regret(world: World, allocation: Allocation, *, design: int, seed: int) -> float:
    """How much worse than the best mixture the one is that is recommended once a budget is spent.

    Args:
        world: The function.
        allocation: Runs of each scale.
        design: Runs without regard to results at the cheapest scale that has any.
        seed: Seed of the noise and of the design.
    """
    mean, _ = spent(world, allocation, design=design, seed=seed).at_target()
    values = world.values[-1]
    return float(values[int(mean.argmin())] - values.min())


def spent(world: World, allocation: Allocation, *, design: int, seed: int) -> Known:
    """What is known once a budget is spent; arguments as those of :func:`regret`."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, *allocation.runs]))
    known = Known(world)
    first = next((number for number, runs in enumerate(allocation.runs) if runs), -1)
    for scale, runs in enumerate(allocation.runs):
        runs = min(runs, MOST_RUNS)
        blind = min(runs, max(0, design - len(known.y))) if scale == first else 0
        known.run(rng.choice(len(world.X), min(blind, len(world.X)), replace=False), scale, rng)
        below = max(BATCH, (runs - blind) // _CHOICES)
        for size in _batches(runs - blind, 1 if scale == len(allocation.runs) - 1 else below):
            mean, variance = known.at_target()
            optimistic = mean - np.sqrt(variance - variance.min())
            known.run(np.argsort(optimistic, kind="stable")[:size], scale, rng)
    return known


class Known:
    """What is known of a world, and how it becomes more.

    Args:
        world: The function.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.X = world.seen if len(world.seen) else world.X[:0]
        self.scale, self.y = world.scales, world.observed
        self._roots = np.sqrt(world.X)
        self._likeliest, self._asked, self._tried = (0.0, 0.0), 0, tuple[float, ...]()

    def run(self, rows: Integers, scale: int, rng: np.random.Generator) -> None:
        """Run mixtures at a scale.

        Args:
            rows: Rows of the world's mixtures; one that was run is run again.
            scale: Number of the scale.
            rng: Draws the noise.
        """
        world = self.world
        shown = world.values[scale, rows] + world.noise[scale] * rng.standard_normal(len(rows))
        self.X = np.concatenate([self.X, world.X[rows]])
        self.scale = np.concatenate([self.scale, np.full(len(rows), scale)])
        self.y = np.concatenate([self.y, shown])

    def at_target(self) -> tuple[Array, Array]:
        """Mean and variance of the objective at the target, each ``p``, in units, from a level that ranks ignore."""
        count = len(self.world.values)
        unit = self._unit()
        y = (self.y - self.y.mean()) / unit
        roots = np.sqrt(self.X)
        noise = (self.world.noise[self.scale] / unit) ** 2 + 1e-6
        steps = np.abs(self.scale[:, None] - self.scale)
        level = _LEVEL * (steps == 0)
        enough = np.bincount(self.scale, minlength=count)
        related = _AGREEMENTS if (enough >= _TOLD).sum() > 1 else (_USUAL,)
        best: tuple[float, float, float, Array, Array] | None = None
        again = len(y) >= _GROWTH * self._asked or len(related) != len(self._tried)
        for length in _LENGTHSCALES if again else [self._likeliest[0]]:
            same = _kernel(roots, roots, length)
            for agreement in related if again else [self._likeliest[1]]:
                factor = np.linalg.cholesky(agreement**steps * same + level + np.diag(noise))
                white = solve_triangular(factor, y, lower=True, check_finite=False)
                density = -0.5 * float(white @ white) - float(np.log(factor.diagonal()).sum())
                if best is None or density > best[0]:
                    best = density, length, agreement, factor, white
        assert best is not None
        _, length, agreement, factor, white = best
        if again:
            self._likeliest, self._asked, self._tried = (length, agreement), len(y), related
        far = agreement ** (count - 1 - self.scale)
        shared = far[:, None] * _kernel(roots, self._roots, length) + _LEVEL * (self.scale == count - 1)[:, None]
        across = solve_triangular(factor, shared, lower=True, check_finite=False)
        variance = np.maximum(1.0 + _LINEAR + _LEVEL - (across**2).sum(axis=0), 1e-12)
        return across.T @ white, variance

    def _unit(self) -> float:
        """How much mixtures differ: the spread of the runs of the cheapest scale that has enough, else of all."""
        runs = np.bincount(self.scale, minlength=len(self.world.values))
        told = [number for number, count in enumerate(runs) if count > 2 * _TOLD]
        own = self.y[self.scale == told[0]] if told else self.y
        return max(float(own.std()), 1e-9)


def _kernel(first: Array, second: Array, length: float) -> Array:
    """A Matern-5/2 kernel and a linear one of roots of weights, ``n x p``."""
    inner = first @ second.T
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2.0 * inner
    r = np.sqrt(5.0 * np.maximum(squares, 0.0)) / length
    return np.asarray((1.0 + r + r**2 / 3.0) * np.exp(-r) + _LINEAR * inner)


def _batches(count: int, size: int) -> Iterator[int]:
    """Parts of a number of runs."""
    while count > 0:
        yield min(size, count)
        count -= size
