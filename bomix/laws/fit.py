"""Fit a law to runs: maximum a posteriori under Huber's loss, every metric and start in one batch.

All starts are followed briefly, the best of them to the end. Parameters and noise that are best together have too
little noise where the runs are few: the noise is then replaced, a few times in turn with the parameters, by the one
that counts the parameters which the runs determine [MacKay1992]_.

References:
    [Huber1981] Robust statistics (joint estimate of location and scale).
    [MacKay1992] Bayesian interpolation.
"""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import torch

from bomix.errors import UnknownKindError, did_you_mean
from bomix.laws.epochs import EpochsLaw
from bomix.laws.fit_data import (
    HUBER_CUT,
    NOISE_PRIOR,
    TOLERANCE,
    Rows,
    criterion,
    leverages,
    refit,
    standardised,
)
from bomix.laws.forms import LAWS
from bomix.laws.law import Law, own_domains
from bomix.numerics.lbfgs import minimize
from bomix.space.phased import phases_of

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.contracts.context import FitContext

logger = logging.getLogger(__name__)

_SCREENING = 30
"""Evaluations of all starts together: enough to rank them, and most of the time of a fit."""
_FINAL = 60
"""Evaluations of those that are left, at each of their fits."""
_FINALISTS = 2
"""Starts of each metric that are fitted to the end: the best after the screening, and one in case that was
premature."""
_MIRRORED = 2
"""Starts of the fit to a metric's negative, for a metric of the opposite curvature: the exception, and a few starts
show it."""
_MIRROR_ODDS = 3.0
"""Nats by which the log posterior of a metric's negative must be better: losses, which have the law's own curvature,
are the rule."""
_ROUNDS = 4
"""Rounds in which parameters and noise are found in turn; each decides the other a little less than the last."""
_MIN_NOISE = 1e-4
"""Least noise, in standard deviations of a metric: runs that a law meets exactly must not weigh infinitely."""
_LEAST_SQUARES = 1e-3
"""Added to the sum of squares, so that a law that meets few runs exactly has noise left."""


@dataclass(frozen=True)
class FittedLaw:
    """A law with parameters, a differentiable function of mixtures in the metrics' own units.

    Attributes:
        law: The formula.
        own: ``m`` columns of the metrics' own domains, -1 for a metric that has none.
        origin: ``m``, added to the law.
        unit: ``m``, which multiplies it: negative for a metric of the opposite curvature, an accuracy say, whose
            negative was fitted; zero for a metric that shows no variation, which is then constant.
        flat: ``(...) x m x p`` unconstrained parameters; leading dimensions are samples.
        noise: ``m`` standard deviations of the residuals, in the metrics' own units.
    """

    law: Law
    own: Tensor
    origin: Tensor
    unit: Tensor
    flat: Tensor
    noise: Tensor

    def __call__(self, X: Tensor) -> Tensor:
        """Predict every metric.

        Args:
            X: ``batch x q x d`` weights.

        Returns:
            ``(...) x batch x q x m`` in the metrics' own units, ``(...)`` the leading dimensions of the parameters.
        """
        d = X.shape[-1]
        values = self.law(X.reshape(-1, d), self.law.unflat(self.flat, d), self.own)
        predictions = self.origin + self.unit * values
        return predictions.reshape(*self.flat.shape[:-2], *X.shape[:-1], len(self.own))

    def parameters(self, d: int) -> dict[str, Tensor]:
        """Parameters as they stand in the formula, for metrics in the units ``origin`` and ``unit``."""
        return self.law.natural(self.law.unflat(self.flat, d), self.own, d)


def find(name: str) -> Law:
    """The law of a name.

    Raises:
        UnknownKindError: There is none.
    """
    if name not in LAWS:
        raise UnknownKindError(f"unknown law '{name}'{did_you_mean(name, LAWS)} (known: {', '.join(sorted(LAWS))})")
    return LAWS[name]


def law_of(name: str, context: FitContext) -> Law:
    """The law of a name for the domains of a context, whose passes a law in epochs takes.

    Where the passes of a domain are unknown, or a run has two phases, it takes weights for epochs, and says so, once in
    a process.

    Raises:
        UnknownKindError: There is no such law.
    """
    law = find(name)
    if all(domain in context.passes for domain in context.domains):
        return law.bound([context.passes[domain] for domain in context.domains])
    if isinstance(law, EpochsLaw):
        _tell_shares(name, phased=phases_of(context.space) is not None)
    return law


@functools.cache
def _tell_shares(name: str, *, phased: bool) -> None:
    why = "the tokens of the domains or of a run are not known", "; give 'domains.X.tokens' and 'target.tokens'"
    if phased:
        why = "epochs are counted of one mixture for the whole run, and there is one for each phase", ""
    logger.warning("law '%s': %s, so it counts shares instead of epochs%s", name, *why)


class Fit(NamedTuple):
    """A fit and what it came from.

    Attributes:
        best: The fitted law.
        rows: The runs in the law's units.
        z: ``m x p`` parameters in units of the prior.
        log_noise: ``m`` logarithms of the noise, in standard deviations of the metrics.
    """

    best: FittedLaw
    rows: Rows
    z: Tensor
    log_noise: Tensor

    def samples(self, z: Tensor) -> FittedLaw:
        """The law with other parameters, ``s x m x p`` in units of the prior."""
        return replace(self.best, flat=self.rows.centre + self.rows.width * z)


