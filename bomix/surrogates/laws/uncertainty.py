"""Uncertainty of a fitted law: the covariance of its predictions, or samples of its parameters.

About the best parameters the law is taken as linear in them [Immer2021]_: at samples of its parameters far from the
best, exponents among them, the formula itself would predict the absurd. With ``J`` the Jacobian at the runs in
standardised units, Huber's weights ``W``, the noise ``s``, and parameters in units of their priors, each metric's
posterior is Gaussian with covariance ``S = (J' W J / s^2 + I)^-1``. The noise of a run correlates across metrics by
``R``, hence so do the
errors: ``cov(x_j, x_k) = S_j J_j' sqrt(W_j W_k) R_jk J_k S_k / (s_j s_k) + [j = k] S_j S_j``, which is ``S_j`` for
``j = k``.

References:
    [Immer2021] Improving predictions of Bayesian neural nets via local linearization.
    [Rubin1981] The Bayesian bootstrap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from botorch.utils.datasets import SupervisedDataset
from torch.func import jvp, vmap

from bomix.contracts.mean import Parameters
from bomix.laws.fit import Fit, FittedLaw
from bomix.laws.fit_data import Rows, chunk, huber_weights, jacobian_of, precision_factor, refit
from bomix.surrogates.cross_validation.correlation import MIN_FREEDOM, shrunk_correlation
from bomix.surrogates.cross_validation.folds import Prepared, prepare
from bomix.surrogates.cross_validation.held_out import FOLDS
from bomix.surrogates.models.joint import HeldOut, JointModel
from bomix.surrogates.models.sampled import SampledModel

if TYPE_CHECKING:
    from torch import Tensor

_BOOTSTRAP_EVALUATIONS = 60
"""Evaluations of each bootstrap's fit: it starts from the fit to all runs, which is near."""
_PRIOR_RUNS = 2.0
"""Runs that the law's own idea of its errors counts as, next to the errors seen: few residuals tell their scale
badly."""
_JITTER = 1e-9
"""Raises the variances of the error, as a share of them: metrics whose errors are always proportional have a covariance
of lower rank, and a Cholesky factor of it is wanted."""


@dataclass(frozen=True)
class Residuals:
    """Errors of the law at runs that it did not see, from fits that leave a fold out.

    Attributes:
        predicted: ``n x m`` predictions of the runs, in the metrics' own units.
        inflation: ``m`` factors by which the linearised standard deviations are too small.
        correlation: ``m x m`` of the residuals, in the law's units.
        error: ``m x m`` covariance of what the law leaves over, in the metrics' own units. Noise and misfit cannot be
            told apart by residuals: all of it counts as error of the law.
    """

    predicted: Tensor
    inflation: Tensor
    correlation: Tensor
    error: Tensor


class Linearised(NamedTuple):
    """The Gaussian posterior of the parameters, in units of their priors.

    Attributes:
        jacobian: ``m x n x p`` of the standardised predictions.
        scaled: The same with each run divided by its noise, and zero where the run lacks the metric.
        factor: ``m x p x p`` Cholesky factors of the precision.
    """

    jacobian: Tensor
    scaled: Tensor
    factor: Tensor

    @classmethod
    def about(cls, found: Fit) -> Linearised:
        """The posterior about the best parameters."""
        rows, log_noise = found.rows, found.log_noise
        weight = huber_weights(rows, found.z, log_noise) * rows.shares
        jacobian = jacobian_of(rows, found.z)
        scaled = jacobian * (weight.sqrt() * torch.exp(-log_noise)).mT.unsqueeze(-1)
        return cls(jacobian, scaled, precision_factor(jacobian, weight, log_noise))


@dataclass(frozen=True)
class Slopes:
    """Derivatives of a fitted law in its parameters, in units of their priors.

    Attributes:
        best: The law with its best parameters.
        width: ``m x p`` standard deviations of the priors.
    """

    best: FittedLaw
    width: Tensor

    def __call__(self, X: Tensor) -> Tensor:
        """``batch x q x d`` weights to ``batch x q x m x p``, in the metrics' own units."""
        return _tangent(self.best, X) * self.width


