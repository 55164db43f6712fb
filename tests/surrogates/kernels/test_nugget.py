"""What distinct mixtures do not share: repeats tell it from the noise of a run."""

from __future__ import annotations

import numpy as np
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.contracts.covariance import KernelContext
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.gp.independent import IndependentGPs
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.kernels.composition_specs import Scaled, Sum
from bomix.surrogates.kernels.nugget_specs import Nugget
from bomix.surrogates.kernels.specs import Stationary

DOMAINS = ("a", "b", "c")
SPACE = MixtureSpace(DOMAINS)


def test_it_is_the_identity_where_mixtures_differ_and_one_where_they_repeat() -> None:
    X = torch.as_tensor(SPACE.sobol(6, seed=0))
    X = torch.cat([X, X[:1]])
    covariance = Nugget().bind(KernelContext(X, torch.full((2,), -1)))
    expected = torch.eye(7, dtype=torch.float64)
    expected[0, 6] = expected[6, 0] = 1.0
    torch.testing.assert_close(covariance(torch.zeros(2, 0), X.unsqueeze(0)), expected.expand(2, 7, 7))


def variances(repeats_differ: bool) -> tuple[float, float]:
    """Variance of the nugget, and of the noise, for runs of pairs of one mixture: the rough part is either."""
    rng = np.random.default_rng(0)
    X = torch.as_tensor(SPACE.sobol(20, seed=1)).repeat(2, 1)
    rough = torch.as_tensor(rng.normal(size=(40 if repeats_differ else 20, 1)))
    rough = rough if repeats_differ else rough.repeat(2, 1)
    Y = 2.0 + torch.exp(-2.0 * X[:, :1]) + 0.1 * rough
    data = SupervisedDataset(X, Y, feature_names=list(DOMAINS), outcome_names=["loss"])
    spec = GP(kernels=(Sum((Scaled(Stationary()), Scaled(Nugget(), variance=0.05))),), draws=0, restarts=1)
    model = spec.fit(data, context=FitContext(SPACE, ("loss",)), seed=0)
    assert isinstance(model, IndependentGPs)
    found = {each.name: each.value for each in model.named_hyperparameters(["loss"])}
    return found["nugget.variance"], found["noise"]


def test_repeats_tell_it_from_noise() -> None:
    nugget, noise = variances(repeats_differ=False)
    assert nugget > 10.0 * noise
    nugget, noise = variances(repeats_differ=True)
    assert noise > 2.0 * nugget