def fit(
    law: str,
    X: Tensor,
    Y: Tensor,
    *,
    context: FitContext,
    seed: int,
    starts: int = 8,
    own: Mapping[str, str] | None = None,
) -> FittedLaw:
    """Fit a law to every metric.

    Args:
        law: Key in :data:`~bomix.laws.forms.LAWS`.
        X: ``n x d`` weights; ``n`` may be 0.
        Y: ``n x m`` metrics, NaN where missing.
        context: The names behind the columns.
        seed: Seed of the starts.
        starts: Starts per metric.
        own: Metric to its own domain, where their names differ.

    Returns:
        The law with the best parameters of each metric.
    """
    columns = own_domains(context.domains, context.metrics, context.own_mapping(own))
    return fit_rows(law_of(law, context), X, Y, columns, seed=seed, starts=starts).best


def fit_rows(law: Law, X: Tensor, Y: Tensor, own: Tensor, *, seed: int, starts: int = 8) -> Fit:
    """Fit, and keep what uncertainty needs; arguments as those of :func:`fit`, ``own`` as ``m`` columns."""
    rows, origin, unit = standardised(law, X, Y, own)
    z, log_noise = torch.zeros_like(rows.centre), torch.zeros_like(origin)
    if unit.any():
        z, log_noise, sign = _search(rows, _starts(rows, seed, starts), starts)
        rows, unit = replace(rows, y=rows.y * sign), unit * sign
        z, log_noise = _with_noise(rows, z, log_noise)
    noise = (log_noise.exp() * rows.spread * unit.abs()).where(unit != 0, 1.0)
    return Fit(FittedLaw(law, own, origin, unit, rows.centre + rows.width * z, noise), rows, z, log_noise)


def _starts(rows: Rows, seed: int, starts: int) -> Tensor:
    """``s x m x (p + 1)`` starts in units of the prior, the noise's last; those of mirrored metrics at the end."""
    d, m = rows.X.shape[-1], len(rows.own)
    mean = (rows.shares.unsqueeze(-1) * rows.X.unsqueeze(-2)).sum(dim=0) / rows.shares.sum(dim=0).clamp_min(1)[:, None]
    X = (rows.X.unsqueeze(-3) - mean.unsqueeze(-2)) * rows.shares.mT.unsqueeze(-1)
    gram = X.mT @ X
    ridge = 0.05 * gram.diagonal(dim1=-2, dim2=-1).mean(dim=-1).clamp_min(1e-6)
    centred = (rows.y - rows.y.sum(dim=0) / rows.shares.sum(dim=0).clamp_min(1)) / rows.spread * rows.shares
    gram = gram + ridge[:, None, None] * torch.eye(d, dtype=gram.dtype)
    slopes = torch.linalg.solve(gram, (X.mT @ centred.mT.unsqueeze(-1)).squeeze(-1))
    sides = [(starts, slopes)] + ([(_MIRRORED, -slopes)] if rows.law.mirrored else [])
    found = [
        rows.law.flat(rows.law.init(d, m, seed=seed, starts=count, own=rows.own, slopes=side)) for count, side in sides
    ]
    z = (torch.cat(found) - rows.centre) / rows.width
    return torch.cat([z, z.new_zeros(*z.shape[:-1], 1)], dim=-1)


def _search(rows: Rows, start: Tensor, unmirrored: int) -> tuple[Tensor, Tensor, Tensor]:
    """Best parameters ``m x p``, log noise ``m`` and sign ``m``: all starts briefly, the best of them to the end."""
    count, m, size = start.shape
    metric = torch.arange(m)
    sign = torch.ones(count, m, dtype=start.dtype)
    sign[unmirrored:] = -1.0
    every = rows.take(metric.repeat(count))
    every = replace(every, y=every.y * sign.flatten())
    end = minimize(criterion(every), start.reshape(-1, size), max_evaluations=_SCREENING, tolerance=TOLERANCE)
    best = (_rank(end.value.reshape(count, m), sign)[:_FINALISTS] * m + metric).flatten()
    finalists, x, sign = every.take(best), end.x[best], sign.flatten()[best]
    log_noise = (NOISE_PRIOR[0] + NOISE_PRIOR[1] * x[:, -1]).clamp_min(math.log(_MIN_NOISE))
    z = refit(finalists, x[:, :-1], log_noise, evaluations=_FINAL)
    value, _ = criterion(finalists)(torch.cat([z, x[:, -1:]], dim=-1), torch.arange(len(z)))
    winner = _rank(value.reshape(-1, m), sign.reshape(-1, m))[0] * m + metric
    return z[winner], log_noise[winner], sign[winner]


def _rank(value: Tensor, sign: Tensor) -> Tensor:
    """Order of the starts of each metric, ``s x m``, best first; a mirrored metric must be clearly better."""
    value = torch.where(value.isfinite(), value, torch.inf) + _MIRROR_ODDS * (sign < 0)
    return value.argsort(dim=0, stable=True)


def _with_noise(rows: Rows, z: Tensor, log_noise: Tensor) -> tuple[Tensor, Tensor]:
    """Noise that counts the determined parameters, and the parameters that are best with it.

    The noise is the one whose cut-off residuals are as large as they are expected to be (proposal 2 of [Huber1981]_).
    """
    for _ in range(_ROUNDS):
        residuals = rows.residuals(z)
        leverage, weight = leverages(rows, z, log_noise)
        determined = (leverage * rows.shares).sum(dim=-2)
        squares = (rows.shares * (weight * residuals).square()).sum(dim=-2) / HUBER_CUT + _LEAST_SQUARES
        freedom = (rows.shares.sum(dim=-2) - determined).clamp_min(0.0) + 1.0
        log_noise = 0.5 * torch.log(squares / freedom).clamp_min(2.0 * math.log(_MIN_NOISE))
        z = refit(rows, z, log_noise)
    return z, log_noise
