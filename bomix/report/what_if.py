"""A model in a compressed form that a page evaluates by itself: what its sliders show.

The surrogate's predictions at some thousand mixtures near those that matter, made as sliders make them, are fitted by a
kernel expansion of each metric: steep functions of each weight alone, and a Matérn kernel over all of them in which a
weight counts as much as the metric depends on it. It is fitted to numbers without noise, so that it goes through them;
how far it is off elsewhere is measured on mixtures that it was not fitted to. That error is part of every interval.
"""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bomix.recommendation.predictions import Predicted
    from bomix.space.polytope import Array

PER_DOMAIN = 100
"""Mixtures per domain that are fitted: with a third of them the error of RegMix's 17 domains is twice as large."""
_LEAST, _MOST = 300, 1500
"""Bounds of their number: the fits take two seconds and a page half a megabyte at the upper one."""
HELD_OUT = 150
"""Mixtures on which the error is measured: it is then known within a tenth."""
_RIDGE = 1.0
"""Penalty of the functions of single weights that say how much each counts, in squares of standardised values."""
_LEAST_SCALE = 0.03
"""How much a weight counts on which a metric does not seem to depend, of one on which it depends most."""
_LENGTH = 6.0
"""Lengthscale in median distances of the mixtures: the metrics are smooth in fourth roots of weights."""
_LINEAR, _CONSTANT = 0.1, 10.0
"""Prior variances of the functions of single weights and of the level beside one for the kernel."""
_NUGGET = 1e-6
"""Variance of what is left at the mixtures fitted: numerical alone."""
_SPREAD_NUGGET = 1e-4
"""The same of the logarithms of standard deviations, large enough for single precision."""
_SHIFTS = (0.001, 0.01, 0.1)
"""Weights below which the logarithms level off: a thousandth, a hundredth and a tenth of the tokens."""


