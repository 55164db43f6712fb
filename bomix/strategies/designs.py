"""Designs: mixtures that are asked for without looking at any result.

References:
    [Liu2025] RegMix: data mixture as regression for language model pre-training.
    [Belenki2025] Optimizing pre-training data mixtures with mixtures of data expert models.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from bomix.errors import Fault
from bomix.space.weights import Weights, is_among, nearest, normalized, same_mixture
from bomix.strategies.listed import Listing, Named, listed_faults, missing_runs
from bomix.trial import Candidate

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.space.mixture_space import MixtureSpace
    from bomix.space.polytope import Array

TRIES = 100
"""Draws from a Dirichlet distribution before one that the bounds forbid is projected."""


@dataclass(frozen=True)
class Sobol(Listing):
    """The uniform and the natural mixture, then one scrambled Sobol sequence over the space.

    The sequence is that of the study's seed, read at the number of trials asked so far: parallel asks and restarts
    continue it.

    Attributes:
        anchors: Whether the uniform and the natural mixture come first; one that is in the record already, or
            equals the other, is passed over.
        replicates: Runs of the natural mixture that come then, its anchor among them, each on a seed of its own: how
            much two runs of one mixture differ is learnt from them alone. Those that the study's ``replicates`` ask
            for are among them.
        deletions: Whether the natural mixture without each domain follows, the others in proportion, as far as bounds
            and constraints allow: what each domain gives.
    """

    anchors: bool = True
    replicates: int = 1
    deletions: bool = False

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return listed_faults(self.replicates)

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures; see :class:`bomix.contracts.strategy.Strategy`."""
        space = problem.space
        missing = iter(_listed_first(self, problem, history))
        candidates = []
        for index in range(history.n_asked, history.n_asked + q):
            if (anchor := next(missing, None)) is not None:
                candidates.append(Candidate(anchor[1], anchor[0]))
            else:
                point = space.snap(space.sobol(1, seed=seed, skip=index)[0])
                candidates.append(Candidate(space.to_weights(point), "sobol"))
        return candidates


@dataclass(frozen=True)
class Dirichlet(Listing):
    """The uniform and the natural mixture, then draws around the shares of the tokens, from sparse to even.

    Each draw is ``Dirichlet(c p)``: ``p`` sums to one and is where the draws are on average, ``c`` is drawn anew each
    time and says how sparse they are. The defaults are those of [Liu2025]_, section 3.1: ``p`` the shares of the
    tokens, ``c`` from 0.1 to 5. How ``c`` is spread there is not said; uniform draws with ``temperature`` 2 come
    closest to the 512 published mixtures. [Belenki2025]_, appendix B.3, takes ``prior_share`` below one, how far is
    not said, and ``c`` from 0.5 to 2.

    A draw that breaks a bound, or repeats a mixture of the record, is replaced by another; where the bounds leave so
    little that :data:`TRIES` draws all break them, the first one is projected.

    Attributes:
        prior_share: Weight of the tokens' shares in ``p``; the rest is uniform.
        temperature: The shares are taken to the power ``1 / temperature`` first; above 1 they become more even.
        concentration: Smallest and largest ``c``.
        spacing: Whether ``c`` or its logarithm is drawn uniformly.
        anchors: Whether the uniform and the natural mixture come first, as in :class:`Sobol`.
        replicates: Runs of the natural mixture, as in :class:`Sobol`.
        deletions: Whether the natural mixture without each domain follows, as in :class:`Sobol`.
    """

    prior_share: float = 1.0
    temperature: float = 1.0
    concentration: tuple[float, ...] = (0.1, 5.0)
    spacing: Literal["uniform", "log"] = "uniform"
    anchors: bool = True
    replicates: int = 1
    deletions: bool = False

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        found = temperature_faults(self.temperature) + listed_faults(self.replicates)
        if not 0.0 <= self.prior_share <= 1.0:
            found.append(Fault("prior_share", f"prior_share is {self.prior_share:g}; give 0 to 1"))
        if len(self.concentration) != 2 or not 0.0 < self.concentration[0] <= self.concentration[1]:
            shown = list(self.concentration)
            found.append(Fault("concentration", f"expected [smallest, largest], both above 0, found {shown}"))
        return found

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures; see :class:`bomix.contracts.strategy.Strategy`."""
        space = problem.space
        missing = iter(_listed_first(self, problem, history))
        tried = [record.trial.weights for record in history.tried]
        candidates: list[Candidate] = []
        for index in range(history.n_asked, history.n_asked + q):
            if (anchor := next(missing, None)) is not None:
                candidates.append(Candidate(anchor[1], anchor[0]))
                continue
            busy = space.to_arrays([*tried, *(candidate.weights for candidate in candidates)])
            rng = np.random.default_rng(np.random.SeedSequence([seed, index]))
            point = self._drawn(space, self._average(problem), busy, rng)
            candidates.append(Candidate(space.to_weights(point), "dirichlet"))
        return candidates

    def _average(self, problem: Problem) -> Array:
        """Where the draws are on average, ``d`` array; uniform where the tokens are unknown."""
        uniform = even(problem)
        if problem.natural is None:
            return uniform
        return self.prior_share * tempered(problem, self.temperature) + (1.0 - self.prior_share) * uniform

    def _drawn(self, space: MixtureSpace, average: Array, busy: Array, rng: np.random.Generator) -> Array:
        """A ``d`` array of the space that is no row of ``busy``, unless the space is one point."""
        low, high = self.concentration
        projected = []
        for _ in range(TRIES):
            concentration = rng.uniform(low, high) if self.spacing == "uniform" else low * (high / low) ** rng.random()
            draw = rng.dirichlet(average * concentration)
            point = space.snap(space.project(draw))
            if not is_among(point, busy):
                if _within(draw, space):
                    return point
                projected.append(point)
        # A sparse prior under tight bounds may know a few points only: any other point of the space is better.
        anywhere = space.snap(space.sample(TRIES, rng))
        return next((point for point in (*projected, *anywhere) if not is_among(point, busy)), anywhere[0])


@dataclass(frozen=True)
class Vertices(Listing):
    """The uniform and the natural mixture, then each domain alone, then a Sobol sequence.

    Where a domain may not stand alone it has all that its bounds allow, the others share the rest evenly. Vertices
    that are in the record, or equal another, are passed over.

    Attributes:
        anchors: Whether the uniform and the natural mixture come first, as in :class:`Sobol`.
        replicates: Runs of the natural mixture, as in :class:`Sobol`.
        deletions: Whether the natural mixture without each domain follows, as in :class:`Sobol`.
    """

    anchors: bool = True
    replicates: int = 1
    deletions: bool = False

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return listed_faults(self.replicates)

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures; see :class:`bomix.contracts.strategy.Strategy`."""
        space = problem.space
        corners, pool = space.snap(space.project(np.eye(space.dimension))), problem.pool_array
        if pool is not None:
            corners = np.array([nearest(corner, pool) for corner in corners])
        named = [("vertex", space.to_weights(corner)) for corner in corners]
        listed = _listed_first(self, problem, history)
        beyond = history.with_pending([Candidate(weights, origin) for origin, weights in listed])
        listed += _missing(named, beyond)
        candidates = [Candidate(weights, origin) for origin, weights in listed[:q]]
        beyond = history.with_pending(candidates)
        return candidates + Sobol(anchors=False).ask(problem, beyond, q - len(candidates), seed=seed)


