"""A law of mixture and scale that knows how sure it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bomix.errors import FitError
from bomix.laws.scaling_forms import SCALING_LAWS, SIZES
from bomix.scale import Scale
from bomix.surrogates.cross_validation.scores import spearman
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.models.joint import HeldOut
from bomix.surrogates.scales.law_model import stretches
from bomix.surrogates.scales.law_spec import ScalingLaw
from bomix.surrogates.scales.sized import SizedModel
from bomix.surrogates.scales.spec import MultiScale
from bomix.testing.known import mixtures
from tests.surrogates.scales.test_model import LARGE, MIDDLE, SMALL, D, M, data_of

OWN = torch.tensor([0, 1])
ORIGIN = np.log([LARGE.params, LARGE.tokens])
UNSEEN = Scale(10**9, 10**10)


def additive(X: np.ndarray, scale: Scale) -> np.ndarray:
    """Losses by the additive law, at any scale."""
    law = SCALING_LAWS["additive"]
    centre, width = law.prior(D + SIZES, OWN)
    flat = centre + 0.3 * width * torch.as_tensor(np.random.default_rng(8).normal(size=centre.shape))
    logs = np.log([scale.params, scale.tokens]) - ORIGIN
    rows = torch.as_tensor(np.c_[X, np.tile(logs, (len(X), 1))])
    return law(rows, law.unflat(flat, D + SIZES), OWN).numpy()


def parts(noise: float = 0.01, curve: float = 0.0):
    rng, found = np.random.default_rng(9), []
    for seed, (scale, n) in enumerate([(SMALL, 30), (MIDDLE, 12), (LARGE, 6)]):
        X = mixtures(n + 2, D, seed=seed)[2:]
        Y = additive(X, scale) + noise * rng.normal(size=(n, M))
        found.append((X, Y + curve * (scale == LARGE) * X[:, :1] ** 2, scale))
    return found


def test_a_law_that_holds_is_continued_to_a_scale_that_nobody_ran_and_its_intervals_hold():
    X = mixtures(40, D, seed=20)[2:]
    data, context = data_of(parts(), UNSEEN)
    at = torch.as_tensor(X).unsqueeze(-2)
    truth = torch.as_tensor(additive(X, UNSEEN))
    mean, covariance = ScalingLaw(starts=4).fit(data, context=context, seed=0).moments(at)
    sd = covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    assert ((mean.squeeze(-2) - truth).abs() <= 2.0 * sd).double().mean() > 0.9
    _, wide = MultiScale(GP(draws=0, restarts=1)).fit(data, context=context, seed=0).moments(at)
    assert sd.mean() < 0.5 * wide.diagonal(dim1=-2, dim2=-1).sqrt().mean(), "links guess the level"
    for metric in range(M):
        assert spearman(mean[:, 0, metric], truth[:, metric]) > 0.95


def test_intervals_grow_beyond_the_largest_scale_that_was_run():
    data, context = data_of(parts(), LARGE)
    model = ScalingLaw(starts=2).fit(data, context=context, seed=0)
    assert isinstance(model, SizedModel)
    X = torch.as_tensor(mixtures(6, D, seed=21)).unsqueeze(-2)
    scales = (LARGE, Scale(10**9, 10**9), UNSEEN, Scale(10**11, 10**12))
    spreads = [model.at(scale).moments(X)[1].diagonal(dim1=-2, dim2=-1).mean().item() for scale in scales]
    assert spreads == sorted(spreads)
    assert spreads[2] > 2.0 * spreads[0]


def test_what_a_law_misses_at_the_target_is_told_by_the_targets_runs():
    X = mixtures(40, D, seed=22)[2:]
    data, context = data_of(parts(curve=0.8), LARGE)
    model = ScalingLaw(starts=2).fit(data, context=context, seed=0)
    mean, covariance = model.moments(torch.as_tensor(X).unsqueeze(-2))
    truth = torch.as_tensor(additive(X, LARGE) + 0.8 * X[:, :1] ** 2)
    sd = covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    assert ((mean.squeeze(-2) - truth).abs() <= 2.0 * sd).double().mean() > 0.85


def test_covariances_between_scales_are_those_of_the_law():
    data, context = data_of(parts(), LARGE)
    model = ScalingLaw(starts=2).fit(data, context=context, seed=0)
    X = torch.as_tensor(mixtures(5, D, seed=23))[2:]
    across = model.across(X, X, MIDDLE)
    assert across.shape == (M * 3, M * 3)
    torch.testing.assert_close(across, model.at(MIDDLE).across(X, X, LARGE).mT)
    Z = torch.as_tensor(mixtures(8, D, seed=24))[5:]
    whole = model.moments(torch.cat([X, Z]))[1].unflatten(-1, (M, 6)).unflatten(-3, (M, 6))
    torch.testing.assert_close(model.across(X, Z, LARGE), whole[..., :3, :, 3:].reshape(M * 3, M * 3))


def test_left_out_runs_say_how_far_spreads_are_to_be_stretched_at_each_scale():
    covariance = torch.eye(2, dtype=torch.float64).expand(9, 2, 2)
    error = torch.tensor([1.0] * 5 + [3.0, -3.0, 3.0, -3.0], dtype=torch.float64).unsqueeze(-1).expand(9, 2)
    found = stretches(HeldOut(torch.zeros(9, 2).double(), covariance), error, [SMALL] * 5 + [LARGE] * 4)
    assert found[LARGE] > 2.0 * found[SMALL]
    assert found[SMALL] >= 1.0
    # Both metrics err alike, so that their mean errs by twice what independent ones would.
    assert found[LARGE] == pytest.approx(((4.0 + 4.0 * 18.0) / 6.0) ** 0.5)


def test_recipes_and_unknown_sizes_are_refused_with_a_cure():
    X = mixtures(4, D)
    runs = [(X, additive(X, SMALL), SMALL), (X, additive(X, SMALL), Scale(10**6, 10**8, "low-rate"))]
    with pytest.raises(FitError, match=r"recipes .*multi_scale"):
        ScalingLaw(starts=1).fit(data_of(runs, SMALL)[0], context=data_of(runs, SMALL)[1], seed=0)
    runs = [(X, additive(X, SMALL), Scale(10**6)), (X, additive(X, SMALL), Scale(None, 10**8, "other"))]
    with pytest.raises(FitError, match="neither is known"):
        ScalingLaw(starts=1).fit(data_of(runs, runs[0][2])[0], context=data_of(runs, runs[0][2])[1], seed=0)
