"""Hyperparameters have names, and a fitted model tells them."""

from __future__ import annotations

import math

import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.contracts.covariance import KernelContext
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.gp import search
from bomix.surrogates.gp.hyperparameters import hyperparameters
from bomix.surrogates.gp.independent import posterior
from bomix.surrogates.gp.inputs import inputs
from bomix.surrogates.gp.likelihood import MIN_NOISE, Noise, criterion
from bomix.surrogates.gp.multitask import MultiTask
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.kernels.composition_specs import Scaled, Sum
from bomix.surrogates.kernels.specs import (
    Additive,
    EffectiveWeight,
    Geometric,
    Isotropic,
    Linear,
    OwnDomain,
    SparseLinear,
    Stationary,
)

DOMAINS, METRICS = ("books", "code", "web"), ("code", "qa")
ONE = GP(kernels=(Scaled(Stationary()),), draws=0, restarts=1)


def bound(kernel, domains=DOMAINS):
    order = [DOMAINS.index(name) for name in domains]
    sample = torch.as_tensor(MixtureSpace(DOMAINS).sobol(32, seed=0), dtype=torch.float64)[:, order]
    return kernel.bind(KernelContext(sample, torch.tensor([domains.index("code"), -1]), domains, METRICS))


def runs(n=10):
    space = MixtureSpace(DOMAINS)
    X = torch.as_tensor(space.sobol(n, seed=1), dtype=torch.float64)
    Y = torch.stack([-(X[:, 1] + 0.05).log(), X[:, 0].square() + 0.2 * X[:, 2]], dim=-1)
    data = SupervisedDataset(X, Y, feature_names=list(DOMAINS), outcome_names=list(METRICS))
    return data, FitContext(space, METRICS)


KERNELS = (
    Stationary(),
    Stationary(encoding="power", learn_eps=True, learn_power=True),
    Additive(),
    Isotropic(),
    Geometric(),
    EffectiveWeight(),
    OwnDomain(),
    Linear(),
    SparseLinear(),
    Scaled(Stationary()),
    Sum((Scaled(Stationary()), Scaled(Stationary(encoding="sqrt")), OwnDomain(), Sum((OwnDomain(), Isotropic())))),
)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: type(kernel).__name__)
def test_every_hyperparameter_has_a_name_of_its_own(kernel):
    covariance = bound(kernel)
    names = covariance.prior.names
    assert len(names) == covariance.size == len(set(names))


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: type(kernel).__name__)
def test_permuting_the_domains_permutes_the_names(kernel):
    order = ("web", "books", "code")
    first, second = bound(kernel).prior, bound(kernel, order).prior
    assert sorted(first.names) == sorted(second.names)
    moved = [second.names.index(name) for name in first.names]
    torch.testing.assert_close(first.mean, second.mean[:, moved])
    for name, other in zip(
        (name for name in first.names if "[" in name), (name for name in second.names if "[" in name), strict=True
    ):
        position = DOMAINS.index(name[name.index("[") + 1 : -1])
        assert name[: name.index("[")] == other[: other.index("[")]
        assert other.endswith(f"[{order[position]}]")


def test_names_say_domain_and_part():
    assert bound(Scaled(Stationary())).prior.names == (
        "lengthscale[books]",
        "lengthscale[code]",
        "lengthscale[web]",
        "variance",
    )
    two = bound(Sum((Scaled(OwnDomain()), Scaled(OwnDomain()), Scaled(SparseLinear()))))
    assert two.prior.names[:3] == ("own1.lengthscale", "own1.offset", "own1.variance")
    assert two.prior.names[3] == "own2.lengthscale"
    assert two.prior.names[6] == "sparse_linear.relevance[books]"


def test_noise_is_told_as_the_variance_that_it_is():
    context = KernelContext(torch.eye(3, dtype=torch.float64), torch.tensor([-1, -1]))
    noise = Noise(context, growing=True)
    assert noise.prior.names == ("noise", "noise_growth")
    theta = torch.tensor([math.log(0.02), math.log(3.0)], dtype=torch.float64)
    assert noise.natural(theta).tolist() == pytest.approx([0.02 + MIN_NOISE, 3.0])
    centre, vertex = torch.full((1, 3), 1.0 / 3.0, dtype=torch.float64), torch.eye(3, dtype=torch.float64)[:1]
    assert float(noise(theta[None], centre)) == pytest.approx(0.02 + MIN_NOISE)
    assert float(noise(theta[None], vertex)) == pytest.approx(3.0 * (0.02 + MIN_NOISE))


