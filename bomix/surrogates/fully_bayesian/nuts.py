"""Pyro's samplers without side effects: no global state changes, and a matrix that breaks is a divergence.

References:
    [Hoffman2014] The No-U-Turn sampler: adaptively setting path lengths in Hamiltonian Monte Carlo.
    [Bingham2019] Pyro: deep universal probabilistic programming.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pyro
import torch
from linear_operator.utils.errors import NanError, NotPSDError
from pyro.infer import MCMC, NUTS, SVI, Predictive, Trace_ELBO
from pyro.infer.autoguide import AutoNormal
from pyro.infer.autoguide.initialization import init_to_median, init_to_value
from pyro.ops.integrator import register_exception_handler
from pyro.optim import ClippedAdam

from bomix.numerics.determinism import deterministic

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.surrogates.fully_bayesian.chain import ChainSettings

BROKEN_MATRIX = (NanError, NotPSDError)
"""What linear_operator raises where a covariance cannot be factorised."""
_HANDLER = "bomix_broken_matrix"
_INITIAL_DRAWS = 7
"""Draws of the prior whose median is a start, where none is given: it lies in the middle, and an odd number has one."""


class SamplerSettings(NamedTuple):
    """How long a chain is, and how its steps adapt.

    Attributes:
        warmup: Steps that adapt the sampler and are thrown away.
        draws: Steps after the warm-up, each a draw.
        max_tree_depth: A step evaluates the model at most ``2^max_tree_depth`` times.
        target_accept: Acceptance that the step size aims at; higher means smaller steps.
    """

    warmup: int
    draws: int
    max_tree_depth: int
    target_accept: float

    @classmethod
    def of(cls, settings: ChainSettings) -> SamplerSettings:
        """The settings of each chain that a specification asks for."""
        return cls(settings.warmup, settings.draws_per_chain, settings.max_tree_depth, settings.target_accept)


class Draws(NamedTuple):
    """Draws of a sampler, and how many transitions diverged.

    Attributes:
        values: Name of a site to ``draws x shape``.
        divergences: Transitions after warm-up that diverged.
    """

    values: dict[str, Tensor]
    divergences: int


def sample(
    model: Callable[[], None],
    settings: SamplerSettings,
    *,
    seed: int,
    start: Callable[[], dict[str, Tensor]] | None = None,
) -> Draws:
    """Draw from the posterior of a Pyro model with NUTS [Hoffman2014]_.

    Chains that are to be independent are a dimension of the model's sites: copies of a posterior side by side are a
    posterior themselves, and one evaluation serves them all.

    Args:
        model: A Pyro model whose sample sites are continuous; the chain moves in the logarithm of positive ones.
        settings: Length of the chain, and how its steps adapt.
        seed: Seed of the start and of the chain.
        start: Gives the value of every site where the chain starts; the median of a few draws of the prior by default.
    """
    with contained(seed):
        kernel = NUTS(
            model,
            max_plate_nesting=0,  # or Pyro runs the model on a draw of the prior, which may break it, to find out
            max_tree_depth=settings.max_tree_depth,
            target_accept_prob=settings.target_accept,
            init_strategy=init_to_value(values=start()) if start else init_to_median(num_samples=_INITIAL_DRAWS),
        )
        chain = MCMC(kernel, num_samples=settings.draws, warmup_steps=settings.warmup, disable_progbar=True)
        chain.run()
        values = {name: value.detach() for name, value in chain.get_samples().items()}
        return Draws(values, sum(len(steps) for steps in chain.diagnostics()["divergences"].values()))


def variational(
    model: Callable[[], None], *, steps: int, learning_rate: float, samples: int, seed: int
) -> dict[str, Tensor]:
    """Draw from the best Gaussian of independent components, found by stochastic variational inference.

    Args:
        model: A Pyro model whose sample sites are continuous; the nearer its components are to independence a
            posteriori, the better the Gaussian is.
        steps: Number of steps of the search; the learning rate falls to a hundredth over them.
        learning_rate: Learning rate at the start.
        samples: Number of draws.
        seed: Seed of the search and of the draws.

    Returns:
        Name of a site to ``samples x shape``.
    """
    with contained(seed):
        guide = AutoNormal(model, init_loc_fn=init_to_median(num_samples=_INITIAL_DRAWS), init_scale=0.5)
        optimiser = ClippedAdam({"lr": learning_rate, "lrd": 0.01 ** (1.0 / steps)})
        search = SVI(model, guide, optimiser, Trace_ELBO(num_particles=2))
        for _ in range(steps):
            search.step()
        found = Predictive(guide, num_samples=samples)()
        return {name: value.detach() for name, value in found.items()}


@contextmanager
def contained(seed: int) -> Iterator[None]:
    """One thread, a forked generator, gradients, a parameter store of its own.

    Inside, linear algebra that meets NaN or a matrix that is not positive definite ends a transition as a divergence
    instead of the whole run: Pyro's first leaps are wild.
    """
    register_exception_handler(_HANDLER, _broken, warn_on_overwrite=False)
    with deterministic(), torch.enable_grad(), pyro.get_param_store().scope(), pyro.validation_enabled(False):
        torch.manual_seed(seed)
        yield


def _broken(exception: Exception) -> bool:
    """Whether Pyro is to take an exception as a divergence."""
    return isinstance(exception, BROKEN_MATRIX)
