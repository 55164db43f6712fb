"""Hyperparameters of one Gaussian process per metric, drawn from their posterior.

``y_j = mu_j + g_j(e(w)) + noise``, ``g_j ~ GP(0, s_j matern52)`` with an inverse squared lengthscale per domain, on
the standardised scale. Priors: ``s_j`` log-normal about 1, the noise log-normal about e^-4, ``mu_j`` standard normal.
The mean is integrated out in closed form, which is exact: it adds a constant to the kernel. Lengthscales are
log-normal (``plain``), or sparse over the domains [Eriksson2021]_ (``saas``): the inverse squared lengthscale is
``tau lambda_i``, half-Cauchy both, so that most domains do nothing unless the runs insist.

References:
    [Eriksson2021] High-dimensional Bayesian optimization with sparse axis-aligned subspaces.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import gpytorch
import pyro
import torch
from gpytorch.priors import HalfCauchyPrior, LogNormalPrior
from linear_operator.utils.cholesky import psd_safe_cholesky
from linear_operator.utils.warnings import NumericalWarning

from bomix.surrogates.fully_bayesian.nuts import BROKEN_MATRIX, SamplerSettings, sample

if TYPE_CHECKING:
    from gpytorch.priors import Prior
    from torch import Tensor

OUTPUTSCALE = (0.0, 1.0)
"""Mean and standard deviation of the logarithm of a metric's variance: standardised metrics have one, give or take."""
NOISE = (-4.0, 1.0)
"""The same of the noise's variance: runs repeat to a seventh of the spread between mixtures, give or take; as in the
kind ``gp``, whose reference this is."""
MIN_NOISE = 1e-4
"""Variance of the noise that is added to what is drawn, in variances of a metric: matrices keep their factors."""
MEAN_VARIANCE = 1.0
"""Variance of a metric's constant mean, in variances of the metric: standardised values are about zero."""
GLOBAL_SHRINKAGE = 0.1
"""Scale of the half-Cauchy prior of how much inputs matter on the whole: most hardly do, a few may much
[Eriksson2021]_."""
LENGTHSCALE_SPREAD = math.sqrt(3.0)
"""Standard deviation of the logarithm of a lengthscale: BoTorch's prior for many dimensions."""
_STARTS = 128
"""Draws of the prior among which a chain's start is drawn: each costs one likelihood, and a step of a chain many."""


class Lengthscales(NamedTuple):
    """Prior of the lengthscales in encoded coordinates.

    Attributes:
        kind: ``plain`` or ``saas``.
        typical_distance: Root mean square distance of two mixtures of the space.
        median: Median of the plain prior, in typical distances.
    """

    kind: Literal["plain", "saas"]
    typical_distance: float
    median: float


class Hyperparameters(NamedTuple):
    """Draws, on the standardised scale.

    Attributes:
        inverse_squares: ``s x m x d`` inverse squared lengthscales.
        outputscale: ``s x m`` prior variances of the processes.
        noise: ``s x m`` noise variances.
        mean_variance: ``m`` prior variances of the constant means.
    """

    inverse_squares: Tensor
    outputscale: Tensor
    noise: Tensor
    mean_variance: Tensor


class Matern52(torch.autograd.Function):
    """``(1 + r + r^2 / 3) exp(-r)`` of ``r^2 / 5``, whose gradient is finite where two points coincide."""

    @staticmethod
    def forward(ctx: Any, squared_distance: Tensor) -> Tensor:
        """Correlations at squared distances ``r^2 / 5`` of any shape."""
        r = (5.0 * squared_distance.clamp_min(0.0)).sqrt()
        decay = torch.exp(-r)
        ctx.save_for_backward(r, decay)
        return (1.0 + r + r.square() / 3.0) * decay

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """The derivative by the squared distance, ``-5/6 (1 + r) exp(-r)``, times the incoming gradient."""
        r, decay = ctx.saved_tensors
        gradient: Tensor = gradients[0] * (-5.0 / 6.0) * (1.0 + r) * decay
        return gradient


