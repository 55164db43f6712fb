r"""How many runs of the target a search needs that already knows the smaller scale: what small runs cannot save.

    python benchmarks/scales.py optimisation oracle [--problems 7-useless] [--agreement 0.8 0.95] [--seeds 0 1 2] \
        [--most 16]

An oracle is told, for nothing, the smaller of two scales as a function, the slope of each loss, how high discrepancies
are and which waves they are made of, all of which a study has to learn; only how much of which wave is left to find
out, by its exact prior. Its runs are all of the target, chosen by the exact knowledge gradient, and their noise is
known. What it recommends behind none, one, two, ... of them is judged as that of a search: found is the first number
behind which, and behind one more, the recommendation is within 0.01 nats of the best mixture.

It knows nothing of the form of the target's own losses, so that it is no strict bound: a search that does may be
lucky, or better. Two scales; seeds from 100 on are for reporting.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import permutations, product
from typing import Any

import numpy as np

from bomix.evaluators.synthetic.scales import SHARED, smaller, waves_at
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.numerics.expected_fall import expected_fall

Array = np.ndarray

WITHIN = 0.01
"""Regret, in nats, at which the best mixture counts as found, as in a search."""
SAMPLE = 2**12
"""Mixtures, even over the simplex, over which what is known of the waves is averaged: to one or two hundredths."""
STRENGTHS = (0.2, 0.5, 1.0)
"""Concentrations of the mixtures among which good ones are sought: from corners to the middle."""
POOL = 4000
"""Mixtures of each of them: refined from the best, they miss the lowest mean of 7 domains by less than 0.0005."""
DRAWS = 48
"""Functions drawn from the belief whose best mixtures of the pool compete for a run."""
STEPS = (0.2, 0.1, 0.05, 0.02, 0.01, 0.005)
"""Weights that are moved from one domain to another in the refinement, while that helps."""
STARTS = 3
"""Best mixtures of the pool that are refined."""


class Oracle:
    """The belief about the target of one who knows the scale below it.

    Args:
        function: The function at the target.
    """

    def __init__(self, function: Synthetic) -> None:
        self.function, self._d = function, len(function.domain_names)
        self._small = smaller(function.losses, self._d, agreement=function.agreement, seed=function.seed, below=1)  # type: ignore[arg-type]
        m = len(self._small.height)
        even = np.random.default_rng(1).dirichlet(np.ones(self._d), SAMPLE)
        seen = waves_at(even, self._small.waves, self._small.phases)
        self._middle = seen.mean(axis=0)
        between, f = np.cov(seen.T), seen.shape[1]
        variance = 1.0 / np.trace(between)
        # Factors of the function that all metrics share, then of those that each has for itself.
        self._parts = np.array([math.sqrt(SHARED), *[math.sqrt(1.0 - SHARED)] * m])
        self._of_mean = self._parts * np.array([self._small.height.mean(), *self._small.height / m])
        self.mean, self.covariance = np.zeros((1 + m) * f), np.eye((1 + m) * f) * variance
        # Discrepancies are uncorrelated with the mean loss at the target, which is the known part and themselves.
        known = self._known(even).mean(axis=-1)
        along = (seen - self._middle).T @ (known - known.mean()) / SAMPLE
        cross = variance**2 * np.trace(between @ between)
        for part, height in enumerate(self._of_mean):
            row = np.zeros((1 + m) * f)
            row[part * f : (part + 1) * f] = along
            others = np.square(np.delete(self._of_mean, part)).sum() * cross
            self._condition(row[None], np.array([-height]), np.array([[others]]))

    def observe(self, weights: Array, entropy: Sequence[int]) -> None:
        """Learn from a run of ``d`` weights."""
        m = len(self._small.height)
        waves = self._waves(weights[None])[0]
        rows = np.zeros((m, len(self.mean)))
        f = len(waves)
        for metric, height in enumerate(self._small.height):
            rows[metric, :f] = height * self._parts[0] * waves
            rows[metric, (1 + metric) * f : (2 + metric) * f] = height * self._parts[1 + metric] * waves
        common, own = self.function.noise_sds(weights)
        noise = np.full((m, m), common**2) + np.eye(m) * (own**2 + 1e-12)
        found = self.function.observe(weights, entropy=entropy) - self._known(weights[None])[0]
        self._condition(rows, found, noise)

    def expected(self, weights: Array) -> Array:
        """Expected objective ``n`` of ``n x d`` weights."""
        return np.asarray(self._known(weights).mean(axis=-1) + self.rows(weights) @ self.mean)

    def rows(self, weights: Array) -> Array:
        """What multiplies the factors in the objective, ``n`` rows."""
        waves = self._waves(weights)
        return np.einsum("p,nf->npf", self._of_mean, waves).reshape(len(weights), -1)

    def _known(self, weights: Array) -> Array:
        """The losses at the target but for their discrepancies, ``n x m``."""
        return np.asarray((self._small(weights) - self._small.level) * self._small.slope)

    def _waves(self, weights: Array) -> Array:
        return waves_at(weights, self._small.waves, self._small.phases) - self._middle

    def _condition(self, rows: Array, found: Array, noise: Array) -> None:
        """Learn that ``rows`` times the factors, with noise, are what was found."""
        gain = np.linalg.solve(rows @ self.covariance @ rows.T + noise, rows @ self.covariance).T
        self.mean = self.mean + gain @ (found - rows @ self.mean)
        self.covariance = self.covariance - gain @ rows @ self.covariance


def search(function: Synthetic, most: int) -> list[float]:
    """Regrets of what the oracle recommends behind 0, 1, ... runs of the target."""
    oracle, d = Oracle(function), len(function.domain_names)
    rng = np.random.default_rng([function.seed, 62])
    pool = np.concatenate([rng.dirichlet(np.full(d, strength), POOL) for strength in STRENGTHS])
    regrets: list[float] = []
    while True:
        best = lowest(oracle.expected, pool)
        regrets.append(float(function.regret(best)))
        if len(regrets) > most or (len(regrets) > 1 and max(regrets[-2:]) <= WITHIN):
            return regrets
        oracle.observe(_telling(oracle, np.concatenate([best[None], pool]), rng), [function.seed, len(regrets), 63])


def _telling(oracle: Oracle, pool: Array, rng: np.random.Generator) -> Array:
    """The mixture of the largest knowledge gradient among those that may be the best, ``d`` weights."""
    rows, known = oracle.rows(pool), oracle.expected(pool)
    root = np.linalg.cholesky(oracle.covariance + 1e-12 * np.eye(len(oracle.mean)))
    drawn = known[:, None] + rows @ (root @ rng.standard_normal((len(root), DRAWS)))
    chosen = np.unique(np.append(drawn.argmin(axis=0), 0))
    covariance = rows[chosen] @ oracle.covariance @ rows[chosen].T
    noise = oracle.function.noise
    worth = [expected_fall(known[chosen], row / math.sqrt(row[i] + noise**2)) for i, row in enumerate(covariance)]
    return np.asarray(pool[chosen[int(np.argmax(worth))]])


def lowest(function: Callable[[Array], Array], pool: Array) -> Array:
    """The mixture of the lowest value, ``d`` weights: the best of a pool, weights then moved while that helps."""
    moves = np.array([(i, j) for i, j in permutations(range(pool.shape[1]), 2)])
    ends = [_refined(function, pool[place], moves) for place in np.argsort(function(pool))[:STARTS]]
    return min(ends, key=lambda end: float(function(end[None])[0]))


def _refined(function: Callable[[Array], Array], point: Array, moves: Array) -> Array:
    """The end of a descent by moves of weight from one domain to another."""
    value = float(function(point[None])[0])
    for step in STEPS:
        while True:
            tried = np.repeat(point[None], len(moves), axis=0)
            moved = np.minimum(step, point[moves[:, 0]])
            tried[np.arange(len(moves)), moves[:, 0]] -= moved
            tried[np.arange(len(moves)), moves[:, 1]] += moved
            values = function(tried)
            if values.min() >= value - 1e-9:
                break
            point, value = tried[int(values.argmin())], float(values.min())
    return point


def run(arguments: argparse.Namespace, problems: Mapping[str, Mapping[str, Any]]) -> None:
    """Print a row for each problem and agreement.

    Args:
        arguments: ``problems``, ``agreement``, ``seeds`` and ``most``.
        problems: Name of a problem to the fields of its function.
    """
    print(
        "| problem | agreement | seeds | runs of the target | median | at most 1 | at most 2 | regret after 0, 1, 4 |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for problem, agreement in product(arguments.problems, arguments.agreement):
        paths = []
        for seed in arguments.seeds:
            function = replace(Synthetic(**problems[problem]), seed=seed, agreement=agreement)
            paths.append(search(function, int(arguments.most)))
        counts = np.array([len(path) - 2 if max(path[-2:]) <= WITHIN else math.inf for path in paths])
        regrets = ", ".join(f"{np.mean([path[min(k, len(path) - 1)] for path in paths]):.3f}" for k in (0, 1, 4))
        each = ", ".join(f"{count:g}" for count in sorted(counts))
        within = " | ".join(str(int((counts <= most).sum())) for most in (1, 2))
        row = f"{len(paths)} | {each} | {np.median(counts):g} | {within} | {regrets}"
        print(f"| {problem} | {agreement:g} | {row} |", flush=True)
