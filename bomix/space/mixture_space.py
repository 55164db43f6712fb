"""The mixtures that are allowed: shares of named domains, bounded below and above, that sum to one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bomix.errors import Fault, SpaceError, raise_faults
from bomix.space import choices, constrained, even, polytope
from bomix.space.bounds import (
    TokenCaps,
    bound_faults,
    column,
    label_faults,
    name_faults,
    number,
    weight_faults,
)
from bomix.space.constraint_checks import broken, constraint_faults
from bomix.space.linear import Constraint, Rows
from bomix.space.negligible import negligible_weights
from bomix.space.polytope import Array
from bomix.space.weights import Weights


@dataclass(frozen=True, init=False)
class MixtureSpace:
    """The polytope ``{w : lower <= w <= upper, sum w = 1}`` over named domains, and linear constraints on top.

    Domains are kept sorted by name, which is the order of the columns of every array. So results depend on which
    name has which bounds, never on the order in which they were given.

    Example:
        >>> space = bomix.MixtureSpace(["web", "code", "books"], lower={"code": 0.1}, upper={"books": 0.2})
        >>> space.domains
        ('books', 'code', 'web')
        >>> points = space.sobol(8, seed=0)  # covers the allowed mixtures evenly
        >>> points.shape, bool(space.contains(points, tolerance=1e-9).all())
        ((8, 3), True)
        >>> [round(share, 3) for share in space.project([0.5, 0.0, 0.5]).tolist()]  # the nearest allowed mixture
        [0.2, 0.15, 0.65]
        >>> space.check({"books": 0.3, "code": 0.3, "web": 0.4})
        Traceback (most recent call last):
        bomix.errors.FaultsError: these weights are no mixture of the space
        weights.books: domain 'books' has 0.3, above its upper bound 0.2

    Attributes:
        domains: ``d`` names, sorted.
        lower: Smallest share of each domain.
        upper: Largest share of each domain.
        at_least: ``x > 0`` stands for "zero or at least x"; only :meth:`snap` applies it, the polytope stays convex.
        negligible: Weights below it become zero in :meth:`snap`, see :mod:`bomix.space.negligible`.
        constraints: Sums of weights between two ends, which every mixture keeps.
    """

    domains: tuple[str, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    at_least: tuple[float, ...]
    negligible: tuple[float, ...]
    constraints: tuple[Constraint, ...] = ()

    def __init__(
        self,
        domains: Sequence[str],
        lower: Mapping[str, float] | None = None,
        upper: Mapping[str, float] | None = None,
        at_least: Mapping[str, float] | None = None,
        negligible: Mapping[str, float] | None = None,
        constraints: Sequence[Constraint] = (),
    ) -> None:
        """Check the bounds and put them in order.

        Args:
            domains: Unique names in any order.
            lower: Smallest shares; 0 where a domain is missing.
            upper: Largest shares; 1 where a domain is missing.
            at_least: Shares below which only zero is taken; 0 where a domain is missing.
            negligible: Shares that are as good as zero; where None, by the upper bounds.
            constraints: Linear constraints.

        Raises:
            FaultsError: All that is wrong; where constraints leave no mixture, which of them.
        """
        raise_faults(name_faults(domains), "the space of mixtures cannot be built")
        names = tuple(sorted(domains))
        raise_faults(bound_faults(names, lower, upper, at_least, None), "the space of mixtures cannot be built")
        low, high = (column(names, bounds, value) for bounds, value in ((lower, 0.0), (upper, 1.0)))
        # A sum that misses one by rounding is mended, so that points can meet bounds and sum to the last digit.
        low /= max(math.fsum(low), 1.0)
        high = np.minimum(high / min(math.fsum(high), 1.0), 1.0)
        object.__setattr__(self, "domains", names)
        object.__setattr__(self, "lower", tuple(low.tolist()))
        object.__setattr__(self, "upper", tuple(high.tolist()))
        least = column(names, at_least, 0.0)
        object.__setattr__(self, "at_least", tuple(least.tolist()))
        small = negligible_weights(high, least) if negligible is None else column(names, negligible, 0.0)
        object.__setattr__(self, "negligible", tuple(small.tolist()))
        object.__setattr__(self, "constraints", tuple(constraints))
        raise_faults(constraint_faults(names, self.constraints, low, high, least), "the space cannot be built")

    @classmethod
    def from_tokens(
        cls,
        available: Mapping[str, float],
        *,
        budget: float,
        max_epochs: float = 4.0,
        own_max_epochs: Mapping[str, float] | None = None,
        lower: Mapping[str, float] | None = None,
        upper: Mapping[str, float] | None = None,
        at_least: Mapping[str, float] | None = None,
        negligible: Mapping[str, float] | None = None,
        constraints: Sequence[Constraint] = (),
    ) -> MixtureSpace:
        """Cap every domain at ``max_epochs`` passes over its tokens.

        Args:
            available: Training tokens of each domain; infinity where they are unknown.
            budget: Training tokens of the run that the mixture is for.
            max_epochs: Passes allowed.
            own_max_epochs: Domain to the passes allowed over it, where those are others.
            lower: Smallest shares; 0 where a domain is missing.
            upper: Largest shares; where the cap is smaller, or a domain is missing, the cap holds.
            at_least: Shares below which only zero is taken; 0 where a domain is missing.
            negligible: Shares that are as good as zero; where None, by the upper bounds.
            constraints: Linear constraints.

        Raises:
            FaultsError: All that is wrong; where the caps leave no mixture it says by how much.
        """
        caps = TokenCaps(dict(available), budget, max_epochs, own_max_epochs or {})
        title = "the space of mixtures cannot be built"
        raise_faults([*name_faults(tuple(available)), *caps.faults()], title)
        raise_faults(bound_faults(tuple(sorted(available)), lower, upper, at_least, caps), title)
        shares = {name: min((upper or {}).get(name, 1.0), caps.share(name)) for name in available}
        return cls(tuple(available), lower, shares, at_least, negligible, constraints)

    @property
    def dimension(self) -> int:
        """Number of domains, ``d``."""
        return len(self.domains)

    @property
    def lower_array(self) -> Array:
        """Lower bounds, ``d`` array."""
        return np.array(self.lower)

    @property
    def upper_array(self) -> Array:
        """Upper bounds, ``d`` array."""
        return np.array(self.upper)

    @property
    def bounds(self) -> Array:
        """Lower and upper bounds, ``2 x d`` array."""
        return np.array([self.lower, self.upper])

    @cached_property
    def rows(self) -> Rows | None:
        """The constraints in columns; None where there are none."""
        return Rows.of(self.constraints, self.domains)

    def within(
        self,
        lower: ArrayLike | None = None,
        upper: ArrayLike | None = None,
        at_least: ArrayLike | None = None,
    ) -> MixtureSpace:
        """The part of the space with other bounds, ``d`` each; those that are None stay.

        Raises:
            FaultsError: Bounds and constraints leave no mixture of it.
        """
        given = (self.lower, self.upper, self.at_least)
        stated = [old if new is None else new for old, new in zip(given, (lower, upper, at_least), strict=True)]
        low, high, least, small = (
            dict(zip(self.domains, np.asarray(each).tolist(), strict=True)) for each in (*stated, self.negligible)
        )
        return MixtureSpace(self.domains, low, high, least, small, self.constraints)

    def to_array(self, weights: Weights) -> Array:
        """Put weights into columns, ``d`` array; every domain must be named, and no other. Bounds are not checked."""
        return self._columns(weights, "weights")

    def to_arrays(self, mixtures: Iterable[Weights]) -> Array:
        """Put ``n`` mixtures into rows, ``n x d`` array."""
        return np.array([self.to_array(weights) for weights in mixtures]).reshape(-1, self.dimension)

    def to_weights(self, row: ArrayLike) -> dict[str, float]:
        """Name the entries of a ``d`` array."""
        return dict(zip(self.domains, self._points(row, ndim=1).tolist(), strict=True))

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw ``n x d`` independent points, uniform on the polytope."""
        return even.sample(self.lower, self.upper, self.rows, n, rng)

    def sobol(self, n: int, *, seed: int, skip: int = 0) -> Array:
        """Points ``skip .. skip + n - 1`` of a scrambled Sobol sequence that covers the polytope uniformly.

        Under constraints that few of its points keep they are independent uniform mixtures, see
        :mod:`bomix.space.even`.

        Args:
            n: Number of points.
            seed: Seed of the scrambling: it decides the whole sequence.
            skip: Points passed over.

        Returns:
            ``n x d`` array.
        """
        return even.points(self.lower, self.upper, self.rows, n, seed=seed, skip=skip)

    def project(self, points: ArrayLike) -> Array:
        """Nearest points of the polytope, ``(...) x d`` to ``(...) x d``."""
        return constrained.project(self._points(points), self.lower_array, self.upper_array, self.rows)

    def snap(self, points: ArrayLike, *, threshold: float | None = None) -> Array:
        """Clean points for use: negligible weights become zero, "zero or at least" holds, rows sum to one.

        Where many weights are too small to stay, the largest of them are raised, of equal ones the first by name.

        Args:
            points: ``(...) x d``.
            threshold: Weights below it become zero where the lower bound allows; ``negligible`` unless given.

        Returns:
            ``(...) x d`` points of the polytope.
        """
        array = self._points(points)
        rows = array.reshape(-1, self.dimension)
        at_least = np.array(self.at_least)
        small = np.array(self.negligible) if threshold is None else threshold
        bounds = (self.lower_array, self.upper_array, at_least, small)
        found = polytope.snap(rows, *bounds) if self.rows is None else choices.snap(rows, *bounds, self.rows)
        return found.reshape(array.shape)

    def uniform(self) -> Array:
        """Equal shares, projected onto the polytope; ``d`` array."""
        return self.project(np.full(self.dimension, 1.0 / self.dimension))

    def natural(self, tokens: Mapping[str, float]) -> Array:
        """Shares in proportion to ``tokens``, projected onto the polytope; ``d`` array."""
        counts = self._columns(tokens, "tokens")
        if counts.min() < 0.0 or counts.sum() <= 0.0:
            name = self.domains[int(counts.argmin())]
            raise SpaceError(
                f"domain '{name}' has {counts.min():,.0f} tokens; counts start at 0, and one must be above"
            )
        return self.project(counts / counts.sum())

    def contains(self, points: ArrayLike, *, tolerance: float) -> NDArray[np.bool_]:
        """Which of ``n x d`` mixtures keep the bounds, "zero or at least" and the constraints, ``n``."""
        array, least = self._points(points), np.array(self.at_least)
        bounded = (array >= self.lower_array - tolerance) & (array <= self.upper_array + tolerance)
        kept = bounded & ((array <= tolerance) | (array >= least - tolerance))
        inside = np.asarray(kept.all(axis=-1))
        return inside if self.rows is None else inside & self.rows.hold(array, tolerance=tolerance)

    def faults_of(
        self, weights: Weights, *, tolerance: float = 1e-6, sum_tolerance: float | None = None, bounded: bool = True
    ) -> list[Fault]:
        """All that keeps weights from being a mixture of this space.

        Args:
            weights: The mixture, domain to share.
            tolerance: How far a share may lie beyond its bounds.
            sum_tolerance: How far the sum may miss one; ``tolerance`` unless given.
            bounded: Whether bounds and constraints must hold; zero and one must anyway.
        """
        sum_tolerance = tolerance if sum_tolerance is None else sum_tolerance
        bounds = self.bounds if bounded else None
        faults = weight_faults(self.domains, weights, bounds, tolerance=tolerance, sum_tolerance=sum_tolerance)
        return faults or (broken(self.constraints, weights, tolerance=tolerance) if bounded else [])

    def check(self, weights: Weights, *, tolerance: float = 1e-6) -> None:
        """Raise FaultsError, every domain named, unless ``weights`` are a mixture of this space."""
        raise_faults(self.faults_of(weights, tolerance=tolerance), "these weights are no mixture of the space")

    def _columns(self, values: Mapping[str, float], where: str) -> Array:
        """Values in the order of the domains, ``d`` array."""
        faults = label_faults(self.domains, values, where)
        for name in self.domains:
            if name in values and number(values[name]) is None:
                faults.append(Fault(f"{where}.{name}", f"domain '{name}' has {values[name]!r}, not a finite number"))
        raise_faults(faults, f"these {where} do not fit the domains of the space")
        return column(self.domains, values, 0.0)

    def _points(self, points: ArrayLike, *, ndim: int | None = None) -> Array:
        """Points as an array with one column for each domain."""
        array = np.asarray(points, dtype=float)
        if array.ndim == 0 or array.shape[-1] != self.dimension or (ndim is not None and array.ndim != ndim):
            raise SpaceError(f"points of shape {array.shape} lack the {self.dimension} columns of the space's domains")
        if not np.isfinite(array).all():
            name = self.domains[int(np.argwhere(~np.isfinite(array))[0, -1])]
            raise SpaceError(f"points must be finite; domain '{name}' is not")
        return array