def test_a_model_tells_what_it_was_given():
    data, context = runs()
    seen = inputs(data, context, ONE, seed=0)
    theta = torch.log(torch.tensor([[1.0, 2.0, 3.0, 0.5, 0.01], [4.0, 5.0, 6.0, 0.25, 0.02]], dtype=torch.float64))
    table = posterior(seen, (theta[None],)).named_hyperparameters(METRICS)
    found = {(row.metric, row.name): row.value for row in table}
    assert found["code", "lengthscale[web]"] == pytest.approx(3.0)
    assert found["qa", "lengthscale[books]"] == pytest.approx(4.0)
    assert found["qa", "variance"] == pytest.approx(0.25)
    assert found["code", "noise"] == pytest.approx(0.01 + MIN_NOISE)
    assert len(found) == len(table) == 10
    medians = {row.name: row.prior_median for row in table}
    assert medians["variance"] == pytest.approx(1.0)
    assert medians["noise"] == pytest.approx(math.exp(-4.0) + MIN_NOISE)


def test_a_model_of_some_metrics_tells_of_these_and_families_are_told_apart():
    data, context = runs()
    model = GP(draws=0, restarts=1).fit(data, context=context, seed=0)
    names = {row.name for row in model.named_hyperparameters(METRICS)}
    assert {"1.lengthscale[web]", "2.effective_weight.share[web]", "2.noise"} <= names
    assert {row.metric for row in model.subset_output([1]).named_hyperparameters(["qa"])} == {"qa"}


def test_a_fit_that_fails_names_its_metric(caplog):
    data, context = runs()
    broken = inputs(data, context, ONE, seed=0)
    broken.unseen_targets[1] = torch.inf
    hyperparameters(broken, ONE, seed=0)
    (message,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "metric 'qa'" in message
    assert "code" not in message


def test_multitask_has_every_field_of_gp_and_pools():
    data, context = runs()
    data = SupervisedDataset(
        data.X,
        data.Y.index_put((torch.arange(4), torch.tensor(1)), torch.tensor(torch.nan).double()),
        feature_names=list(DOMAINS),
        outcome_names=list(METRICS),
    )
    spec = MultiTask(kernels=(Scaled(Isotropic()),), draws=0, pooling=0.0, growth=0.1)
    rows = spec.fit(data, context=context, seed=0).named_hyperparameters(METRICS)
    by_metric = [{row.name: row.value for row in rows if row.metric == metric} for metric in METRICS]
    assert by_metric[0] == by_metric[1]
    alone = MultiTask(kernels=spec.kernels, draws=0, correlated=False).fit(data, context=context, seed=0)
    X = data.X[:2].unsqueeze(-2)
    _, covariance = alone.moments(X)
    assert float(covariance[..., 0, 1].abs().max()) == 0.0


def test_many_runs_are_searched_by_parts_and_end_near_where_all_of_them_lead(monkeypatch):
    data, context = curves(60)
    seen = inputs(data, context, ONE, seed=0)
    (whole,) = hyperparameters(seen, ONE, seed=0)
    sizes = set()

    def counting(likelihood, *arguments):
        sizes.add(len(likelihood.X))
        return criterion(likelihood, *arguments)

    monkeypatch.setattr(search, "MOST", 40)
    monkeypatch.setattr(search, "FIRST", 20)
    monkeypatch.setattr(search, "criterion", counting)
    (parts,) = hyperparameters(seen, ONE, seed=0)
    assert sizes == {20, 40}
    X = torch.as_tensor(context.space.sobol(32, seed=1)).unsqueeze(-2)
    first, second = (posterior(seen, (theta,)).mean(X) for theta in (whole, parts))
    assert (first - second).abs().max() < 0.1 * data.Y.std()


def curves(n, metrics=2):
    """``n`` runs, each metric a curve in one weight with a little noise."""
    space = MixtureSpace(DOMAINS)
    X = torch.as_tensor(space.sobol(n, seed=0))
    noise = torch.randn(n, metrics, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    Y = -(X[:, torch.arange(metrics) % 3] + 0.05).log() + 0.02 * noise
    names = [f"m{j}" for j in range(metrics)]
    data = SupervisedDataset(X, Y, feature_names=list(DOMAINS), outcome_names=names)
    return data, FitContext(space, tuple(names))
