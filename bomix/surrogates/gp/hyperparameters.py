"""From inputs to hyperparameters: for each family of covariances the best ones, or draws from their posterior."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bomix.surrogates.data.refit_schedule import digest, remembered
from bomix.surrogates.gp.search import FEW, Sampling, search
from bomix.surrogates.gp.shared_hyperparameters import OF_EACH, search_shared

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.surrogates.gp.inputs import GPInputs
    from bomix.surrogates.gp.likelihood import Likelihood
    from bomix.surrogates.gp.settings import GPSettings

DRAWS_UP_TO = 160
"""Trials up to which hyperparameters are drawn unless a spec says otherwise; beyond, the best ones are sharp enough."""
_MANY_DOMAINS = 8
"""Domains from which on a chain moves twice for each draw: one move goes less far in more dimensions."""


def hyperparameters(inputs: GPInputs, spec: GPSettings, *, seed: int, evaluations: int = OF_EACH) -> tuple[Tensor, ...]:
    """Find the hyperparameters.

    Args:
        inputs: Runs and families of covariances.
        spec: How many draws and restarts, and how far metrics may differ.
        seed: Seed of starts and draws. Hyperparameters that a process remembers take the number of their runs instead.
        evaluations: Most evaluations of the search for each metric's own, where they lie about shared ones.

    Returns:
        For each family ``s x m x p``, those of the noise last; one draw where they are the best ones.
    """
    draws = 0 if spec.draws is None and len(inputs.train_X) > DRAWS_UP_TO else spec.draws
    restarts = spec.restarts or (2 if draws == 0 else 1)
    sampling = None if draws == 0 else chain_settings(*inputs.train_X.shape, draws=draws)
    found = []
    for kernel, covariance in zip(spec.kernels, inputs.searched, strict=True):
        likelihood = inputs.likelihood(covariance)
        if inputs.remembered:
            numbers = digest(
                likelihood.X,
                likelihood.targets,
                likelihood.known,
                inputs.context.sample,
                inputs.context.own_domains,
                inputs.noise.prior.mean,
                inputs.features,
            )
            slope = None if spec.mean is None else spec.mean.slope
            key = (kernel, spec.noise, restarts, slope, spec.pooling, evaluations, numbers)
            find = partial(_search, likelihood, spec, restarts, len(inputs.order), None, evaluations)
            found.append(remembered(key, find))
        else:
            found.append(_search(likelihood, spec, restarts, seed, sampling, evaluations))
    return tuple(found)


def _search(
    likelihood: Likelihood, spec: GPSettings, restarts: int, seed: int, sampling: Sampling | None, evaluations: int
) -> Tensor:
    if spec.pooling is None:
        return search(likelihood, restarts=restarts, seed=seed, sampling=sampling)
    return search_shared(
        likelihood,
        spread=spec.pooling,
        restarts=restarts,
        seed=seed,
        sampling=sampling,
        evaluations=evaluations,
    )


def chain_settings(n: int, d: int, *, draws: int | None) -> Sampling:
    """How hyperparameters are drawn: far where trials are few, since their posterior is wide and an evaluation cheap.

    Args:
        n: Trials.
        d: Domains.
        draws: How many to keep; None for 12 up to 40 trials, 8 beyond.
    """
    if n > FEW:
        return Sampling(draws or 8, warmup=12, thinning=1, leaps=8)
    return Sampling(draws or 12, warmup=min(40, 8 + 2 * d), thinning=1 if d < _MANY_DOMAINS else 2, leaps=8)
