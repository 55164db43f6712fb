"""Fit, then minimise: what the strategies share that propose the minimiser of a prediction and ask for no doubt.

A design comes first. Then each ask fits anew and proposes the minimiser. Where that mixture is in the record already,
or as good as pending (a fit to the same runs moves by rounding and seeds only), the next best one that differs is
proposed: of mixtures that lie :data:`APART` from it in all directions, the one predicted lowest among the new ones.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bomix.errors import Fault, FitError
from bomix.strategies.belief import busy_mixtures, draw_seeds
from bomix.trial import CONFIRM, Candidate

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.history import History
    from bomix.polytope import Array
    from bomix.problem import Problem
    from bomix.protocols import Strategy, Surrogate
    from bomix.space import MixtureSpace
    from bomix.strategies.belief import Belief

MIN_COMPLETED = 2
"""Completed trials before anything is fitted."""
APART = 0.02
"""Some weight of the next best mixture differs from the best one's by this much, where the space is that large."""

_ROUND = 256
_AT_ONCE = 1024

logger = logging.getLogger(__name__)


class Found(NamedTuple):
    """A minimiser.

    Attributes:
        point: ``d`` weights of the space.
        values: What it minimises: ``n x d`` weights to ``n`` values, lower is better.
        space: Where it is the minimiser.
    """

    point: Array
    values: Callable[[Array], Array]
    space: MixtureSpace


class Course(NamedTuple):
    """How a strategy goes on.

    Attributes:
        design: What proposes the first trials.
        n_init: For how many trials, imported runs counted.
        origin: Name of its candidates afterwards.
        minimise: What the record says is best, given a problem and a history.
    """

    design: Strategy
    n_init: int
    origin: str
    minimise: Callable[[Problem, History], Found]


def design_size(n_init: int | None, d: int) -> int:
    """Trials of the design for ``d`` domains: two more than there are, at least 5 and at most 32, unless given."""
    return n_init if n_init is not None else min(max(5, d + 2), 32)


def propose(course: Course, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
    """Propose ``q`` mixtures, one after the other, the earlier ones pending; see :class:`bomix.protocols.Strategy`."""
    candidates: list[Candidate] = []
    for _ in range(q):
        candidate = _next(course, problem, history, seed)
        history = history.with_pending([candidate])
        candidates.append(candidate)
    return candidates


def count_faults(least: int = 0, **counts: int | None) -> list[Fault]:
    """Counts that are too small, by name."""
    return [
        Fault(name, f"{name} is {value}; give at least {least}")
        for name, value in counts.items()
        if value is not None and value < least
    ]


def gradient_faults(surrogate: Surrogate, *, cure: str) -> list[Fault]:
    """A surrogate that has no gradients for a strategy that follows them."""
    if getattr(surrogate, "differentiable", False):
        return []
    name = type(surrogate).__name__
    return [Fault("surrogate", f"{name} is not declared 'differentiable', and this strategy follows gradients; {cure}")]


def predicted(belief: Belief) -> Callable[[Tensor], Tensor]:
    """The objective of what is expected of the metrics, ``n x d`` weights to ``n``; differentiable as the model is.

    Of an objective that is no weighted sum this is not the expectation, which doubt would move.
    """
    from bomix.surrogates.joint import mean_at

    return lambda X: belief.aggregate(mean_at(belief.model, X))


def in_parts(function: Callable[[Tensor], Tensor]) -> Callable[[Array], Array]:
    """The same of any number of mixtures as arrays, ``n x d`` to ``n``, without filling the memory."""
    import torch

    def values(points: Array) -> Array:
        X = torch.as_tensor(points, dtype=torch.float64)
        with torch.no_grad():
            parts = [function(part) for part in X.split(_AT_ONCE)]  # type: ignore[no-untyped-call]
        return np.asarray(torch.cat(parts).numpy())

    return values


def _next(course: Course, problem: Problem, history: History, seed: int) -> Candidate:
    pending = [record for record in history.pending if record.trial.origin != CONFIRM]
    completed = len(history.observations)
    if completed < MIN_COMPLETED or completed + len(pending) < course.n_init:
        return course.design.ask(problem, history, 1, seed=seed)[0]
    from bomix.surrogates.determinism import deterministic

    try:
        with deterministic():
            found = course.minimise(problem, history)
            point = _new(found, problem, history, draw_seeds(seed, history.n_asked, 3)[2])
    except FitError as error:
        logger.warning("%s; going on with the design", error)
        return course.design.ask(problem, history, 1, seed=seed)[0]
    return Candidate(problem.space.to_weights(point), course.origin)


def _new(found: Found, problem: Problem, history: History, seed: int) -> Array:
    """The minimiser, or the next best mixture where it was asked for before."""
    from bomix.strategies.candidates import SAME, is_among

    tried = found.space.to_arrays([record.trial.weights for record in history.records])
    busy = busy_mixtures(problem, history)
    if not is_among(found.point, tried) and _distance(found.point[None], busy)[0] > 0.5 * APART:
        return found.point
    around = _around(found.space, found.point, seed)
    distance = _distance(around, tried)
    for least in (0.5 * APART, SAME):
        if (new := distance > least).any():
            choice = around[new]
            return np.asarray(choice[np.argmin(found.values(choice))])
    return found.point  # the space is one point, or as good as that


def _distance(points: Array, others: Array) -> Array:
    """Largest difference of a weight to the nearest of ``p x d`` others, for each of ``n x d`` points."""
    return np.asarray(np.abs(points[:, None] - others).max(axis=-1).min(axis=1, initial=np.inf))


def _around(space: MixtureSpace, point: Array, seed: int) -> Array:
    """Mixtures at :data:`APART` from a point, towards all of the space and towards its corners."""
    ends = np.concatenate([space.sobol(_ROUND, seed=seed), space.project(np.eye(space.dimension))])
    distance = np.abs(ends - point).max(axis=1, keepdims=True)
    steps = np.minimum(1.0, APART / np.maximum(distance, 1e-12))
    return space.snap(space.project(point + steps * (ends - point)), threshold=0.0)
