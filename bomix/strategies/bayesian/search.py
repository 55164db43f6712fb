"""From a belief to the next mixture: over the space, inside a part of it, or out of a pool."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bomix.contracts.acquisition import AcquisitionTraits
from bomix.contracts.surrogate import SurrogateTraits
from bomix.contracts.traits import traits
from bomix.errors import Fault, FaultsError, raise_faults
from bomix.space.weights import is_among

_OTHERS = 64
"""Mixtures among which one is sought that is not pending: one of a few is new unless the space is tiny."""

logger = logging.getLogger(__name__)

HEAVY = 5_000_000
"""Entries of all metrics' factors above which a variance costs so much that the search is shorter."""

if TYPE_CHECKING:
    from botorch.acquisition.acquisition import AcquisitionFunction

    from bomix.contracts.acquisition import Acquisition
    from bomix.contracts.surrogate import Surrogate
    from bomix.posterior.belief import Belief
    from bomix.posterior.seeds import AskSeeds
    from bomix.problem import Problem
    from bomix.space.mixture_space import MixtureSpace
    from bomix.space.polytope import Array


def most_promising(
    belief: Belief,
    acquisition: Acquisition,
    surrogate: Surrogate,
    *,
    seeds: AskSeeds,
    space: MixtureSpace | None = None,
    raw: int | None = None,
    starts: int = 8,
    rough: bool = False,
) -> tuple[Array, AcquisitionFunction]:
    """The ``d`` weights that maximise an acquisition function, and that function.

    Args:
        belief: The model of the record.
        acquisition: Acquisition function.
        surrogate: The surrogate of the belief: it says whether there are gradients.
        seeds: Seeds of this ask: ``acquisition`` builds the function, ``search`` draws the starts of its maximisation.
        space: The part of the space that is searched; all of it by default.
        raw: Points that are scored to find starts; None takes 48 to 128, the fewer the more domains.
        starts: Number of starts that are improved.
        rough: Whether a rough maximum serves, as where it is one of several mixtures to choose from.
    """
    from bomix.optimization.multistart import Search, optimize

    space, function = space or belief.problem.space, acquisition_function(belief, acquisition, seeds.acquisition)
    raw = raw or min(128, max(48, 1024 // space.dimension))
    heavy = len(belief.data.X) ** 2 * len(belief.problem.metrics) > HEAVY
    search = Search(raw, starts)
    if heavy or rough:
        search = Search(raw, min(4, starts), iterations=12, polished=1, polish=3)
    point = optimize(
        function,
        space,
        seed=seeds.search,
        near=belief.ranked(),
        avoid=belief.busy,
        search=search,
        gradients=traits(surrogate, SurrogateTraits).differentiable,
        joint=traits(acquisition, AcquisitionTraits).joint,
        screen=belief.negated_mean if heavy else None,
    )
    return point, function


def best_of_pool(belief: Belief, acquisition: Acquisition, pool: Array, *, seed: int) -> Array:
    """The mixture of an ``n x d`` pool with the highest acquisition value; none asked for before while others are left.

    Once the pool is used up its mixtures are tried again, none that is pending while others are not.
    """
    from bomix.optimization.multistart import best_of

    left = np.array([not is_among(point, belief.asked) for point in pool])
    if not left.any():
        logger.warning("the pool of %d mixtures is used up; the best of them are tried again", len(pool))
        left = np.array([not is_among(point, belief.busy) for point in pool])
    joint = traits(acquisition, AcquisitionTraits).joint
    return best_of(acquisition_function(belief, acquisition, seed), pool[left] if left.any() else pool, joint=joint)


def not_pending(point: Array, belief: Belief, *, seed: int) -> Array:
    """The ``d`` weights; other ones of the space where these are pending or failed, and there are others."""
    if not is_among(point, belief.busy):
        return point
    space = belief.problem.space
    others = space.snap(space.sobol(_OTHERS, seed=seed))
    return next((np.asarray(other) for other in others if not is_among(other, belief.busy)), point)


def read_pool(path: str, space: MixtureSpace) -> Array:
    """The ``n x d`` mixtures of a CSV file, each once.

    Raises:
        FaultsError: Everything that is wrong with it, mixtures outside of the bounds included.
    """
    from bomix.io.tables.reading import read_mixtures

    given = read_mixtures(Path(path), space)
    faults = [
        Fault(f"{path}:{row.line}", fault.what)
        for row, weights in zip(given.table.rows, given.weights, strict=True)
        for fault in space.faults_of(weights)
    ]
    faults += [] if given.weights else [Fault(path, "the pool has no mixture")]
    raise_faults(faults, "the pool cannot be used:")
    # Equal rows only: of two mixtures that are nearly one, the second is passed over when it would be proposed.
    return np.unique(space.project(space.to_arrays(given.weights)), axis=0)


def with_pool(problem: Problem, path: str | Path | None) -> Problem:
    """The problem of which only the mixtures of a pool can be run; the same without one.

    Raises:
        FaultsError: Everything that is wrong with the pool.
    """
    if path is None:
        return problem
    return replace(problem, pool=tuple(map(tuple, read_pool(str(path), problem.space).tolist())))


def pool_faults(path: str, problem: Problem) -> list[Fault]:
    """What is wrong with a pool."""
    try:
        read_pool(path, problem.space)
    except FaultsError as error:
        return [Fault("pool", f"{fault.where}: {fault.what}") for fault in error.faults]
    return []


def acquisition_function(belief: Belief, acquisition: Acquisition, seed: int) -> AcquisitionFunction:
    """The function of ``batch x 1 x d`` mixtures that an acquisition builds from a belief; higher is better."""
    return acquisition.build(
        belief.model, belief.aggregate, X_observed=belief.X_inside, X_pending=belief.X_pending, seed=seed
    )
