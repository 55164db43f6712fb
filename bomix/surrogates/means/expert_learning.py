"""What runs teach about a mixture of experts: strengths of the domains, and the exponent of the prefix.

For a run ``n`` and a metric ``j`` the model is ``y_nj = a_j + b_j L_j(w_n; s, tau) + noise``, ``b_j ~ N(1, slope^2)``,
``ln s_i ~ N(0, spread^2)``; ``a`` and ``b`` have their best values for every ``s`` and ``tau``, and so has the noise.
``ln s`` is found by L-BFGS for each ``tau`` of a short list, which a weak prior draws to the paper's zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from bomix.contracts.mean import Feature
from bomix.data_experts.losses import ExpertLosses, expert_losses, thin_losses
from bomix.data_experts.token_table import expert_tables
from bomix.numerics import repeats
from bomix.numerics.determinism import deterministic
from bomix.numerics.lbfgs import minimize
from bomix.space.weights import SAME_MIXTURE
from bomix.surrogates.cross_validation.folds import canonical_rows
from bomix.surrogates.cross_validation.held_out import assign_folds
from bomix.surrogates.data.standardize import standardisation

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.context import FitContext

TAUS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
"""Exponents that are tried: prefixes of hundreds of tokens tell experts apart at small ones already."""
_TAU_SPREAD = 0.5
"""Standard deviation of the prior of the exponent, whose mean is the paper's zero: weak against a dozen runs, and
decisive where runs do not tell exponents apart."""
_TOKENS = 4096
"""Tokens of each loss while learning: only how it changes from mixture to mixture counts."""
_FEWEST = 3
"""Different mixtures below which nothing is learnt: through two of them a line goes exactly, whatever the strengths."""
_LEAST_NOISE = 0.02
"""Least noise, in standard deviations of a metric: runs that the model meets exactly are no proof of less."""


@dataclass(frozen=True)
class Learnt:
    """Exponent and strengths that were learnt from runs.

    Attributes:
        tau: Exponent of the prefix's probability.
        log_strengths: ``d`` logarithms of the strengths, of mean zero; None where they were not learnt.
    """

    tau: float
    log_strengths: Tensor | None


def learnt(
    data: SupervisedDataset,
    *,
    context: FitContext,
    taus: Sequence[float],
    window: int | None,
    spread: float | None,
    slope: float,
    compress: float | None,
    folds: int,
    seed: int,
) -> Feature:
    """The feature with the exponent and strengths that fit the runs, and held-out predictions of each run.

    Args:
        data: ``X`` is ``n x d``, ``Y`` ``n x m``, NaN where a trial lacks a metric; ``n`` may be 0.
        context: Names experts and their artifacts.
        taus: Exponents to choose from; the first is taken where runs are few.
        window: How many tokens of the prefix count; None for all.
        spread: Standard deviation of the prior of ``ln s``; None for equal strengths.
        slope: Standard deviation of the prior of ``b``.
        compress: Error in nats that a smaller set of tokens may make; None for every token.
        folds: Number of parts of the runs.
        seed: Seed of the folds.
    """
    X, Y = data.X.double(), data.Y.double()
    with deterministic():
        tables = expert_tables(context)
        thin = [thin_losses(tables, tau=tau, window=window, most=_TOKENS) for tau in taus]
        fold = torch.as_tensor(assign_folds(X, folds=folds, seed=seed) if len(X) else [], dtype=torch.long)
        count = int(fold.max()) + 1 if len(X) else 0
        parts = [torch.ones(len(X), dtype=torch.bool), *(fold != number for number in range(count))]
        informative = _informative(context, len(X))
        found = _fit(thin, taus, X, Y, torch.stack(parts), informative, spread=spread, slope=slope)
        best = found[0]
        predict = expert_losses(context, variant="gated", tau=best.tau, window=window, compress=compress, tables=tables)
        if best.log_strengths is not None:
            predict = predict.with_strengths(best.log_strengths)
        with torch.no_grad():
            held_out = predict(X) - _thin(thin, taus, best)(X)
            for number, other in enumerate(found[1:]):
                out = fold == number
                held_out[out] += _thin(thin, taus, other)(X[out])
    return Feature(predict, held_out, predict.convex)


def _distinct(X: Tensor) -> int:
    """How many different mixtures ``n x d`` weights are."""
    return len(X) - repeats.count(X.numpy(), tolerance=SAME_MIXTURE)


def _informative(context: FitContext, n: int) -> Tensor:
    """``n`` booleans, false for experts of single domains: every strength and exponent repeats their losses."""
    experts = context.expert_rows
    return ~torch.tensor(experts if len(experts) == n else [False] * n, dtype=torch.bool)


def _thin(thin: Sequence[ExpertLosses], taus: Sequence[float], found: Learnt) -> ExpertLosses:
    """The losses of few tokens with a learnt exponent and learnt strengths."""
    losses = thin[list(taus).index(found.tau)]
    return losses if found.log_strengths is None else losses.with_strengths(found.log_strengths)


def _fit(
    thin: Sequence[ExpertLosses],
    taus: Sequence[float],
    X: Tensor,
    Y: Tensor,
    parts: Tensor,
    informative: Tensor,
    *,
    spread: float | None,
    slope: float,
) -> list[Learnt]:
    """The best exponent and strengths for each of ``p`` parts of the runs, ``p x n`` booleans, all parts at once."""
    p, d = len(parts), X.shape[-1]
    equal = Learnt(taus[0], None if spread is None else torch.zeros(d, dtype=torch.float64))
    used = parts & informative
    enough = [_distinct(X[part]) >= _FEWEST if part.any() else False for part in used]
    if not any(enough):
        return [equal] * p
    # In an order of the runs' own, so that rounding does not depend on theirs.
    order = torch.as_tensor(canonical_rows(X.numpy(), Y.numpy()))
    X, parts = X[order], parts[:, order]
    offset, scale = standardisation(Y[order])
    Z = (Y[order] - offset) / scale
    values, strengths = [], []
    for tau, losses in zip(taus, thin, strict=True):
        criterion = _Criterion(losses, scale, X, Z, parts, slope, spread)
        start = torch.zeros(p, d, dtype=torch.float64)
        best = criterion(start, torch.arange(p)) if spread is None else None
        if best is None:
            end = minimize(criterion, start, max_evaluations=60)
            values.append(end.value + 0.5 * (tau / _TAU_SPREAD) ** 2)
            strengths.append(end.x - end.x.mean(dim=-1, keepdim=True))
        else:
            values.append(best[0] + 0.5 * (tau / _TAU_SPREAD) ** 2)
            strengths.append(start)
    choice = torch.stack(values).argmin(dim=0).tolist()
    return [
        Learnt(taus[tau], None if spread is None else strengths[tau][number]) if enough[number] else equal
        for number, tau in enumerate(choice)
    ]


class _Criterion:
    """Negative log posterior of ``ln s`` for each part of the runs, ``a``, ``b`` and the noise at their best values.

    Args:
        losses: The losses of the mixture of experts at one exponent.
        scale: ``m`` standard deviations of the metrics.
        X: ``n x d`` weights.
        Z: ``n x m`` standardised metrics, NaN where missing.
        parts: ``p x n`` booleans, which runs are in which part.
        slope: Standard deviation of the prior of ``b``.
        spread: Standard deviation of the prior of ``ln s``; None for equal strengths, which are not searched for.
    """

    def __init__(
        self,
        losses: ExpertLosses,
        scale: Tensor,
        X: Tensor,
        Z: Tensor,
        parts: Tensor,
        slope: float,
        spread: float | None,
    ) -> None:
        self._losses, self._scale, self._X, self._spread = losses, scale, X, spread
        self._seen = (parts.unsqueeze(-1) & ~Z.isnan()).double()
        self._count = self._seen.sum(dim=1)
        self._Z = self._centred(Z.nan_to_num(0.0).expand(len(parts), -1, -1), self._seen, self._count)
        # Noise of a tenth of the metric's spread says how firmly the prior holds the coefficient.
        self._hold = 0.01 / max(slope, 1e-6) ** 2

    def __call__(self, points: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """``q x d`` logarithms of strengths of the parts ``rows`` to ``q`` values and ``q x d`` gradients."""
        leaf = points.detach().requires_grad_(self._spread is not None)
        with torch.enable_grad():
            losses = self._losses.with_strengths(leaf.unsqueeze(1))(self._X.expand(len(rows), -1, -1)) / self._scale
            seen, count, Z = self._seen[rows], self._count[rows], self._Z[rows]
            L = self._centred(losses, seen, count)
            b = ((L * Z).sum(dim=1) + self._hold) / (L.square().sum(dim=1) + self._hold)
            squares = (Z - b.unsqueeze(1) * L).square().sum(dim=1) + self._hold * (b - 1.0).square()
            noise = squares / count.clamp_min(1.0) + _LEAST_NOISE**2
            value = 0.5 * ((count - 1.0).clamp_min(0.0) * noise.log()).sum(dim=-1)
            if self._spread is None:
                return value, torch.zeros_like(points)
            value = value + 0.5 * (leaf / self._spread).square().sum(dim=-1)
            (gradient,) = torch.autograd.grad(value.sum(), leaf)
        return value.detach(), gradient

    @staticmethod
    def _centred(values: Tensor, seen: Tensor, count: Tensor) -> Tensor:
        """``p x n x m`` values less their mean over the ``seen`` runs of a part; zero for all other runs."""
        mean = (values * seen).sum(dim=1, keepdim=True) / count.clamp_min(1.0).unsqueeze(1)
        return (values - mean) * seen