class Draw(gpytorch.Module):  # type: ignore[misc]
    """Hyperparameters of ``c`` independent chains, with their priors, for GPyTorch's ``pyro_sample_from_prior``.

    Args:
        shape: ``c x m``.
        d: Number of domains.
        lengthscales: The prior of the lengthscales.
    """

    def __init__(self, shape: tuple[int, int], d: int, lengthscales: Lengthscales) -> None:
        super().__init__()
        self._squared_distance = lengthscales.typical_distance**2
        self._plain = lengthscales.kind == "plain"
        if self._plain:
            median = math.log(lengthscales.median * lengthscales.typical_distance)
            self._add("lengthscale", LogNormalPrior(*_doubles(median, LENGTHSCALE_SPREAD)), (*shape, d))
        else:
            self._add("tau", HalfCauchyPrior(*_doubles(GLOBAL_SHRINKAGE)), (*shape, 1))
            self._add("local", HalfCauchyPrior(*_doubles(1.0)), (*shape, d))
        self._add("outputscale", LogNormalPrior(*_doubles(*OUTPUTSCALE)), shape)
        self._add("noise", LogNormalPrior(*_doubles(*NOISE)), shape)

    @property
    def inverse_squares(self) -> Tensor:
        """``c x m x d`` inverse squared lengthscales."""
        if self._plain:
            return torch.as_tensor(self.lengthscale) ** -2
        return sparse_inverse_squares(self.tau, self.local, self._squared_distance)

    def to_pyro_random_module(self) -> Draw:
        """Itself: every draw overwrites all its values, and GPyTorch's copy of the module costs as much as the rest."""
        return self

    def _add(self, name: str, prior: Prior, shape: tuple[int, ...]) -> None:
        """Add a hyperparameter of this shape, under its prior."""
        setattr(self, name, torch.ones(shape, dtype=torch.float64))
        self.register_prior(
            f"{name}_prior",
            prior,
            # GPyTorch takes functions of the module, of which pickling and copying make another.
            lambda module: getattr(module, name),
            lambda module, value: setattr(module, name, value),
        )


def _doubles(*numbers: float) -> Tensor:
    """Numbers in double precision: the dtype of a prior's parameters is that of its draws."""
    return torch.tensor(numbers, dtype=torch.float64)


def sparse_inverse_squares(tau: Tensor, local: Tensor, squared_distance: float) -> Tensor:
    """``tau lambda_i d / (6 D^2)``, with ``D`` the typical distance of two mixtures: inverse squared lengthscales.

    Scaled so that two mixtures differ in a domain as two points of the unit cube do on an axis, for which the published
    prior is meant: their mean squared difference there is 1/6.

    Args:
        tau: ``(...) x m x 1`` global scales.
        local: ``(...) x m x d`` local scales ``lambda``.
        squared_distance: ``D^2``.
    """
    return tau * local * (local.shape[-1] / (6.0 * squared_distance))


def median(shape: tuple[int, int], d: int, lengthscales: Lengthscales) -> Hyperparameters:
    """Medians of the priors for ``s x m`` processes of mean zero: what holds where there is nothing to learn."""
    ones = torch.ones(*shape, d, dtype=torch.float64)
    if lengthscales.kind == "plain":
        inverse = ones / (lengthscales.median * lengthscales.typical_distance) ** 2
    else:
        inverse = sparse_inverse_squares(ones[..., :1] * GLOBAL_SHRINKAGE, ones, lengthscales.typical_distance**2)
    noise = math.exp(NOISE[0]) + MIN_NOISE
    return Hyperparameters(inverse, ones[..., 0], noise * ones[..., 0], torch.zeros(shape[1], dtype=torch.float64))


def kernel(squares: Tensor, inverse_squares: Tensor, outputscale: Tensor, mean_variance: Tensor) -> Tensor:
    """Prior covariance of pairs of mixtures: ``s_j matern52(sum_i (e_i - e'_i)^2 / l_ji^2)`` plus the mean's variance.

    Args:
        squares: ``k x d`` squared differences in each encoded coordinate.
        inverse_squares: ``(...) x m x d`` inverse squared lengthscales.
        outputscale: ``(...) x m`` prior variances of the processes.
        mean_variance: ``m`` prior variances of the constant means.

    Returns:
        ``(...) x m x k``.
    """
    shape: Tensor = Matern52.apply(inverse_squares @ squares.mT)  # type: ignore[no-untyped-call]
    return outputscale.unsqueeze(-1) * shape + mean_variance.unsqueeze(-1)


def observed(prior: Tensor, noise: Tensor, seen: Tensor) -> Tensor:
    """Covariance of what was observed; a row that is missing becomes one of the identity, which leaves it out.

    Args:
        prior: ``(...) x m x n x n``.
        noise: ``(...) x m`` variances.
        seen: ``m x n``, which observations there are.
    """
    there = seen.to(prior)
    cut = prior * (there.unsqueeze(-1) * there.unsqueeze(-2))
    return cut + torch.diag_embed(torch.where(seen, noise.unsqueeze(-1), 1.0))


