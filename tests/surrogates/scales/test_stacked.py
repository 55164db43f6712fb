"""Several surrogates across scales, weighed by left-out runs of the target."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from bomix.contracts.surrogate import SurrogateTraits
from bomix.contracts.traits import traits
from bomix.surrogates.combined.auto import Auto
from bomix.surrogates.combined.stacking import MIN_TRIALS
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.models.scales import MultiScaleModel
from bomix.surrogates.regression.specs import EmpiricalMean, Ridge
from bomix.surrogates.scales import fitting
from bomix.surrogates.scales.anchored_spec import Anchored
from bomix.surrogates.scales.spec import MultiScale
from bomix.surrogates.scales.stacked import StackedAcross, across
from bomix.testing.known import mixtures
from tests.surrogates.scales.test_model import LARGE, SMALL, D, M, data_of, small

QUICK = GP(draws=0, restarts=1)
X = torch.as_tensor(mixtures(20, D, seed=9)[3:])


def runs(n: int, *, misleading: bool):
    """Small runs, and large ones that are theirs moved, or the reverse."""
    S, Z = mixtures(24, D, seed=1), mixtures(n + 2, D, seed=2)[2:]
    Y = 6.0 - small(Z) if misleading else small(Z) - 0.5
    noise = 0.01 * np.random.default_rng(3).normal(size=Y.shape)
    return data_of([(S, small(S), SMALL), (Z, Y + noise, LARGE)], LARGE)


def fitted(n: int, *, misleading: bool, how: str = "stack") -> StackedAcross:
    data, context = runs(n, misleading=misleading)
    return Auto((Anchored(QUICK), QUICK), how=how).fit(data, context=context, seed=0)


def test_the_better_one_of_the_target_gets_the_share_whichever_it_is(caplog):
    with caplog.at_level(logging.INFO, logger="bomix"):
        assert fitted(12, misleading=False).whole.shares[0].mean() > 0.6
        assert fitted(12, misleading=True).whole.shares[0].mean() < 0.2
    assert f"12 left-out runs of {LARGE}" in caplog.text
    assert "Anchored" in caplog.text
    shares = fitted(12, misleading=True, how="pick").whole.shares
    assert shares.tolist() == [[0.0] * M, [1.0] * M]


def test_what_was_chosen_stands_among_the_hyperparameters():
    found = fitted(12, misleading=True, how="pick").named_hyperparameters(("code", "web"))
    told = {(each.metric, each.name): each.value for each in found}
    assert told["code", "share[1.Anchored]"] == 0.0
    assert told["web", "share[2.GP]"] == 1.0


def test_small_runs_are_never_left_out_and_their_surrogate_is_fitted_once(monkeypatch):
    counts = []

    def counted(surrogate, n):
        counts.append(n)
        return surrogate

    monkeypatch.setattr(fitting, "economical", counted)
    data, context = runs(8, misleading=False)
    Auto((Anchored(QUICK), MultiScale(QUICK, integrated=False))).fit(data, context=context, seed=0)
    assert counts == [24]


def test_with_few_runs_of_the_target_those_count_alike_that_know_other_scales():
    assert fitted(MIN_TRIALS - 1, misleading=True).whole.shares.tolist() == [[1.0] * M, [0.0] * M]


def test_members_that_know_no_scales_are_taken_across_where_all_are_such():
    assert across((QUICK, Ridge())) == (MultiScale(QUICK), MultiScale(Ridge()))
    assert across((QUICK, Anchored())) == (QUICK, Anchored())
    assert traits(Auto(), SurrogateTraits).across_scales


def test_one_scale_is_learnt_from_as_before():
    data, _ = runs(8, misleading=False)
    one = data_of([(data.X.numpy(), data.Y.numpy(), None)], None)
    members = (EmpiricalMean(), Ridge())
    model = Auto(members).fit(one[0], context=one[1], seed=0)
    assert not isinstance(model, MultiScaleModel)


def test_at_another_scale_it_is_the_mixture_of_those_that_know_it():
    data, context = runs(8, misleading=False)
    model = Auto((Anchored(QUICK), MultiScale(QUICK, integrated=False), QUICK)).fit(data, context=context, seed=0)
    members, shares = model.whole.members, model.whole.shares[:2]
    expected = sum(
        share / shares.sum(dim=0) * member.at(SMALL).mean(X) for share, member in zip(shares, members, strict=False)
    )
    torch.testing.assert_close(model.at(SMALL).mean(X), expected)
    assert model.at(LARGE) is model
    assert set(model.scales) == {SMALL, LARGE}


def test_a_single_member_has_its_own_covariances_between_scales():
    data, context = runs(4, misleading=False)
    model = Auto((Anchored(QUICK), QUICK)).fit(data, context=context, seed=0)
    torch.testing.assert_close(model.across(X[:2], X[2:5], SMALL), model.whole.members[0].across(X[:2], X[2:5], SMALL))


@pytest.mark.parametrize("n", [4, 8])
def test_left_out_runs_are_all_there(n):
    held = fitted(n, misleading=False).leave_one_out()
    assert held.mean.shape == (24 + n, M)
    assert held.mean.isfinite().all()
    assert torch.linalg.eigvalsh(held.covariance).min() > 0.0