class LaplaceLaw(JointModel):
    """A fitted law, the linearised uncertainty of its parameters, and an error that distinct mixtures do not share.

    Args:
        found: The fit.
        seed: Seed of the folds by which the uncertainty is calibrated.
    """

    def __init__(self, found: Fit, *, seed: int) -> None:
        super().__init__()
        self.best, self._X, width = found.best, found.rows.X, found.rows.width
        self.learnt = Parameters(Slopes(found.best, width), found.z)
        linear = Linearised.about(found)
        self.residuals = held_out_residuals(found, linear, seed=seed)
        # Steps of the unconstrained parameters upon noise in each run, and upon a shift of each prior.
        step = width.unsqueeze(-1) * self.residuals.inflation[:, None, None]
        self._by_run = torch.cholesky_solve(linear.scaled.mT, linear.factor) * step
        self._by_prior = torch.cholesky_inverse(linear.factor) * step

    @property
    def num_outputs(self) -> int:
        """Number of metrics."""
        return len(self.residuals.error)

    @property
    def batch_shape(self) -> torch.Size:
        """Always empty."""
        return torch.Size()

    def mean(self, X: Tensor) -> Tensor:
        """The means alone, ``batch x q x m``: the law with the best parameters."""
        return self.best(X)

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        """Mean and covariance of the law, its linearised uncertainty and error included; see :class:`JointModel`.

        ``noise`` changes nothing: that of a run is part of the error already.
        """
        m, q = self.num_outputs, X.shape[-2]
        tangent = _tangent(self.best, X)
        by_run = torch.einsum("...qmp,mpn->...mqn", tangent, self._by_run)
        by_prior = torch.einsum("...qmp,mpr->...mqr", tangent, self._by_prior)
        covariance = torch.einsum("...iqn,...jrn,ij->...iqjr", by_run, by_run, self.residuals.correlation)
        covariance = covariance + torch.einsum("...iqp,...irp,ij->...iqjr", by_prior, by_prior, torch.eye(m).to(X))
        error = torch.kron(self.residuals.error, torch.eye(q, dtype=X.dtype))
        return self.best(X), covariance.reshape(*X.shape[:-2], m * q, m * q) + error

    def leave_one_out(self) -> HeldOut:
        """Each training mixture predicted by a fit to the other folds."""
        return _held_out(self, self._X, self.residuals)


class BootstrapLaw(SampledModel):
    """Fits of a law to reweighted runs, and an error that distinct mixtures do not share.

    Args:
        found: The fit.
        samples: Number of fits.
        seed: Seed of their weights, and of the folds by which the error is found.
    """

    def __init__(self, found: Fit, *, samples: int, seed: int) -> None:
        residuals = held_out_residuals(found, Linearised.about(found), seed=seed)
        law = bootstrap(found, samples=samples, seed=seed)
        super().__init__(law, error=residuals.error, noise=torch.zeros_like(residuals.error))
        self.residuals, self._X = residuals, found.rows.X

    def leave_one_out(self) -> HeldOut:
        """Each training mixture predicted by a fit to the other folds."""
        return _held_out(self, self._X, self.residuals)


def held_out_residuals(found: Fit, linear: Linearised, *, seed: int) -> Residuals:
    """Refit without each fold, starting from the fit to all, and compare with what the linearised law expects.

    The error's variance is that of Student's t with as many degrees of freedom as the runs leave, for few residuals
    know their own scale badly.

    Args:
        found: The fit.
        linear: The linearised posterior of its parameters.
        seed: Seed of the folds.
    """
    rows, best = found.rows, found.best
    standardised = _predicted_by_others(found, seed=seed)
    solved = torch.linalg.solve_triangular(linear.factor, linear.jacobian.mT, upper=False)
    expected = solved.square().sum(dim=-2).mT + torch.exp(2.0 * found.log_noise)
    ratio = (rows.y / rows.spread - standardised) / expected.sqrt() * rows.shares
    count = rows.shares.sum(dim=0)
    inflation = ((ratio.square().sum(dim=0) + _PRIOR_RUNS) / (count + _PRIOR_RUNS)).sqrt()
    correlation = shrunk_correlation((ratio / inflation).where(rows.shares > 0, torch.nan).mT)
    information = linear.scaled.mT @ linear.scaled
    used = torch.cholesky_solve(information, linear.factor).diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    freedom = (count - used).clamp_min(MIN_FREEDOM)
    known = best.unit != 0
    sd = torch.where(known, best.noise * inflation * (freedom / (freedom - 2.0)).sqrt(), best.noise)
    # The correlation is that of metrics in the law's units, whose sign may be another than the metric's own.
    signed = sd.copysign(best.unit)
    error = correlation * signed * signed.unsqueeze(-1)
    predicted = best.origin + best.unit * rows.spread * standardised
    return Residuals(predicted, inflation, correlation, error + _JITTER * torch.diag(error.diagonal()))


