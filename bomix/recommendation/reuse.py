"""What runs that were carried over are worth: how many runs of a new start would bring as much.

What a change of the domains made unknown no run has told yet, so that no model knows it either. Functions with as many
domains and metrics as the study has stand in for it. On each a cheap search (:mod:`bomix.recommendation.spending`) is
made as the earlier study was, on mixtures that it could run; it goes on with what is new, and another begins from none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bomix.errors import StudyError
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.io.imports.carried import carried, changed_domains
from bomix.recommendation.spending import MOST_RUNS, Allocation, World, regret, spent
from bomix.strategies.design_first import design_size
from bomix.strategies.extension import MORE_TRIALS, PER_DOMAIN, along

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.space.polytope import Array
    from bomix.trial import Record

MORE = (0, 2, 4, 8)
"""Further runs after which a regret is told."""
ANEW = (4, 8, 12, 16, 24, 32, 48, 64, 96)
"""Runs of a study begun anew after which it is."""
_SPREAD = 192
"""Mixtures all over the space that a simulated search chooses from, beside those of the earlier study and along what is
new."""
_BEFORE = 128
"""Mixtures that the earlier study could run."""


@dataclass(frozen=True)
class Reuse:
    """Expected regrets with what was carried over, and without.

    Attributes:
        runs: Runs that were carried over.
        extended: For each number of further runs, that number, the expected regret, and its standard error.
        anew: The same for each number of runs of a new start.
    """

    runs: int
    extended: tuple[tuple[int, float, float], ...]
    anew: tuple[tuple[int, float, float], ...]

    def anew_for(self, value: float) -> float | None:
        """Runs of a new start for a regret, between those that were simulated; None where none of them reached it."""
        last: tuple[int, float] | None = None
        for count, found, _ in self.anew:
            if found <= value:
                if last is None or last[1] <= found:
                    return float(count)
                return last[0] + (count - last[0]) * (last[1] - value) / (last[1] - found)
            last = (count, found)
        return None


def reuse(problem: Problem, history: History, *, seed: int, functions: int) -> Reuse:
    """Simulate searches with and without the runs that were carried over; nothing is trained, no model is fitted.

    Args:
        problem: The later study.
        history: Its record, in which runs were carried over.
        seed: Decides everything random.
        functions: Functions that are drawn, at least two.

    Raises:
        StudyError: No run was carried over.
    """
    kept = tuple(record for record in history.observations if carried(record) is not None)
    if not kept:
        raise StudyError("no run was carried over from an earlier study, so that there is nothing to compare with")
    rng = np.random.default_rng(np.random.SeedSequence([seed, functions]))
    space = problem.space
    runs = space.to_arrays(record.trial.weights for record in kept)
    before, spread = _reached(runs, space.sample(_BEFORE, rng)), space.sample(_SPREAD, rng)
    changed = [name for name in changed_domains(kept) if name in space.domains]
    few, usual = PER_DOMAIN * len(changed) + MORE_TRIALS if changed else 0, design_size(None, problem)
    other, extended, anew = _share_of_other(kept), [], []
    for number in range(functions):
        function, drawn = _function(problem, seed + number), seed + number
        past = (1.0 - other) * function.value(before) + other * _function(problem, drawn + functions).value(before)
        noise = np.array([function.noise])
        first = World(before, past[None], noise)
        known = spent(first, Allocation("", (min(len(kept), MOST_RUNS),)), design=len(kept) // 3, seed=drawn)
        best = before[int(known.at_target()[0].argmin())]
        near = along(problem, best, changed, rng) if 0 < len(changed) < space.dimension else before
        X = space.project(np.concatenate([before, spread, near]))
        values = function.value(X)
        lost = float(values[-len(near) :].min() - values.min())
        seen = World(X[-len(near) :], values[None, -len(near) :], noise, known.X, known.scale, known.y)
        after = spent(seen, Allocation("", (few,)), design=0, seed=drawn)
        opened = World(X, values[None], noise, after.X, after.scale, after.y)
        extended.append(
            [
                lost + _regret(seen, count, 0, drawn) if count < few else _regret(opened, count - few, 0, drawn)
                for count in MORE
            ]
        )
        anew.append([_regret(World(X, values[None], noise), n, min(usual, max(2, n // 2)), drawn) for n in ANEW])
    return Reuse(len(kept), _summary(MORE, extended), _summary(ANEW, anew))


def _reached(runs: Array, points: Array) -> Array:
    """Mixtures of domains that runs had, parts of one that was split in their ratio: the nearest to ``p x d`` points.

    Args:
        runs: ``n x d`` mixtures: whatever they are made of spans what the earlier study could run.
        points: ``p x d`` mixtures of all domains.
    """
    _, sizes, ways = np.linalg.svd(runs, full_matrices=False)
    ways = ways[sizes > _RANK * sizes[0]]
    found = np.clip(points @ ways.T @ ways, 0.0, None)
    return np.asarray(found / found.sum(axis=1, keepdims=True))


_RANK = 1e-6
"""Share of the largest singular value below which one is rounding, as mixtures that differ by less are one."""


def _share_of_other(kept: Sequence[Record]) -> float:
    """Share of the tokens of the runs that is text which the study no longer has, on average, at most one."""
    shares = [math.fsum(map(abs, found.other.values())) for each in kept if (found := carried(each)) is not None]
    return min(math.fsum(shares) / len(shares), 1.0)


def _function(problem: Problem, seed: int) -> Synthetic:
    """A function with as many domains and, up to these, metrics as a study has."""
    d, m = problem.space.dimension, len(problem.metrics)
    return Synthetic(domains=d, useless=max(0, d - m), seed=seed)


def _regret(world: World, runs: int, design: int, seed: int) -> float:
    return regret(world, Allocation("", (runs,)), design=design, seed=seed)


def _summary(counts: Sequence[int], found: Sequence[Sequence[float]]) -> tuple[tuple[int, float, float], ...]:
    """Numbers of runs, each with the mean regret over functions and its standard error."""
    values = np.array(found)
    errors = values.std(axis=0, ddof=1) / math.sqrt(len(values))
    return tuple(zip(counts, values.mean(axis=0).tolist(), errors.tolist(), strict=True))