def even(problem: Problem) -> Array:
    """Equal shares, bounds not regarded; of two phases in each of them, in columns."""
    uniform = np.full(problem.domain_count, 1.0 / problem.domain_count)
    return uniform if problem.phases is None else np.asarray(uniform @ problem.phases.spread)


def tempered(problem: Problem, temperature: float) -> Array:
    """Natural shares to the power ``1 / temperature``, normalised, bounds not regarded; ``d`` array.

    Of two phases both have that mixture.

    Args:
        problem: The problem, whose natural shares must be known.
        temperature: 1 leaves the shares as they are; the higher, the more even.
    """
    if problem.phases is not None:
        return np.asarray(tempered(problem.whole, temperature) @ problem.phases.spread)
    assert problem.natural is not None, "callers check"
    shares = problem.space.to_array(normalized(problem.natural))
    raised = (shares / shares.max()) ** (1.0 / temperature)
    return np.asarray(raised / raised.sum())


def temperature_faults(temperature: float) -> list[Fault]:
    """A temperature must be positive."""
    if temperature > 0.0:
        return []
    return [Fault("temperature", f"temperature is {temperature:g}; give more than 0, 1 to leave shares as they are")]


def _listed_first(design: Sobol | Dirichlet | Vertices, problem: Problem, history: History) -> Named:
    """What a design lists by name and the record does not hold yet."""
    return missing_runs(
        problem, history, anchors=design.anchors, replicates=design.replicates, deletions=design.deletions
    )


def _missing(mixtures: Iterable[tuple[str, Weights]], history: History) -> list[tuple[str, Weights]]:
    """Origins and mixtures, each mixture once, without those that the record holds."""
    tried = [record.trial.weights for record in history.tried]
    found: list[tuple[str, Weights]] = []
    for origin, weights in mixtures:
        if not any(same_mixture(weights, other) for other in tried):
            found.append((origin, weights))
            tried.append(weights)
    return found


def _within(point: Array, space: MixtureSpace) -> bool:
    """Whether a ``d`` array meets the bounds of a space and keeps its constraints."""
    bounded = bool(((point >= space.lower_array) & (point <= space.upper_array)).all())
    return bounded and (space.rows is None or bool(space.rows.hold(point)))
