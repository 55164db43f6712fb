"""Mixing laws with priors on their parameters, and draws from the posterior.

In the units of :meth:`~bomix.laws.forms.Law.units`, ``y_j = law_j(w) + noise``; the unconstrained parameters have the
independent Gaussian priors of the law, the logarithm of the noise, in standard deviations of the metric, one about a
tenth. The best fit and its curvature give coordinates in which the posterior is nearly a standard Gaussian, though a
law's own parameters trade off against each other (on the simplex, adding to every rate of an exponential is the same
as stretching it); the samplers move in these coordinates, the density stays that of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import pyro
import torch
from pyro.distributions import Normal

from bomix.laws.fit import Fit, FittedLaw, fit_rows, law_of
from bomix.laws.fit_data import NOISE_PRIOR, huber_weights, jacobian_of, precision_factor
from bomix.laws.law import own_domains
from bomix.surrogates.cross_validation.correlation import shrunk_correlation
from bomix.surrogates.cross_validation.folds import canonical_rows
from bomix.surrogates.fully_bayesian.chain import ChainSettings, VariationalSettings
from bomix.surrogates.fully_bayesian.diagnostics import diagnose
from bomix.surrogates.fully_bayesian.gp_model import thinned
from bomix.surrogates.fully_bayesian.importance import pooled_variables, truncated_shares
from bomix.surrogates.fully_bayesian.nuts import SamplerSettings, sample, variational
from bomix.surrogates.models.joint import HeldOut
from bomix.surrogates.models.sampled import SampledModel

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.context import FitContext
    from bomix.laws.fit_data import Rows
    from bomix.surrogates.fully_bayesian.diagnostics import Diagnostics
    from bomix.surrogates.laws.spec import LawName

_LEARNING_RATE = 0.05
"""Step of the variational fit, in units of the parameters' priors: some tens of steps cross a prior, of thousands."""
_SLIVER = 1e-9
"""Share of the largest variance that is added to each: points that no draw tells apart would have a singular matrix."""


class Draws(NamedTuple):
    """Parameters of laws, on the scale of their priors.

    Attributes:
        z: ``(...) x m x p`` parameters in units of their priors.
        log_noise: ``(...) x m`` logarithms of the noise, in standard deviations of the metrics.
    """

    z: Tensor
    log_noise: Tensor


class BayesianLawModel(SampledModel):
    """Draws of a law's parameters and noise.

    Args:
        laws: The law with ``s x m x p`` parameters and ``s x m`` noises, in the metrics' own units.
        train_X: ``n x d`` weights.
        train_Y: ``n x m`` metrics, NaN where missing.

    Attributes:
        samples: Name of a parameter to all draws ``chains x draws x (...)`` of the metrics that vary.
        diagnostics: Whether they can be trusted; None where no chain was run.
    """

    def __init__(self, laws: FittedLaw, train_X: Tensor, train_Y: Tensor) -> None:
        held = mean, variance = _leave_one_out(laws, train_X, train_Y)
        correlation = shrunk_correlation(((train_Y - mean) / variance.sqrt()).mT)
        noise = laws.noise.square().mean(dim=0)
        constant = laws.unit == 0
        # What is unknown about a metric without variation is its value elsewhere, not the noise of a run.
        error = torch.diag(torch.where(constant, noise, 0.0))
        sd = torch.where(constant, 0.0, noise).sqrt()
        super().__init__(laws, error=error, noise=correlation * sd * sd.unsqueeze(-1))
        self.laws, self.correlation, self._held = laws, correlation, held
        self.samples: dict[str, Tensor] = {}
        self.diagnostics: Diagnostics | None = None

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        """Mean and covariance of the draws' predictions, with :data:`_SLIVER` of the largest variance added to each.

        Points that the draws cannot tell apart would have a singular covariance otherwise. Shapes are those of
        :meth:`JointModel.moments`.
        """
        mean, covariance = super().moments(X, noise)
        sliver = _SLIVER * covariance.diagonal(dim1=-2, dim2=-1).amax(dim=-1).detach()
        return mean, covariance + sliver[..., None, None] * torch.eye(covariance.shape[-1], dtype=X.dtype)

    def leave_one_out(self) -> HeldOut:
        """Each training mixture predicted from the others, by draws that are reweighted as if they had not seen it."""
        mean, variance = self._held
        sd = variance.sqrt()
        return HeldOut(mean, self.correlation * sd.unsqueeze(-1) * sd.unsqueeze(-2))


