"""The surrogate of many small runs: which of them decide its hyperparameters, and who is left as it is."""

from __future__ import annotations

import pytest
import torch

from bomix.surrogates.gp.shared_hyperparameters import OF_EACH
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.regression.specs import Ridge
from bomix.surrogates.scales import economical as module
from bomix.surrogates.scales.economical import DecidedBySome, economical
from bomix.testing.known import mixtures
from tests.surrogates.scales.test_model import D, data_of, small

POOLED = GP(draws=0, restarts=1, pooling=1.0)
N = 20


@pytest.fixture(scope="module")
def runs():
    X = mixtures(N, D, seed=1)
    return data_of([(X, small(X), None)], None)


def theta(model):
    return [family.theta for family in model.families]


def test_up_to_as_many_runs_as_decide_the_model_is_the_plain_one(runs, monkeypatch):
    monkeypatch.setattr(module, "_OF_EACH", OF_EACH)
    data, context = runs
    plain, some = (spec.fit(data, context=context, seed=0) for spec in (POOLED, economical(POOLED, N)))
    assert all(map(torch.equal, theta(plain), theta(some)))


def test_beyond_some_runs_decide_whatever_their_order_and_all_are_learnt_from(runs, monkeypatch):
    monkeypatch.setattr(module, "DECIDING", 8)
    (data, context), spec = runs, economical(POOLED, N)
    plain, some = (each.fit(data, context=context, seed=0) for each in (POOLED, spec))
    assert not torch.equal(theta(plain)[0], theta(some)[0])
    assert len(some.train_X) == N
    turned = type(data)(
        data.X.flip(0), data.Y.flip(0), feature_names=data.feature_names, outcome_names=data.outcome_names
    )
    again = spec.fit(turned, context=context, seed=0)
    for one, other in zip(theta(some), theta(again), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def test_only_hyperparameters_that_metrics_share_are_decided_by_some():
    assert isinstance(economical(POOLED, 400), DecidedBySome)
    assert economical(GP(draws=0), 400) == GP(draws=0)
    assert economical(GP(draws=4, pooling=1.0), 400) == GP(draws=4, pooling=1.0)
    assert economical(GP(), 100) == GP()
    assert economical(GP(), 400).draws == 0
    assert economical(Ridge(), 400) == Ridge()
