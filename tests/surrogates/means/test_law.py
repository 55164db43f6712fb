"""The means alone are those of the belief, however they are computed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from botorch.models import SingleTaskGP
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.gp.multitask import MultiTask
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.laws.spec import LawRegression
from bomix.surrogates.models.joint import mean_at
from bomix.surrogates.regression.specs import Boosting, Ridge

SURROGATES = (
    GP(restarts=1),
    MultiTask(restarts=1, draws=0),
    LawRegression(starts=2),
    LawRegression(starts=2, uncertainty="bootstrap", samples=4),
    Ridge(),
    Ridge(inputs="both"),
    Boosting(trees=(5,), rates=(0.1,), depths=(2,)),
)


def runs(gaps):
    rng = np.random.default_rng(0)
    names = tuple("abcd")
    X = torch.as_tensor(rng.dirichlet(np.ones(4), 14))
    Y = torch.exp(-3.0 * X[:, :3]) + 0.01 * torch.as_tensor(rng.normal(size=(14, 3)))
    if gaps:
        Y[[1, 5], [0, 2]] = torch.nan
    data = SupervisedDataset(X, Y, feature_names=list(names), outcome_names=["x", "y", "z"])
    return data, FitContext(MixtureSpace(names), ("x", "y", "z"))


@pytest.mark.parametrize("surrogate", SURROGATES, ids=lambda spec: type(spec).__name__)
@pytest.mark.parametrize("gaps", [False, True], ids=["complete", "gaps"])
def test_the_means_alone_are_those_of_the_belief(surrogate, gaps) -> None:
    data, context = runs(gaps)
    model = surrogate.fit(data, context=context, seed=0)
    X = torch.as_tensor(np.random.default_rng(1).dirichlet(np.ones(4), 12))
    with torch.no_grad():
        expected = model.posterior(X.unsqueeze(-2)).mean.squeeze(-2)
        torch.testing.assert_close(mean_at(model, X), expected, atol=1e-10, rtol=1e-10)
        torch.testing.assert_close(model.mean(X.reshape(3, 4, 4)).reshape(12, 3), expected, atol=1e-10, rtol=1e-10)
        some = model.subset_output([2, 0])
        torch.testing.assert_close(mean_at(some, X), expected[:, [2, 0]], atol=1e-10, rtol=1e-10)


def test_a_model_of_botorch_is_asked_for_its_posterior() -> None:
    data, _ = runs(gaps=False)
    model = SingleTaskGP(data.X, data.Y)
    with torch.no_grad():
        expected = model.posterior(data.X.unsqueeze(-2)).mean.squeeze(-2)
        torch.testing.assert_close(mean_at(model, data.X), expected)
