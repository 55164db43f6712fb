"""The uniform measure on the simplex cut by a box, as a map from the unit cube.

The map is conditional inversion. In units of the free mass every point is ``y`` with ``0 <= y_j <= c_j`` and
``sum y = 1``. Fill the coordinates in turn: when ``s`` is left for coordinate ``k`` and all later ones, the amount
``z`` that the later ones keep has a density proportional to ``g(z)`` on the admissible interval, where ``g`` is the
density of a sum of independent uniforms on ``[0, c_j], j > k``. So one table of its integral ``G`` per coordinate is
enough, and the tables follow from the last to the first without quadrature: ``g_k(s)`` is proportional to
``G_{k+1}(s) - G_{k+1}(s - c_k)``.

``g`` spans hundreds of orders of magnitude. Tilting it by ``exp(-lambda z)``, which is constant on the polytope, with
the ``lambda`` that gives the sum the mean 1, says where the mass is: there lies the grid. ``lambda >= 0`` always,
because a polytope nearer to its upper bounds is measured from them instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bomix.space.polytope import Array, project, tighten

_WIDTH_ZERO = 1e-13  # A tightened interval below this is a point: it is rounding in the bounds.
_NODES = 1024  # On the bulk of a table; as many again on its two edges.
_NEGLIGIBLE = 36.0  # Tables leave out what has a probability below exp(-36).
_NO_DENSITY = 1e-250  # Below it a density counts as zero, so that no ratio overflows.


@dataclass(frozen=True, eq=False)
class _Tail:
    """The density of a sum of uniforms up to a factor, log-linear between nodes (linear where it meets zero).

    Attributes:
        nodes: ``m`` ascending positions.
        density: ``m`` values, at most 1.
        log_ratio: ``m - 1`` logarithms of the ratio of a cell's ends; 0 where the cell counts as linear.
        mass: ``m`` integrals from the first node on.
    """

    nodes: Array
    density: Array
    log_ratio: Array
    mass: Array

    @classmethod
    def of(cls, nodes: Array, density: Array) -> _Tail:
        """Integrate the density given at the nodes."""
        density = np.where(density < _NO_DENSITY, 0.0, density)
        left, right = density[:-1], density[1:]
        positive = (left > 0.0) & (right > 0.0)
        log_ratio = np.log(np.where(positive, right, 1.0)) - np.log(np.where(positive, left, 1.0))
        log_ratio = np.where(np.abs(log_ratio) > 1e-3, log_ratio, 0.0)
        curved = (right - left) / np.where(log_ratio == 0.0, 1.0, log_ratio)
        cells = np.diff(nodes) * np.where(log_ratio == 0.0, 0.5 * (left + right), curved)
        return cls(nodes, density, log_ratio, np.concatenate([[0.0], np.cumsum(cells)]))

    def mass_below(self, z: Array) -> Array:
        """Integral up to ``z``, any shape."""
        z = np.clip(z, self.nodes[0], self.nodes[-1])
        cell = np.clip(np.searchsorted(self.nodes, z, side="right") - 1, 0, len(self.nodes) - 2)
        width = self.nodes[cell + 1] - self.nodes[cell]
        t = (z - self.nodes[cell]) / width
        left, right, log_ratio = self.density[cell], self.density[cell + 1], self.log_ratio[cell]
        curved = left * np.expm1(log_ratio * t) / np.where(log_ratio == 0.0, 1.0, log_ratio)
        linear = t * (left + 0.5 * t * (right - left))
        return np.asarray(self.mass[cell] + width * np.where(log_ratio == 0.0, linear, curved))

    def at_mass(self, mass: Array) -> Array:
        """Inverse of :meth:`mass_below`."""
        cell = np.clip(np.searchsorted(self.mass, mass, side="right") - 1, 0, len(self.nodes) - 2)
        width = self.nodes[cell + 1] - self.nodes[cell]
        part = np.maximum(mass - self.mass[cell], 0.0) / width
        left, right, log_ratio = self.density[cell], self.density[cell + 1], self.log_ratio[cell]
        root = left + np.sqrt(np.maximum(left**2 + 2.0 * (right - left) * part, 0.0))
        linear = 2.0 * part / np.where(root > 0.0, root, 1.0)
        curved = np.log1p(np.maximum(log_ratio * part / np.where(left > 0.0, left, 1.0), -1.0 + 1e-16))
        t = np.where(log_ratio == 0.0, linear, curved / np.where(log_ratio == 0.0, 1.0, log_ratio))
        return np.asarray(self.nodes[cell] + width * np.clip(t, 0.0, 1.0))


@dataclass(frozen=True, eq=False)
class UniformMap:
    """A map from the unit cube that carries its uniform measure to that of the polytope.

    Attributes:
        lower: ``d`` array.
        upper: ``d`` array.
        origin: ``d`` array, the corner of the tightened box from which ``y`` is measured.
        step: Length of a unit of ``y`` in weights; negative where the origin is the upper corner.
        order: The ``k`` coordinates that can move, widest first.
        caps: ``k`` array, upper bounds of ``y``.
        tails: Tables for coordinates ``1 .. k - 1``; empty where no cap can bind.
    """

    lower: Array
    upper: Array
    origin: Array
    step: float
    order: NDArray[np.intp]
    caps: Array
    tails: tuple[_Tail, ...]

    @property
    def inputs(self) -> int:
        """Dimension of the cube: one less than the coordinates that can move."""
        return max(len(self.order) - 1, 0)

    def __call__(self, cube: Array) -> Array:
        """Map ``n x inputs`` points of ``[0, 1)`` to ``n x d`` points of the polytope."""
        weights = np.tile(self.origin, (len(cube), 1))
        if self.inputs:
            weights[:, self.order] += self.step * (self._invert(cube) if self.tails else _fill_simplex(cube))
        return project(weights, self.lower, self.upper)

    def _invert(self, cube: Array) -> Array:
        """Fill the coordinates in turn, each by the inverse of its conditional distribution."""
        rests = np.concatenate([np.cumsum(self.caps[::-1])[::-1][1:], [0.0]])
        filled = np.empty((len(cube), len(self.caps)))
        left = np.ones(len(cube))
        for k, tail in enumerate(self.tails):
            least, most = np.maximum(left - self.caps[k], 0.0), np.minimum(left, rests[k])
            below, above = tail.mass_below(least), tail.mass_below(most)
            kept = np.clip(tail.at_mass(above - cube[:, k] * (above - below)), least, np.maximum(least, most))
            filled[:, k] = left - kept
            left = kept
        filled[:, -1] = left
        return filled


def _fill_simplex(cube: Array) -> Array:
    """Break a stick of length 1 into ``k`` pieces, uniform on the simplex; ``n x (k - 1)`` to ``n x k``."""
    powers = 1.0 / np.arange(cube.shape[1], 0, -1)
    left = np.cumprod((1.0 - cube) ** powers, axis=1)
    ends = np.ones((len(cube), 1)), np.zeros((len(cube), 1))
    return -np.diff(np.concatenate([ends[0], left, ends[1]], axis=1), axis=1)


@lru_cache(maxsize=16)
def uniform_map(lower: tuple[float, ...], upper: tuple[float, ...]) -> UniformMap:
    """Build the map for these bounds; kept for the next call, because the tables cost most of a small sample."""
    given = np.array(lower), np.array(upper)
    low, high = tighten(*given)
    width = high - low
    order = np.argsort(-width, kind="stable")
    order = order[width[order] > _WIDTH_ZERO]
    if len(order) < 2:
        return UniformMap(*given, project(low, *given), 0.0, order[:0], np.empty(0), ())
    room, span = 1.0 - math.fsum(low), math.fsum(width[order])
    origin, step = (low, room) if span >= 2.0 * room else (high, room - span)
    caps = np.minimum(width[order] / abs(step), 1.0)
    tails = () if caps[-1] > 1.0 - 1e-12 else _tails(caps)
    return UniformMap(*given, origin, step, order, caps, tails)


def _tails(caps: Array) -> tuple[_Tail, ...]:
    """Tables of the sums over ``caps[k:]`` for ``k = 1 .. len(caps) - 1``; caps descend and sum to at least 2."""
    means, sds = _tilted_moments(caps)
    rests = np.append(np.cumsum(caps[::-1])[::-1], 0.0)
    middle = np.cumsum(means[::-1])[::-1]
    sd = np.sqrt(np.cumsum((sds**2)[::-1])[::-1])
    # Bernstein's bound on a sum of variables with exponential tails; the first of a tail is its widest.
    half_width = np.sqrt(2.0 * _NEGLIGIBLE) * sd + _NEGLIGIBLE * sds
    tail = _Tail.of(np.array([0.0, caps[-1]]), np.ones(2))
    tails = [tail]
    for k in range(len(caps) - 2, 0, -1):
        start, end = max(middle[k] - half_width[k], 0.0), min(middle[k] + half_width[k], rests[k])
        pieces = [np.linspace(start, end, _NODES)]
        # Near its two ends the density changes on the scale of the narrower coordinates.
        for left, right in ((0.0, rests[k + 1]), (caps[k], rests[k])):
            if (left := max(left, start)) < (right := min(right, end)):
                pieces.append(np.linspace(left, right, _NODES // 2))
        nodes = np.unique(np.concatenate(pieces))
        most, least = np.minimum(nodes, rests[k + 1]), np.maximum(nodes - caps[k], 0.0)
        density = np.maximum(tail.mass_below(most) - tail.mass_below(least), 0.0)
        tail = _Tail.of(nodes, density / density.max())
        tails.append(tail)
    return tuple(reversed(tails))


def _tilted_moments(caps: Array) -> tuple[Array, Array]:
    """Means and standard deviations of uniforms on ``[0, caps]``, tilted so that the means sum to 1."""
    least, most = 0.0, 1.0
    while _mean_share(most * caps) @ caps > 1.0:
        most *= 2.0
    for _ in range(80):
        tilt = 0.5 * (least + most)
        least, most = (tilt, most) if _mean_share(tilt * caps) @ caps > 1.0 else (least, tilt)
    x = most * caps
    wide = np.where(x < 0.05, 1.0, np.minimum(x, 700.0))
    variance = np.where(x < 0.05, 1.0 / 12.0 - x**2 / 240.0, wide**-2.0 - 0.25 / np.sinh(0.5 * wide) ** 2)
    return _mean_share(x) * caps, np.sqrt(variance) * caps


def _mean_share(x: Array) -> Array:
    """Mean of a variable on ``[0, 1]`` with density proportional to ``exp(-x y)``, ``x >= 0``."""
    wide = np.where(x < 1e-4, 1.0, np.minimum(x, 700.0))
    return np.asarray(np.where(x < 1e-4, 0.5 - x / 12.0, 1.0 / np.where(x < 1e-4, 1.0, x) - 1.0 / np.expm1(wide)))
