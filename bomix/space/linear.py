"""Linear constraints on mixtures, by name and in columns.

What a user says is a :class:`Constraint`, a weighted sum of named domains between two ends. A space keeps them in
:class:`Rows`: matrices, each row divided by its largest coefficient, so that one tolerance serves all of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bomix.space.polytope import Array

HOLDS = 1e-9
"""By how much a constraint may be missed and still hold: far below any share that can be trained on."""

_NEAR = 1e-6
"""Room of a constraint below which a mixture is said to stand at its end: what a table of weights shows."""
_SHOWN = 4  # Domains that a sentence about a constraint names.


@dataclass(frozen=True, init=False)
class Constraint:
    """``at_least <= sum_i coefficients_i w_i <= at_most``.

    Example:
        >>> code = bomix.Constraint({"python": 1.0, "java": 1.0}, at_least=0.2, at_most=0.4)
        >>> str(code)
        'java + python from 0.2 to 0.4'
        >>> space = bomix.MixtureSpace(["java", "python", "web"], constraints=[code])
        >>> [round(share, 3) for share in space.project([0.0, 0.0, 1.0]).tolist()]  # the nearest allowed mixture
        [0.1, 0.1, 0.8]

    Attributes:
        coefficients: Pairs of a domain and its coefficient, sorted by name; domains that are left out have zero.
        at_least: Smallest value of the sum; minus infinity where there is none.
        at_most: Largest value of the sum; infinity where there is none.
        name: What messages call it; the sum itself where it is empty.
    """

    coefficients: tuple[tuple[str, float], ...]
    at_least: float
    at_most: float
    name: str

    def __init__(
        self,
        coefficients: Mapping[str, float],
        at_least: float | None = None,
        at_most: float | None = None,
        name: str = "",
    ) -> None:
        """Put the coefficients in order.

        Args:
            coefficients: Domain to coefficient.
            at_least: Smallest value of the sum; None for none.
            at_most: Largest value; None for none, the same as ``at_least`` for an equality.
            name: What messages call it.
        """
        pairs = tuple(sorted((domain, float(value)) for domain, value in coefficients.items()))
        object.__setattr__(self, "coefficients", pairs)
        object.__setattr__(self, "at_least", -math.inf if at_least is None else float(at_least))
        object.__setattr__(self, "at_most", math.inf if at_most is None else float(at_most))
        object.__setattr__(self, "name", name)

    @property
    def total(self) -> str:
        """The sum in words: ``code + 0.5 web``."""
        terms = [
            (f" {'-' if value < 0.0 else '+'} ", name if abs(value) == 1.0 else f"{abs(value):g} {name}")
            for name, value in self.coefficients
        ]
        first = "-" if terms and "-" in terms[0][0] else ""
        total = first + "".join(sign + term for sign, term in terms[:_SHOWN])[3:]
        return total + (f" + {len(terms) - _SHOWN} more" if len(terms) > _SHOWN else "")

    def __str__(self) -> str:
        total = self.total
        if self.at_least == self.at_most:
            ends = f"equal to {self.at_most:g}"
        elif math.isinf(self.at_least):
            ends = f"at most {self.at_most:g}"
        else:
            ends = f"at least {self.at_least:g}"
            ends = ends if math.isinf(self.at_most) else f"from {self.at_least:g} to {self.at_most:g}"
        return f"'{self.name}' ({total} {ends})" if self.name else f"{total} {ends}"

    def is_tight(self, weights: Mapping[str, float]) -> bool:
        """Whether a mixture that keeps an inequality leaves nothing of it; of an equality nothing can be left."""
        total = self.sum_of(weights)
        return self.at_least < self.at_most and (total <= self.at_least + _NEAR or total >= self.at_most - _NEAR)

    def sum_of(self, weights: Mapping[str, float]) -> float:
        """The sum at a mixture."""
        return math.fsum(value * weights.get(name, 0.0) for name, value in self.coefficients)


@dataclass(frozen=True)
class Rows:
    """Linear constraints in columns, ``low <= matrix @ w <= high``, scaled so that coefficients are at most one.

    Attributes:
        coefficients: ``c`` rows of ``d`` coefficients.
        lows: ``c`` smallest values, minus infinity where there is none.
        highs: ``c`` largest values, infinity where there is none; equal to the smallest in an equality.
    """

    coefficients: tuple[tuple[float, ...], ...]
    lows: tuple[float, ...]
    highs: tuple[float, ...]

    @classmethod
    def of(cls, constraints: Sequence[Constraint], domains: Sequence[str]) -> Rows | None:
        """The constraints over some domains; None where there are none."""
        if not constraints:
            return None
        rows, lows, highs = [], [], []
        for each in constraints:
            named = dict(each.coefficients)
            row = np.array([named.get(name, 0.0) for name in domains])
            size = float(np.abs(row).max())
            rows.append(tuple((row / size).tolist()))
            lows.append(each.at_least / size)
            highs.append(each.at_most / size)
        return cls(tuple(rows), tuple(lows), tuple(highs))

    @cached_property
    def matrix(self) -> Array:
        """``c x d`` coefficients."""
        return np.array(self.coefficients)

    @cached_property
    def low(self) -> Array:
        """``c`` smallest values."""
        return np.array(self.lows)

    @cached_property
    def high(self) -> Array:
        """``c`` largest values."""
        return np.array(self.highs)

    @cached_property
    def equal(self) -> np.ndarray:
        """``c`` booleans: which are equalities, as far as constraints are held."""
        return np.asarray(self.high - self.low <= HOLDS)

    @cached_property
    def stacked(self) -> tuple[Array, Array, int]:
        """All as ``k x d`` rows and ``k`` right-hand sides: the first are equalities, the others upper bounds.

        The sum of one comes first. The third value is the number of equalities.
        """
        d, equal = self.matrix.shape[1], self.equal
        over, under = ~equal & np.isfinite(self.high), ~equal & np.isfinite(self.low)
        middle = 0.5 * (self.low[equal] + self.high[equal])
        rows = [np.ones((1, d)), self.matrix[equal], self.matrix[over], -self.matrix[under]]
        values = [np.ones(1), middle, self.high[over], -self.low[under]]
        return np.concatenate(rows), np.concatenate(values), 1 + int(equal.sum())

    def hold(self, points: Array, *, tolerance: float = HOLDS) -> np.ndarray:
        """Whether all hold at ``(...) x d`` points; booleans of the shape ``(...)``."""
        sums = points @ self.matrix.T
        return np.asarray(((sums >= self.low - tolerance) & (sums <= self.high + tolerance)).all(axis=-1))

    def of_columns(self, mixing: Array) -> Rows:
        """The same constraints on the coefficients of mixtures of ``e x d`` corners, over ``e`` columns."""
        found = self.matrix @ mixing.T
        return Rows(tuple(map(tuple, found.tolist())), self.lows, self.highs)