def fitted(
    data: SupervisedDataset,
    *,
    form: LawName,
    own: Mapping[str, str] | None,
    settings: ChainSettings | VariationalSettings,
    context: FitContext,
    seed: int,
) -> BayesianLawModel:
    """Draw the parameters of every metric's law.

    Args:
        data: ``X`` is ``n x d``, ``Y`` ``n x m``, NaN where a trial lacks a metric; ``n`` may be 0.
        form: The formula.
        own: Metric to its own domain, where their names differ.
        settings: How the draws are made: by chains, or from the best Gaussian.
        context: The names behind the columns.
        seed: Seed of the starts of the fit and of the draws.
    """
    X, Y = data.X.double(), data.Y.double()
    # A chain magnifies every rounding, so it sees the rows in an order that is theirs, not the file's.
    order = torch.as_tensor(canonical_rows(X.numpy(), Y.numpy()))
    columns = own_domains(context.domains, context.metrics, context.own_mapping(own))
    with torch.no_grad():
        found = fit_rows(law_of(form, context), X[order], Y[order], columns, seed=seed)
    active = torch.nonzero(found.best.unit != 0).squeeze(-1)
    draws = Draws(found.z.repeat(settings.samples, 1, 1), found.log_noise.repeat(settings.samples, 1))
    samples: dict[str, Tensor] = {}
    divergences = 0
    if len(active):
        drawn, samples, divergences = _drawn(settings, found, active, seed)
        draws.z[:, active], draws.log_noise[:, active] = drawn
    with torch.no_grad():
        best, rows = found.best, found.rows
        noise = draws.log_noise.exp() * rows.spread * best.unit.abs()
        laws = replace(
            best, flat=rows.centre + rows.width * draws.z, noise=torch.where(best.unit != 0, noise, best.noise)
        )
        model = BayesianLawModel(laws, X, Y)
    model.samples = samples
    model.diagnostics = diagnose(samples, divergences=divergences) if samples else None
    return model


def whitening(found: Fit, active: Tensor) -> Tensor:
    """Lower triangles ``m x (p + 1) x (p + 1)``: steps in ``(z, log noise)`` for steps of one standard deviation."""
    weight = huber_weights(found.rows, found.z, found.log_noise) * found.rows.shares
    precision = precision_factor(jacobian_of(found.rows, found.z), weight, found.log_noise)[active]
    m, p = precision.shape[0], precision.shape[-1]
    eye = torch.eye(p, dtype=precision.dtype)
    step = torch.linalg.solve_triangular(precision.mT, eye.expand(m, p, p), upper=True)
    count = found.rows.shares[:, active].sum(dim=0)
    log_noise_sd = (2.0 * count + NOISE_PRIOR[1] ** -2).rsqrt()
    whole = torch.zeros(m, p + 1, p + 1, dtype=precision.dtype)
    whole[:, :p, :p], whole[:, p, p] = step, log_noise_sd
    return whole


def _drawn(
    settings: ChainSettings | VariationalSettings, found: Fit, active: Tensor, seed: int
) -> tuple[Draws, dict[str, Tensor], int]:
    """Draws ``samples x m x ...`` of the active metrics; all draws by chain, and divergences, where chains were run."""
    rows = found.rows.take(active)
    best = torch.cat([found.z, found.log_noise.unsqueeze(-1)], dim=-1)[active]
    factor = whitening(found, active)

    def unwhitened(u: Tensor) -> Draws:
        theta = best + (factor @ u.unsqueeze(-1)).squeeze(-1)
        return Draws(theta[..., :-1], theta[..., -1])

    chains = settings.chains if isinstance(settings, ChainSettings) else 1

    def model() -> None:
        flat = Normal(best.new_zeros(chains, *best.shape), best.new_ones(())).mask(False)
        u = pyro.sample("u", flat.to_event(3))
        pyro.factor("density", log_density(rows, unwhitened(u)).sum())

    if isinstance(settings, VariationalSettings):
        steps, samples = settings.steps, settings.samples
        drawn = variational(model, steps=steps, learning_rate=_LEARNING_RATE, samples=samples, seed=seed)
        return unwhitened(drawn["u"].squeeze(1)), {}, 0
    values, divergences = sample(model, SamplerSettings.of(settings), seed=seed)
    by_chain = unwhitened(values["u"].transpose(0, 1))
    kept = thinned({"z": by_chain.z, "log_noise": by_chain.log_noise}, settings.samples)
    named = rows.law.unflat(rows.centre + rows.width * by_chain.z, rows.X.shape[-1])
    return Draws(**kept), {**named, "log_noise": by_chain.log_noise}, divergences


def log_density(rows: Rows, draws: Draws) -> Tensor:
    """Log of likelihood times prior, ``(...) x m``, up to a constant."""
    ratio = rows.residuals(draws.z) * torch.exp(-draws.log_noise).unsqueeze(-2)
    misfit = 0.5 * (rows.shares * ratio.square()).sum(dim=-2) + rows.shares.sum(dim=-2) * draws.log_noise
    about = (draws.log_noise - NOISE_PRIOR[0]) / NOISE_PRIOR[1]
    return -(misfit + 0.5 * draws.z.square().sum(dim=-1) + 0.5 * about.square())


def _leave_one_out(laws: FittedLaw, X: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    """Means and variances ``n x m`` in the metrics' own units, noise included; defined where a metric is missing."""
    values = laws(X)
    variance = laws.noise.square().unsqueeze(-2).expand_as(values)
    negative = 0.5 * ((Y - values).square() / variance + variance.log())
    return pooled_variables(values, variance, truncated_shares(torch.where(Y.isnan(), 0.0, negative)))