def bootstrap(found: Fit, *, samples: int, seed: int) -> FittedLaw:
    """Fits to reweighted runs, the Bayesian bootstrap [Rubin1981]_, which leaves no run out entirely.

    Args:
        found: The fit, where the others start.
        samples: Number of fits, ``s``.
        seed: Seed of the weights.

    Returns:
        The law with ``s x m x p`` parameters.
    """
    rows = found.rows
    generator = torch.Generator().manual_seed(seed)
    drawn = -torch.log1p(-torch.rand(samples, len(rows.X), 1, generator=generator, dtype=torch.float64))
    # Drawn for the runs in an order that is theirs, so that the order in which they came changes nothing.
    order = torch.as_tensor(_prepared(rows, seed).rows)
    shares = torch.empty_like(drawn).index_copy(1, order, drawn) * rows.shares
    shares = shares / shares.sum(dim=-2, keepdim=True).clamp_min(1e-12) * rows.shares.sum(dim=-2)
    _, z = _refit_each(found, shares, _BOOTSTRAP_EVALUATIONS)
    return found.samples(z.reshape(samples, *found.z.shape))


def _predicted_by_others(found: Fit, *, seed: int) -> Tensor:
    """Standardised predictions ``n x m``, each from a fit to the other folds; by all runs where there is one fold."""
    rows = found.rows
    prepared = _prepared(rows, seed)
    if (count := prepared.count) < 2:
        return rows.predict(found.z) / rows.spread
    fold = torch.empty(len(rows.X), dtype=torch.long)
    fold[torch.as_tensor(prepared.rows)] = torch.as_tensor(prepared.folds, dtype=torch.long)
    others = (fold != torch.arange(count).unsqueeze(-1)).unsqueeze(-1) * rows.shares
    each, z = _refit_each(found, others)
    predicted = (each.predict(z) / each.spread).reshape(len(fold), count, -1)
    return predicted[torch.arange(len(fold)), fold]


def _prepared(rows: Rows, seed: int) -> Prepared:
    """The runs in their own order, and their folds."""
    (n, d), m = rows.X.shape, len(rows.own)
    seen = rows.y.where(rows.shares > 0, torch.nan)
    names = [f"w{index}" for index in range(d)], [f"y{index}" for index in range(m)]
    data = SupervisedDataset(rows.X, seen.reshape(n, m), feature_names=names[0], outcome_names=names[1])
    return prepare(data, folds=FOLDS, seed=seed)


def _refit_each(found: Fit, shares: Tensor, evaluations: int = 40) -> tuple[Rows, Tensor]:
    """Runs with ``s x n x m`` shares, as ``s m`` columns, and the ``(s m) x p`` parameters of their fits."""
    count, n, m = shares.shape
    columns = torch.arange(m).repeat(count)
    each = replace(found.rows.take(columns), shares=shares.transpose(0, 1).reshape(n, count * m))
    return each, refit(each, found.z[columns], found.log_noise[columns], evaluations=evaluations)


def _held_out(model: JointModel, X: Tensor, residuals: Residuals) -> HeldOut:
    """Predictions of ``n x d`` training mixtures by fits to the other folds, with the covariance of the full model."""
    with torch.no_grad():
        covariance = model.moments(X.unsqueeze(-2), True)[1]
    return HeldOut(residuals.predicted, covariance)


def _tangent(best: FittedLaw, X: Tensor) -> Tensor:
    """Derivatives of the predictions in the unconstrained parameters, ``batch x q x m x p``; differentiable."""
    m, p = best.flat.shape
    closed = best.law.jacobian(X.reshape(-1, X.shape[-1]), best.flat, best.own)
    if closed is not None:
        return (best.unit[:, None] * closed).reshape(*X.shape[:-1], m, p)

    def along(direction: Tensor) -> Tensor:
        change: Tensor = jvp(lambda flat: replace(best, flat=flat)(X), (best.flat,), (direction.expand(m, p),))[1]
        return change

    size = chunk(X.shape[:-1].numel(), m, X.shape[-1])
    columns: Tensor = vmap(along, chunk_size=size)(torch.eye(p, dtype=best.flat.dtype))
    return columns.movedim(0, -1)