def mixtures_near(centres: Sequence[Array], tried: Array, count: int, *, seed: int) -> Array:
    """Mixtures as sliders make them: one that matters or was tried, a few of its weights moved, set right to one.

    Args:
        centres: Mixtures of ``d`` weights that matter, the recommendation first: half of all start there.
        tried: ``n x d`` mixtures of trials, where a fifth starts.
        count: How many.
        seed: Decides which.

    Returns:
        ``count x d`` weights.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, count]))
    d, found = len(centres[0]), []
    for _ in range(count):
        draw = rng.random()
        start = centres[0] if draw < 0.5 else centres[int(rng.integers(len(centres)))]
        if draw > 0.8 and len(tried):
            start = tried[int(rng.integers(len(tried)))]
        moved = np.asarray(start, dtype=float).copy()
        for domain in rng.choice(d, rng.integers(1, min(6, d + 1)), replace=False):
            kind = rng.random()
            further = 0.8 * rng.random() ** 3 if kind < 0.5 else 2.0 * rng.random() * moved[domain]
            moved[domain] = 0.0 if kind > 0.9 else further
        total = moved.sum()
        found.append(moved / total if total > 0.0 else np.full(d, 1.0 / d))
    return np.array(found)


def size(domains: int) -> int:
    """How many mixtures are fitted for so many domains."""
    return int(np.clip(PER_DOMAIN * domains, _LEAST, _MOST))


@dataclass(frozen=True)
class Compressed:
    """Predictions as a function of the weights that takes a page milliseconds.

    Attributes:
        points: ``n x d`` mixtures that it goes through.
        scales: How much each weight counts, ``k x d``, of the ``k`` outputs: the objective, then the metrics.
        lengths: Lengthscale of each output, ``k``.
        kernel: Coefficients of the kernels at the mixtures, ``n x k``.
        linear: Coefficients of the functions of single weights, ``k x d x 5``.
        level: Level of each output, ``k``.
        spread: Logarithms of standard deviations: coefficients ``n x 2k`` of a kernel that all share.
        spread_level: Their levels, ``2k``.
        spread_length: Lengthscale of that kernel.
        error: Root mean squared error of each output at mixtures that were not fitted, ``k``.
        relative: The same in standard deviations of the prediction, ``k``.
        coefficients: Those of the metrics, where the objective is a weighted sum of them; else None.
    """

    points: Array
    scales: Array
    lengths: Array
    kernel: Array
    linear: Array
    level: Array
    spread: Array
    spread_level: Array
    spread_length: float
    error: Array
    relative: Array
    coefficients: tuple[float, ...] | None

    def at(self, points: Array) -> tuple[Array, Array, Array]:
        """Means, standard deviations and those of the change against the reference at ``q x d`` weights, ``q x k``."""
        points = np.asarray(points, dtype=float)
        means = np.stack([self._mean(points, output) for output in range(len(self.level))], axis=1)
        if self.coefficients is not None:
            means[:, 0] = means[:, 1:] @ np.array(self.coefficients)
        near = _matern(_distances(_root(points), _root(self.points)) / self.spread_length)
        spreads = np.exp(near @ self.spread + self.spread_level)
        k = len(self.level)
        return means, spreads[:, :k], spreads[:, k:]

    def _mean(self, points: Array, output: int) -> Array:
        scale = self.scales[output]
        near = _distances(_root(points) * scale, _root(self.points) * scale)
        of_kernel = _matern(near / self.lengths[output]) @ self.kernel[:, output]
        of_weights = np.einsum("qdb,db->q", _basis(points), self.linear[output])
        return np.asarray(of_kernel + of_weights + self.level[output])

    def exported(self) -> dict[str, Any]:
        """Plain data for the page: arrays in base64, double precision where it matters."""
        # Large coefficients of both signs add up to a loss: in single precision they would miss it by a thousandth.
        double = {
            "scales": self.scales,
            "lengths": self.lengths,
            "kernel": self.kernel.T,
            "linear": self.linear,
            "level": self.level,
        }
        # The points were rounded before the fit, and of standard deviations four digits are plenty.
        rounded = {"points": self.points, "spread": self.spread.T, "spread_level": self.spread_level}
        packed = {name: _packed(values, "<f8") for name, values in double.items()}
        packed |= {name: _packed(values, "<f4") for name, values in rounded.items()}
        return {
            **packed,
            "n": len(self.points),
            "d": self.points.shape[1],
            "k": len(self.level),
            "spread_length": self.spread_length,
            "error": [float(each) for each in self.error],
            "coefficients": None if self.coefficients is None else list(self.coefficients),
        }


def compress(predicted: Predicted, held: Predicted, coefficients: Sequence[float] | None) -> Compressed:
    """Fit the compressed form.

    Args:
        predicted: What the surrogate says of the mixtures that are fitted.
        held: What it says of others, on which the error is measured.
        coefficients: Those of the metrics as they are reported, where the objective is a weighted sum.
    """
    X, Y = np.asarray(predicted.points, dtype=np.float32).astype(float), predicted.mean
    basis, roots, outputs = _basis(X), _root(X), range(Y.shape[1])
    importance = _importance(basis, Y)
    parts = [_fitted(roots, basis, Y[:, output], importance[:, output]) for output in outputs]
    lengths = float(np.median(_distances(roots[:200], roots[:200]))) * _LENGTH or 1.0
    spreads = np.log(np.concatenate([predicted.sd, predicted.change_sd], axis=1).clip(min=_floor(predicted)))
    middle = spreads.mean(axis=0)
    near = _matern(_distances(roots, roots) / lengths) + _SPREAD_NUGGET * np.eye(len(X))
    made = Compressed(
        points=X,
        scales=np.stack([part[0] for part in parts]),
        lengths=np.array([part[1] for part in parts]),
        kernel=np.stack([part[2] for part in parts], axis=1),
        linear=np.stack([part[3] for part in parts]),
        level=np.array([part[4] for part in parts]),
        spread=np.linalg.solve(near, spreads - middle),
        spread_level=middle,
        spread_length=lengths,
        error=np.zeros(Y.shape[1]),
        relative=np.zeros(Y.shape[1]),
        coefficients=None if coefficients is None else tuple(coefficients),
    )
    gaps = made.at(held.points)[0] - held.mean
    error = np.sqrt((gaps**2).mean(axis=0))
    typical = np.sqrt((held.sd**2).mean(axis=0))
    relative = np.divide(error, typical, out=np.zeros_like(error), where=typical > 0.0)
    return replace(made, error=error, relative=relative)


def _floor(predicted: Predicted) -> float:
    """The least standard deviation that has a logarithm worth fitting: at the reference the change has none."""
    positive = predicted.sd[predicted.sd > 0.0]
    return 1e-3 * float(np.median(positive)) if len(positive) else 1e-12


def _importance(basis: Array, Y: Array) -> Array:
    """How far each output moves with each weight alone over the mixtures, ``d x k``."""
    n, d, _ = basis.shape
    scale = basis.std(axis=0) + 1e-9
    design = np.concatenate([np.ones((n, 1)), (basis / scale).reshape(n, -1)], axis=1)
    spread = Y.std(axis=0)
    standard = (Y - Y.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    found = np.linalg.solve(design.T @ design + _RIDGE * np.eye(design.shape[1]), design.T @ standard)
    alone = np.einsum("ndb,dbk->ndk", basis / scale, found[1:].reshape(d, -1, Y.shape[1]))
    return np.asarray(alone.std(axis=0))


def _fitted(roots: Array, basis: Array, y: Array, importance: Array) -> tuple[Array, float, Array, Array, float]:
    """Scales, lengthscale, coefficients of kernels and of single weights, and level of one output."""
    most = importance.max()
    counts = (np.sqrt(importance / most) if most > 0.0 else np.zeros(len(importance))) + _LEAST_SCALE
    points = roots * counts
    length = float(np.median(_distances(points[:200], points[:200]))) * _LENGTH or 1.0
    middle, spread = float(y.mean()), float(y.std()) or 1.0
    scale = basis.std(axis=0) + 1e-9
    features = (basis / scale * counts[:, None]).reshape(len(y), -1)
    joint = _matern(_distances(points, points) / length) + _LINEAR * features @ features.T + _CONSTANT
    found = np.linalg.solve(joint + _NUGGET * np.eye(len(y)), (y - middle) / spread)
    single = _LINEAR * (features.T @ found).reshape(basis.shape[1:]) * counts[:, None] / scale
    return counts, length, spread * found, spread * single, middle + spread * _CONSTANT * float(found.sum())


def _basis(points: Array) -> Array:
    """Functions of single weights, ``n x d x 5``: the weight, its root, and logarithms level at small ones."""
    inside = points.clip(min=0.0)
    return np.stack([inside, np.sqrt(inside), *(np.log(inside + shift) for shift in _SHIFTS)], axis=-1)


def _root(points: Array) -> Array:
    return np.asarray(points.clip(min=0.0) ** 0.25)


def _distances(first: Array, second: Array) -> Array:
    """Euclidean distances of ``n x d`` and ``p x d`` points, ``n x p``."""
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)[None] - 2.0 * first @ second.T
    return np.asarray(np.sqrt(squares.clip(min=0.0)))


def _matern(distance: Array) -> Array:
    """The Matérn kernel of smoothness 5/2."""
    scaled = math.sqrt(5.0) * distance
    return np.asarray((1.0 + scaled + scaled**2 / 3.0) * np.exp(-scaled))


def _packed(values: Any, kind: str) -> str:
    return f"{kind[1:]}:{base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode('ascii')}"
