"""Experts that were trained at the small scale as the mean of what is predicted at the large one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.scale import Scale
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.cross_validation.scores import spearman
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.means.experts import MDE
from bomix.surrogates.scales.anchored_spec import Anchored
from bomix.surrogates.scales.freeze_thaw_spec import FreezeThaw
from bomix.surrogates.scales.spec import MultiScale
from bomix.testing.means import DOMAINS, METRICS, D, expert_artifacts

SMALL, LARGE = Scale(10**6, 10**8), Scale(10**8, 10**9)
EXPERTS = dict(zip(DOMAINS, range(D), strict=True))
X = torch.as_tensor(np.random.default_rng(8).dirichlet(np.ones(D), 40))


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BOMIX_CACHE", str(tmp_path / "cache"))


def small(weights: torch.Tensor) -> torch.Tensor:
    """What the mixture of the experts loses."""
    context = FitContext(MixtureSpace(DOMAINS), METRICS, artifacts=expert_artifacts(), experts=EXPERTS)
    nothing = SupervisedDataset(
        X[:0], torch.zeros(0, len(METRICS)), feature_names=list(DOMAINS), outcome_names=list(METRICS)
    )
    return MDE().feature(nothing, context=context, seed=0).predict(weights)


def large(weights: torch.Tensor) -> torch.Tensor:
    """What large models lose: less, with half of the differences, and a curve of their own."""
    return 0.5 * small(weights) - 1.0 + 0.02 * weights[:, :1] * weights[:, 1:2]


def study(n: int):
    """The small experts, and ``n`` large runs; no small run of a mixture."""
    Z = torch.as_tensor(np.random.default_rng(4).dirichlet(np.ones(D), n))
    vertices = torch.eye(D, dtype=torch.float64)
    data = SupervisedDataset(
        torch.cat([vertices, Z]),
        torch.cat([small(vertices), large(Z)]),
        feature_names=list(DOMAINS),
        outcome_names=list(METRICS),
    )
    context = FitContext(
        MixtureSpace(DOMAINS),
        METRICS,
        tuple(range(D + n)),
        expert_artifacts(),
        EXPERTS,
        frozenset(EXPERTS.values()),
        scales=(SMALL,) * D + (LARGE,) * n,
        target=LARGE,
    )
    return data, context


def ranks(spec, n: int) -> float:
    data, context = study(n)
    found = spec.fit(data, context=context, seed=0).mean(X)
    return float(np.mean([spearman(found[:, metric], large(X)[:, metric]) for metric in range(len(METRICS))]))


@pytest.mark.parametrize("kind", [MultiScale, FreezeThaw, Anchored])
def test_small_experts_rank_mixtures_of_the_large_scale_before_any_of_it_was_run(kind):
    with_experts, without = (kind(GP(draws=0, restarts=1, mean=mean)) for mean in (MDE(), None))
    assert ranks(with_experts, 0) > 0.95
    assert ranks(with_experts, 0) > ranks(without, 0) + 0.02


def test_large_runs_tell_slope_and_level_of_what_the_small_experts_predict():
    data, context = study(6)
    truth = large(X)
    models = [
        MultiScale(GP(draws=0, restarts=1, mean=mean)).fit(data, context=context, seed=0) for mean in (MDE(), None)
    ]
    errors = [(model.mean(X) - truth).abs() for model in models]
    assert errors[0].mean() < 0.7 * errors[1].mean()
    sd = models[0].moments(X.unsqueeze(-2))[1].diagonal(dim1=-2, dim2=-1).sqrt()
    assert (errors[0] <= 2.0 * sd).double().mean() > 0.9
