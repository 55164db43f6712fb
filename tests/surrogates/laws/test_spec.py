from __future__ import annotations

import os
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.config.build import build, plain
from bomix.contracts.context import FitContext
from bomix.errors import FaultsError
from bomix.laws.fit import fit
from bomix.laws.forms import LAWS
from bomix.numerics.determinism import deterministic
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.laws.spec import LawName, LawRegression
from tests.known.runs import DOMAINS, Runs

VERTICES = torch.eye(len(DOMAINS), dtype=torch.float64)


def dataset(X: torch.Tensor, Y: torch.Tensor) -> SupervisedDataset:
    names = [f"m{index}" for index in range(Y.shape[-1])]
    return SupervisedDataset(X, Y, feature_names=list(DOMAINS), outcome_names=names)


def test_a_study_file_can_name_every_law_and_no_other() -> None:
    assert set(get_args(LawName)) == set(LAWS)


@pytest.mark.parametrize("form", LAWS)
@pytest.mark.parametrize("uncertainty", ["laplace", "bootstrap"])
def test_posterior_and_its_gradients_are_finite_at_vertices(runs: Runs, form: Any, uncertainty: Any) -> None:
    data, context = runs(15)
    own = {"m0": "books", "m1": "code"}
    surrogate = LawRegression(form=form, uncertainty=uncertainty, starts=1, samples=4, own=own)
    model = surrogate.fit(data, context=context, seed=0)
    X = VERTICES.reshape(2, 2, 4).clone().requires_grad_()
    posterior = model.posterior(X, observation_noise=True)
    assert posterior.mean.shape == posterior.variance.shape == (2, 2, 3)
    (posterior.mean.sum() + posterior.variance.sum()).backward()
    assert X.grad is not None
    assert X.grad.isfinite().all()
    assert (posterior.variance > 0).all()


@pytest.mark.parametrize("uncertainty", ["laplace", "bootstrap"])
@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_trials_give_a_wide_belief(runs: Runs, uncertainty: Any, n: int) -> None:
    data, context = runs(n) if n else runs(1)
    data = dataset(data.X[:n], data.Y[:n])
    model = LawRegression(uncertainty=uncertainty, starts=2, samples=4).fit(data, context=context, seed=0)
    posterior = model.posterior(VERTICES.unsqueeze(-2), observation_noise=True)
    assert posterior.mean.isfinite().all()
    if n < 2:
        expected = data.Y if n else torch.zeros(1, 3)
        torch.testing.assert_close(posterior.mean.detach().squeeze(-2), expected.double().expand(4, 3))
        torch.testing.assert_close(posterior.variance.detach(), torch.ones(4, 1, 3).double())


def test_missing_constant_and_doubled_values_are_ordinary(runs: Runs) -> None:
    data, context = runs(12)
    X, Y = torch.cat([data.X, data.X]), torch.cat([data.Y, data.Y])
    Y[3, 0] = torch.nan
    Y[:, 1], Y[:, 2] = torch.nan, 2.5
    model = LawRegression(starts=2).fit(dataset(X, Y), context=context, seed=0)
    posterior = model.posterior(VERTICES.unsqueeze(-2), observation_noise=True)
    assert posterior.mean[..., 0].isfinite().all()
    assert (posterior.mean[..., 1] == 0).all()
    torch.testing.assert_close(posterior.mean[..., 2].detach(), torch.full((4, 1), 2.5).double())
    torch.testing.assert_close(posterior.variance[..., 1:].detach(), torch.ones(4, 1, 2).double())
    held = model.leave_one_out()
    assert held.mean.isfinite().all()
    assert held.covariance.isfinite().all()


def test_the_mean_is_the_fitted_law(runs: Runs) -> None:
    data, context = runs(20)
    model = LawRegression("exponential").fit(data, context=context, seed=3)
    law = fit("exponential", data.X, data.Y, context=context, seed=3)
    torch.testing.assert_close(model.posterior(VERTICES).mean.detach(), law(VERTICES))


def test_a_fit_is_reproducible_to_the_last_bit(runs: Runs) -> None:
    data, context = runs(15)
    with deterministic():
        first, second = (LawRegression(starts=2).fit(data, context=context, seed=1).posterior(VERTICES) for _ in "ab")
    assert torch.equal(first.mean, second.mean)
    assert torch.equal(first.variance, second.variance)


def test_some_metrics_are_a_model_too(runs: Runs) -> None:
    data, context = runs(12)
    model = LawRegression(starts=1).fit(data, context=context, seed=0)
    some = model.posterior(VERTICES, output_indices=[2, 0])
    torch.testing.assert_close(some.mean, model.posterior(VERTICES).mean[..., [2, 0]])


def test_fields_come_from_a_file_and_faults_are_named() -> None:
    data = {"form": "bimix", "starts": 3, "own": {"loss": "web"}}
    spec, faults = build(LawRegression, data)
    assert not faults
    assert spec == LawRegression("bimix", starts=3, own={"loss": "web"})
    assert plain(spec)["own"] == {"loss": "web"}
    assert [fault.where for fault in LawRegression(starts=0, samples=1).faults()] == ["starts", "samples"]


def test_an_own_domain_that_is_not_there_is_named(runs: Runs) -> None:
    data, context = runs(5)
    with pytest.raises(FaultsError, match="unknown domain 'wiki'"):
        LawRegression(own={"m0": "wiki"}).fit(data, context=context, seed=0)


def test_the_effective_weight_law_predicts_real_runs() -> None:
    pd = pytest.importorskip("pandas")
    folder = Path(os.environ.get("BOMIX_DATA", "")) / "regmix"
    if "BOMIX_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("set BOMIX_DATA to a folder with regmix/, the tables of github.com/sail-sg/regmix (folder data)")

    def table(part: str) -> tuple[torch.Tensor, torch.Tensor, tuple[str, ...], tuple[str, ...]]:
        weights = pd.read_csv(folder / f"{part}_mixture_1m.csv").set_index("index").rename(columns=lambda n: n[15:])
        losses = pd.read_csv(folder / f"{part}_pile_loss_1m.csv").set_index("index").rename(columns=lambda n: n[16:-9])
        losses = losses.loc[weights.index]
        weights = weights[sorted(weights)].div(weights.sum(axis=1), axis=0)
        names = tuple(weights), tuple(losses)
        return torch.as_tensor(weights.to_numpy()), torch.as_tensor(losses.to_numpy()), *names

    X, Y, domains, metrics = table("train")
    new, truth, *_ = table("test")
    assert set(metrics) <= set(domains)
    law = fit("effective_power", X, Y, context=FitContext(MixtureSpace(domains), metrics), seed=0)
    error, total = (law(new) - truth).square().sum(dim=0), (truth - truth.mean(dim=0)).square().sum(dim=0)
    fit_quality = (1.0 - error / total).numpy()
    assert np.mean(fit_quality) > 0.96
    assert np.min(fit_quality) > 0.9
