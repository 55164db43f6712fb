"""Hyperparameters found as the record grows: which trials they are found for, and that memory changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.contracts.mean import Feature
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.data import refit_schedule
from bomix.surrogates.features.spec import Features
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.kernels.presets import MIXED_KERNELS

D, M = 3, 2
NAMES = tuple(f"d{i}" for i in range(D))
CONTEXT = FitContext(MixtureSpace(NAMES), ("a", "b"))


def data(n: int, *, seed: int = 0) -> SupervisedDataset:
    rng = np.random.default_rng(seed)  # a longer record begins as a shorter one does
    X, noise = (torch.as_tensor(drawn)[:n] for drawn in (rng.dirichlet(np.ones(D), 40), rng.normal(size=(40, M))))
    Y = torch.stack([torch.exp(-3 * X[:, 0]), X[:, 1].sqrt()], dim=-1) + 0.01 * noise
    return SupervisedDataset(X, Y, feature_names=list(NAMES), outcome_names=["a", "b"])


def thetas(n: int, growth: float, *, runs: int = 0, **beside: object) -> list[torch.Tensor]:
    spec = GP(kernels=MIXED_KERNELS[:1], draws=0, restarts=1, growth=growth, **beside)
    model = spec.fit(data(n, seed=runs), context=CONTEXT, seed=n)
    return [family.theta for family in model.families]  # type: ignore[attr-defined]


def test_sizes_grow_by_a_share_and_never_beyond_the_trials():
    sizes = [refit_schedule.size_of_fit(n, 0.25) for n in range(200)]
    assert all(size <= n for n, size in enumerate(sizes))
    steps = sorted(set(sizes[4:]))
    assert steps[:6] == [4, 5, 7, 9, 12, 15]
    assert all(later >= 1.25 * earlier or later == earlier + 1 for earlier, later in pairwise(steps))
    # What is left out is never more than the share.
    assert all(n < 1.25 * size + 1 for n, size in enumerate(sizes) if n >= 4)
    assert [refit_schedule.size_of_fit(n, 0.0) for n in range(9)] == list(range(9))


def test_between_sizes_hyperparameters_stay_and_the_posterior_learns():
    assert refit_schedule.size_of_fit(13, 0.25) == refit_schedule.size_of_fit(14, 0.25) == 12
    for one, other in zip(thetas(13, 0.25), thetas(14, 0.25), strict=True):
        assert torch.equal(one, other)
    models = [GP(draws=0, restarts=1, growth=0.25).fit(data(n), context=CONTEXT, seed=0) for n in (12, 14)]
    at = data(14).X[13:].unsqueeze(0)
    before, after = (model.posterior(at).variance for model in models)
    assert (after < before).all()


def test_memory_changes_no_bit():
    remembered = thetas(14, 0.25)
    refit_schedule._FOUND.clear()
    for one, other in zip(remembered, thetas(14, 0.25), strict=True):
        assert torch.equal(one, other)


def test_other_trials_are_other_hyperparameters():
    first, other = thetas(14, 0.25), thetas(14, 0.25, runs=1)
    assert not torch.equal(first[0], other[0])


@dataclass(frozen=True)
class Told:
    """What a mean says of the metrics; ``learnt`` or not."""

    b: float = 1.0
    slope: float = 0.1
    learnt: bool = False

    def predict(self, X):
        return self.b * torch.stack([torch.exp(-2 * X[..., 0]), X[..., 1]], dim=-1)

    def feature(self, data, *, context, seed):
        return Feature(self.predict, 0.9 * self.predict(data.X) if self.learnt else None)


BESIDE = {
    "mean": {"mean": Told()},
    "other mean": {"mean": Told(b=-1.0)},
    "other slope": {"mean": Told(slope=0.5)},
    "features": {"features": Features((Told(),))},
    "both": {"mean": Told(), "features": Features((Told(b=-1.0),), use="all")},
}


@pytest.mark.parametrize("beside", BESIDE.values(), ids=BESIDE.keys())
def test_beside_what_does_not_learn_hyperparameters_stay_between_sizes(beside):
    for changes in ({}, *BESIDE.values()):  # what is remembered for another is not taken
        thetas(13, 0.25, **changes)
    remembered = thetas(13, 0.25, **beside)[0]
    assert torch.equal(thetas(14, 0.25, **beside)[0], remembered)
    refit_schedule._FOUND.clear()
    assert torch.equal(thetas(14, 0.25, **beside)[0], remembered)


@pytest.mark.parametrize("beside", [{"mean": Told(learnt=True)}, {"features": Features((Told(), Told(learnt=True)))}])
def test_beside_what_learns_hyperparameters_are_found_anew(beside):
    for n in (13, 14):
        assert torch.equal(thetas(n, 0.25, **beside)[0], thetas(n, 0.0, **beside)[0])


@pytest.mark.parametrize("draws", [None, 2])
def test_draws_are_of_all_trials(draws):
    assert [fault.where for fault in GP(draws=draws, growth=0.5).faults()] == ["growth"]
    assert not GP(draws=0, growth=0.5).faults()
    assert not GP(draws=draws).faults()


def test_means_at_the_runs_are_unknown_where_features_have_not_seen_them():
    runs = data(12)
    unseen, seen = (
        GP(draws=0, restarts=1, features=Features((Told(learnt=learnt),))).fit(runs, context=CONTEXT, seed=0)
        for learnt in (True, False)
    )
    assert unseen.fitted() is None
    assert unseen.condition_on_observations(runs.X[:1], runs.Y[:1]).fitted() is None
    torch.testing.assert_close(seen.fitted(), seen.posterior(runs.X.unsqueeze(-2)).mean.squeeze(-2))
    learnt = GP(draws=0, restarts=1, mean=Told(learnt=True)).fit(runs, context=CONTEXT, seed=0)
    torch.testing.assert_close(learnt.fitted(), learnt.posterior(runs.X.unsqueeze(-2)).mean.squeeze(-2))


@pytest.mark.parametrize("growth", [-0.1, 1.5])
def test_a_share_lies_between_zero_and_one(growth: float):
    assert [fault.where for fault in GP(growth=growth).faults()] == ["growth"]


def test_means_at_the_runs_need_no_kernel():
    model = GP(draws=3).fit(data(12), context=CONTEXT, seed=0)
    X = data(12).X
    assert torch.allclose(model.fitted(), model.posterior(X.unsqueeze(-2)).mean.squeeze(-2), atol=1e-8)  # type: ignore[attr-defined]
    gaps = data(12)
    gaps.Y[0, 0] = torch.nan
    assert GP(draws=0).fit(gaps, context=CONTEXT, seed=0).fitted() is None  # type: ignore[attr-defined]
