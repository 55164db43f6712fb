"""Mixtures that need no search: what every search must beat.

A baseline proposes the same mixture at every ask. The study trains it with the next seed each time, so that the
trials of a baseline measure the noise between runs.

References:
    [Chung2023] UniMax: fairer and more effective language sampling for large-scale multilingual pretraining.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bomix.errors import Fault, FaultsError, raise_faults
from bomix.space import constrained, polytope
from bomix.space.bounds import ROUNDING, TokenCaps, number
from bomix.space.weights import SAME_MIXTURE, normalized, same_mixture
from bomix.strategies.designs import temperature_faults, tempered
from bomix.trial import SUM_TOLERANCE, Candidate

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.space.polytope import Array

_SHOWN = 6
"""Changed weights that a note lists: the largest ones, in a line that can still be read."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Constant(ABC):
    """A strategy that proposes one mixture, the nearest to its ideal that the bounds allow."""

    repeats: ClassVar[bool] = True
    """It proposes what is pending already; no two trials of it are alike but for their mixture."""

    @property
    @abstractmethod
    def origin(self) -> str:
        """Who its candidates say proposed them."""

    @abstractmethod
    def ideal(self, problem: Problem) -> Array:
        """The mixture without regard to the bounds, ``d`` array; asked for only where the problem has no faults."""

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return []

    def problem_faults(self, problem: Problem) -> list[Fault]:
        """What the strategy needs and the problem does not know; asked for only where the fields have no faults."""
        return []

    def notes(self, problem: Problem) -> list[str]:
        """What the user should know before the first trial."""
        return []

    def nearest(self, problem: Problem) -> Array:
        """The mixture that is proposed, ``d`` array of the space."""
        return problem.space.snap(problem.space.project(self.ideal(problem)), threshold=0.0)

    def settled(self, problem: Problem, history: History) -> bool:
        """Always: no result is looked at."""
        return True

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose the mixture ``q`` times; see :class:`bomix.contracts.strategy.Strategy`.

        Raises:
            FaultsError: The problem lacks what the mixture is computed from.
        """
        raise_faults(self.faults() or self.problem_faults(problem), f"'{self.origin}' has no mixture for this study:")
        phases, problem = problem.phases, problem.whole
        nearest = self.nearest(problem)
        weights = problem.space.to_weights(nearest)
        weights = weights if phases is None else phases.tied(weights)
        # Said once, before the first trial: the record alone decides, so nothing is remembered.
        if not any(same_mixture(weights, record.trial.weights) for record in history.records):
            moved = moved_notes(problem.space.domains, self.ideal(problem), nearest)
            for note in (*self.notes(problem), *moved):
                logger.warning("%s: %s", self.origin, note)
        return [Candidate(weights, self.origin)] * q


@dataclass(frozen=True)
class Uniform(Constant):
    """All domains alike."""

    @property
    def origin(self) -> str:
        """``uniform``."""
        return "uniform"

    def ideal(self, problem: Problem) -> Array:
        """Equal shares."""
        return np.full(problem.space.dimension, 1.0 / problem.space.dimension)


@dataclass(frozen=True)
class Natural(Constant):
    """Each domain in proportion to its tokens."""

    @property
    def origin(self) -> str:
        """``natural``."""
        return "natural"

    def problem_faults(self, problem: Problem) -> list[Fault]:
        """Tokens that are unknown."""
        return _natural_faults(problem)

    def ideal(self, problem: Problem) -> Array:
        """Natural shares."""
        return tempered(problem, 1.0)


@dataclass(frozen=True)
class Temperature(Constant):
    """Natural shares to the power ``1 / temperature``, normalised.

    Attributes:
        temperature: 1 is the natural mixture, a high one the uniform mixture of the domains that have tokens.
    """

    temperature: float = 2.0

    @property
    def origin(self) -> str:
        """``temperature``."""
        return "temperature"

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return temperature_faults(self.temperature)

    def problem_faults(self, problem: Problem) -> list[Fault]:
        """Tokens that are unknown."""
        return _natural_faults(problem)

    def ideal(self, problem: Problem) -> Array:
        """Tempered shares."""
        return tempered(problem, self.temperature)


@dataclass(frozen=True)
class UniMax(Constant):
    """Equal shares as far as no domain is passed over too often [Chung2023]_.

    A domain that would be repeated more often has what ``max_epochs`` allow, and the others share the rest evenly.
    That is the point nearest to uniform under the caps, so bounds of the space are met in the same step.

    Attributes:
        max_epochs: Passes over a domain's tokens in the run that the study decides about.
    """

    max_epochs: float = 4.0

    @property
    def origin(self) -> str:
        """``unimax``."""
        return "unimax"

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        if self.max_epochs > 0.0:
            return []
        return [Fault("max_epochs", f"max_epochs is {self.max_epochs:g}; give more than 0")]

    def problem_faults(self, problem: Problem) -> list[Fault]:
        """Tokens that are unknown, or too few for the run."""
        problem = problem.whole
        found = _token_faults(problem)
        if problem.run_tokens is None:
            found.append(Fault("", "the tokens of the run are unknown; give target.tokens"))
        if not found and (total := self._caps(problem).sum()) < 1.0 - ROUNDING:
            assert problem.run_tokens is not None
            shortage = TokenCaps(problem.tokens, problem.run_tokens, self.max_epochs).shortage(free=True)
            found.append(Fault("max_epochs", f"the tokens fill {total:.3g} of the run: {shortage}"))
        return found

    def ideal(self, problem: Problem) -> Array:
        """Equal shares under the caps."""
        return polytope.project(self._uniform(problem), 0.0, self._caps(problem))

    def nearest(self, problem: Problem) -> Array:
        """The same within the bounds; where those leave no mixture that keeps to the caps, bounds come first."""
        space = problem.space
        lower, upper = space.lower_array, np.minimum(space.upper_array, self._caps(problem))
        if not (lower <= upper).all() or upper.sum() < 1.0 - ROUNDING:
            return super().nearest(problem)
        if space.rows is None:
            found = polytope.project(self._uniform(problem), lower, upper)
        else:
            found, right = constrained.attempt(self._uniform(problem), lower, upper, space.rows)
            if not right:
                return super().nearest(problem)
        return space.snap(space.project(found), threshold=0.0)

    def _uniform(self, problem: Problem) -> Array:
        return np.full(problem.space.dimension, 1.0 / problem.space.dimension)

    def _caps(self, problem: Problem) -> Array:
        """Largest shares, ``d`` array."""
        assert problem.run_tokens is not None
        caps = TokenCaps(problem.tokens, problem.run_tokens, self.max_epochs)
        return np.array([caps.share(name) for name in problem.space.domains])


@dataclass(frozen=True)
class Fixed(Constant):
    """One mixture that is given.

    Attributes:
        weights: Domain to share, every domain named; a sum within 1 % of one is set right.
    """

    weights: Mapping[str, float]

    @property
    def origin(self) -> str:
        """``fixed``."""
        return "fixed"

    def faults(self) -> list[Fault]:
        """Weights that are no mixture."""
        found = []
        for name, value in self.weights.items():
            if (share := number(value)) is None:
                found.append(Fault(f"weights.{name}", f"the weight of domain '{name}' is {value!r}, no finite number"))
            elif share < 0.0:
                found.append(Fault(f"weights.{name}", f"the weight of domain '{name}' is {share:g}; give 0 or more"))
        if not found and abs((total := sum(self.weights.values())) - 1.0) > SUM_TOLERANCE:
            found.append(Fault("weights", f"the weights sum to {total:.6g}, not to 1; divide them by their sum"))
        return found

    def problem_faults(self, problem: Problem) -> list[Fault]:
        """Domains that are missing or unknown."""
        try:
            problem.single.to_array(self.weights)
        except FaultsError as error:
            return list(error.faults)
        return []

    def ideal(self, problem: Problem) -> Array:
        """The weights."""
        return problem.space.to_array(normalized(self.weights))


def _natural_faults(problem: Problem) -> list[Fault]:
    """Why the natural mixture is unknown."""
    if problem.natural is not None:
        return []
    return _token_faults(problem) or [Fault("", "the natural shares are unknown; give the tokens of every domain")]


def _token_faults(problem: Problem) -> list[Fault]:
    """Domains whose tokens are unknown."""
    missing = [name for name in problem.single.domains if name not in problem.tokens]
    return [Fault("", f"the tokens of domain '{name}' are unknown; give domains.{name}.tokens") for name in missing]


def moved_notes(domains: Sequence[str], ideal: Array, nearest: Array) -> list[str]:
    """A note on the weights that the bounds changed, the most changed first."""
    changes = np.abs(nearest - ideal)
    order = [j for j in np.argsort(-changes, kind="stable") if changes[j] > SAME_MIXTURE]
    if not order:
        return []
    shown = ", ".join(f"{domains[j]} {ideal[j]:.4g} -> {nearest[j]:.4g}" for j in order[:_SHOWN])
    more = f" and {len(order) - _SHOWN} more" if len(order) > _SHOWN else ""
    return [f"the space does not allow the mixture as it is; the nearest is taken ({shown}{more})"]