def cholesky(matrix: Tensor) -> Tensor:
    """Cholesky factors ``(...) x n x n``; jitter up to 1e-4 where that mends a matrix.

    Raises:
        linear_operator.utils.errors.NanError: The matrix has entries that are not numbers.
        linear_operator.utils.errors.NotPSDError: No jitter is enough. Inside a chain, both end a transition as a
            divergence.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumericalWarning)
        factor: Tensor = psd_safe_cholesky(matrix, jitter=1e-8, max_tries=5)
    return factor


def posterior_draws(
    encoded: Tensor, targets: Tensor, lengthscales: Lengthscales, settings: SamplerSettings, *, chains: int, seed: int
) -> tuple[dict[str, Tensor], int]:
    """Draw hyperparameters with NUTS, all metrics and chains together as one state of the sampler.

    The joint posterior of independent metrics and chains is their product, so one run of the sampler over all is as
    right as one for each; it needs smaller steps, and far fewer evaluations in all.

    Args:
        encoded: ``n x d`` encoded mixtures.
        targets: ``n x m`` standardised metrics that vary, NaN where missing.
        lengthscales: The prior of the lengthscales.
        settings: Length of a chain, and how its steps adapt.
        chains: Number of chains.
        seed: Seed of the starts and of the chains.

    Returns:
        Name to ``chains x draws x m (x d)``, and the number of divergences.
    """
    (n, d), m = encoded.shape, targets.shape[-1]
    module = Draw((chains, m), d, lengthscales)
    squares = (encoded.unsqueeze(-2) - encoded).square().reshape(-1, d)
    seen = (~targets.isnan()).mT
    values = targets.nan_to_num(0.0).mT
    constant = torch.full((m,), MEAN_VARIANCE, dtype=targets.dtype)

    def log_likelihood() -> Tensor:
        prior = kernel(squares, module.inverse_squares, module.outputscale, constant)
        factor = cholesky(observed(prior.reshape(chains, m, n, n), module.noise + MIN_NOISE, seen))
        whitened = torch.linalg.solve_triangular(factor, values.unsqueeze(-1).expand(chains, m, n, 1), upper=False)
        half_log_determinant = factor.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)
        likelihood: Tensor = -0.5 * whitened.square().sum(dim=(-2, -1)) - half_log_determinant
        return likelihood

    def model() -> None:
        module.pyro_sample_from_prior()
        pyro.factor("likelihood", log_likelihood().sum())

    found = sample(model, settings, seed=seed, start=lambda: _likely_start(module, log_likelihood))
    chainwise = {name.removesuffix("_prior"): value.transpose(0, 1) for name, value in found.values.items()}
    return chainwise, found.divergences


def _likely_start(module: Draw, log_likelihood: Callable[[], Tensor]) -> dict[str, Tensor]:
    """For each chain and metric one of many draws of the prior, drawn in proportion to its likelihood.

    That is already a rough draw of the posterior: a chain that starts in a remote mode may not leave it.
    """
    best: dict[str, Tensor] = {}
    record = torch.empty(0)
    with torch.no_grad():
        for _ in range(_STARTS):
            drawn = pyro.poutine.trace(module.pyro_sample_from_prior).get_trace()
            values = {name: drawn.nodes[name]["value"] for name in drawn.stochastic_nodes}
            try:
                likelihood = log_likelihood()
            except BROKEN_MATRIX:
                continue
            # The largest of Gumbel variables about log weights is each with a probability in proportion to its weight.
            score = likelihood.nan_to_num(-torch.inf) - torch.log(-torch.log(torch.rand_like(likelihood)))
            if best:
                better = score > record
                for name, value in values.items():
                    values[name] = torch.where(better.reshape(*score.shape, *[1] * (value.ndim - 2)), value, best[name])
                score = torch.maximum(score, record)
            best, record = values, score
    return best


def hyperparameters(draws: dict[str, Tensor], lengthscales: Lengthscales) -> Hyperparameters:
    """The model's hyperparameters from draws by name, ``s x m (x d)`` each; the least noise is added to the noise."""
    if "tau" in draws:
        inverse = sparse_inverse_squares(draws["tau"], draws["local"], lengthscales.typical_distance**2)
    else:
        inverse = draws["lengthscale"] ** -2
    constant = inverse.new_full((inverse.shape[-2],), MEAN_VARIANCE)
    return Hyperparameters(inverse, draws["outputscale"], draws["noise"] + MIN_NOISE, constant)
