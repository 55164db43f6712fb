from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.config import registry
from bomix.config.build import build
from bomix.contracts.context import FitContext
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.kernels.composition_specs import Scaled, Sum
from bomix.surrogates.kernels.specs import Additive, Geometric, Isotropic, Linear, Stationary


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        (Stationary(eps=0.0), ["eps"]),
        (Stationary(encoding="raw", eps=0.0), []),
        (Stationary(encoding="raw", eps=-0.1), ["eps"]),
        (Stationary(encoding="power", power=1.5), ["power"]),
        (Stationary(power=1.5), []),
        (Stationary(lengthscale=0.0, spread=-1.0), ["lengthscale", "spread"]),
        (Stationary(encoding="raw", learn_eps=True), ["learn_eps"]),
        (Stationary(encoding="sqrt", learn_power=True), ["learn_power"]),
        (Stationary(encoding="power", learn_eps=True, learn_power=True), []),
        (Additive(variance=0.0, variance_spread=0.0), ["variance", "variance_spread"]),
        (Additive(eps=0.0), ["eps"]),
        (Isotropic(eps=0.0, lengthscale=float("nan")), ["eps", "lengthscale"]),
        (Geometric(smoothness=0.0), ["smoothness"]),
        (Geometric(eps=-1.0, spread=0.0), ["eps", "spread"]),
        (Scaled(Linear(), variance=-1.0), ["variance"]),
        (Sum(()), ["of"]),
    ],
)
def test_faults_name_the_field(spec, where):
    assert [fault.where for fault in spec.faults()] == where


def test_a_study_file_names_kernels_by_kind():
    text = {
        "kernels": [
            {"kind": "sum", "of": ["additive", {"kind": "scaled", "variance": 2, "of": {"kind": "stationary"}}]},
            {"kind": "isotropic", "distance": "jensen_shannon"},
            "geometric",
        ]
    }
    spec, faults = build(GP, text)
    assert not faults
    assert spec.kernels == (
        Sum((Additive(), Scaled(Stationary(), variance=2.0))),
        Isotropic("jensen_shannon"),
        Geometric(),
    )
    _, faults = build(GP, {"kernels": [{"kind": "isotropic", "distance": "helinger"}]})
    assert "did you mean 'hellinger'?" in faults[0].what
    assert faults[0].where == "kernels[0].distance"


def test_specs_are_read_without_torch():
    modules = sorted({address.partition(":")[0] for address in registry.kinds("kernel").values()})
    code = f"import sys, {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def runs(function, n=40, d=5, seed=0):
    """``n`` trials of one metric on a simplex a third of whose weights are zero, without noise."""
    rng = np.random.default_rng(seed)
    X = rng.dirichlet(np.ones(d), n) * (rng.random((n, d)) < 0.67)
    X[X.sum(axis=1) == 0.0, 0] = 1.0
    X /= X.sum(axis=1, keepdims=True)
    names = tuple(f"d{i}" for i in range(d))
    data = SupervisedDataset(
        torch.as_tensor(X), torch.as_tensor(function(X))[:, None], feature_names=list(names), outcome_names=["loss"]
    )
    return data, FitContext(MixtureSpace(names), ("loss",))


def smooth(X):
    """Sums of falling powers, as losses are, with an interaction."""
    return (0.02 + X[:, 0]) ** -0.3 + 0.7 * (0.05 + X[:, 1]) ** -0.4 + np.exp(-2.0 * X[:, 2] - X[:, 3])


@pytest.mark.parametrize(
    "kernel",
    [
        Sum((Scaled(Stationary()), Additive())),
        Additive(),
        Stationary(learn_eps=True),
        Stationary(encoding="power", learn_eps=True, learn_power=True),
        Isotropic("hellinger"),
        Isotropic("jensen_shannon"),
        Isotropic("aitchison"),
        Geometric(),
    ],
    ids=lambda kernel: registry.kind_of("kernel", type(kernel)),
)
def test_a_process_of_each_kernel_learns_a_smooth_loss(kernel):
    data, context = runs(smooth)
    test, _ = runs(smooth, n=100, seed=1)
    model = GP(kernels=(kernel,), draws=0, restarts=1).fit(data, context=context, seed=0)
    with torch.no_grad():
        mean = model.posterior(test.X.unsqueeze(-2)).mean.flatten()
    unexplained = (mean - test.Y[:, 0]).square().mean() / test.Y.var()
    assert unexplained < 0.2


def test_an_offset_is_learnt_where_the_loss_has_one():
    truth = 0.05
    data, context = runs(lambda X: np.sin(2.0 * np.log(X[:, 0] + truth)), n=60)
    model = GP(kernels=(Stationary(learn_eps=True),), draws=0, restarts=2).fit(data, context=context, seed=0)
    learnt = model.families[0].theta[0, 0, 5].exp().item()
    assert 0.02 < learnt < 0.12


def test_an_additive_kernel_sees_that_a_loss_is_additive():
    """A sum of curved functions of each weight extrapolates to combinations that no trial had."""

    def additive(X):
        return (0.03 + X) ** -0.5 @ np.array([1.0, 0.5, 0.3, 0.2, 0.1])

    data, context = runs(additive, n=60)
    test, _ = runs(additive, n=100, seed=1)
    errors = []
    for kernel in (Additive(lengthscale=1.0), Isotropic("hellinger")):
        model = GP(kernels=(kernel,), draws=0, restarts=1).fit(data, context=context, seed=0)
        with torch.no_grad():
            errors.append((model.posterior(test.X.unsqueeze(-2)).mean.flatten() - test.Y[:, 0]).square().mean().item())
    assert errors[0] < 0.1 * errors[1]
