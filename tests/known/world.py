"""A small problem with a known law, and histories of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from bomix.contracts.objective import Objective
from bomix.history import History
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.space.mixture_space import MixtureSpace
from bomix.testing.known import STEEP, exponential
from bomix.trial import Record, Result, Trial

DOMAINS = ("books", "code", "maths", "web")


def law(weights: np.ndarray) -> np.ndarray:
    """Losses ``(...) x 3`` of weights ``(...) x 4``."""
    return exponential(weights, STEEP)


@dataclass(frozen=True)
class World:
    """A problem whose answer is known."""

    problem: Problem
    law: Callable[[np.ndarray], np.ndarray] = field(default=law)

    def result(self, weights: np.ndarray, *, noise: float, rng: np.random.Generator) -> Result:
        losses = self.law(weights) + noise * rng.normal(size=3)
        return Result(dict(zip(self.problem.metric_names, losses.tolist(), strict=True)))

    def history(self, n: int, *, noise: float = 0.01, seed: int = 1, origin: str = "sobol") -> History:
        rng, space = np.random.default_rng(seed), self.problem.space
        points = space.sobol(n, seed=seed)
        return History(
            tuple(
                Record(Trial(i, space.to_weights(w), 0, origin), self.result(w, noise=noise, rng=rng))
                for i, w in enumerate(points)
            )
        )


@pytest.fixture
def world() -> Callable[..., World]:
    def make(
        *, domains: Sequence[str] = DOMAINS, objective: Objective | None = None, natural: bool = True, **bounds: object
    ) -> World:
        space = MixtureSpace(domains, **bounds)
        tokens = {name: float(2**index) for index, name in enumerate(space.domains)} if natural else None
        metrics = tuple(Metric(f"m{index}") for index in range(3))
        return World(Problem(space, metrics, objective or Mean(), tokens))

    return make
