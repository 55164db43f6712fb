"""Anchored deltas: the order of the small scale, moved by the mean difference."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bomix.scale import Scale
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.scales.anchored_spec import Anchored
from bomix.testing.known import mixtures
from tests.surrogates.scales.test_model import LARGE, MIDDLE, SMALL, D, M, data_of, small

QUICK = Anchored(GP(draws=0, restarts=1))
SHIFT = np.array([-0.8, 0.3])
X = torch.as_tensor(mixtures(30, D, seed=9)[3:])


def fitted(n: int, *, target: Scale = LARGE, error: float = 0.02):
    rng = np.random.default_rng(1)
    Z = mixtures(n + 2, D, seed=2)[2:]
    S = mixtures(24, D, seed=1)
    parts = [(S, small(S), SMALL), (Z, small(Z) + SHIFT + error * rng.normal(size=(n, M)), LARGE)]
    data, context = data_of(parts, target)
    return QUICK.fit(data, context=context, seed=0), parts


def test_means_are_the_small_scales_moved_by_the_mean_difference():
    model, parts = fitted(6)
    at_small = model.at(SMALL)
    differences = parts[1][1] - at_small.mean(torch.as_tensor(parts[1][0]).unsqueeze(-2)).squeeze(-2).numpy()
    moved = model.mean(X) - at_small.mean(X)
    torch.testing.assert_close(moved, torch.as_tensor(differences.mean(axis=0)).expand_as(moved))


def test_larger_runs_tell_how_large_errors_are():
    X_one = X.unsqueeze(-2)
    spreads = [
        fitted(n, error=error)[0].moments(X_one)[1].diagonal(dim1=-2, dim2=-1).sqrt().mean().item()
        for n, error in ((0, 0.02), (4, 0.02), (24, 0.02), (24, 0.3))
    ]
    assert spreads[0] > spreads[1] > spreads[2]
    assert spreads[3] > spreads[2]


def test_its_intervals_hold_what_runs_will_be():
    model, _ = fitted(16, error=0.1)
    truth = small(X.numpy()) + SHIFT + 0.1 * np.random.default_rng(5).normal(size=(len(X), M))
    mean, covariance = model.moments(X.unsqueeze(-2), True)
    inside = (mean.squeeze(-2) - torch.as_tensor(truth)).abs() <= 2.0 * covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    assert 0.85 <= inside.double().mean() <= 1.0


def test_a_scale_that_nobody_ran_lies_on_the_way_and_is_known_less():
    model, _ = fitted(6)
    between = model.at(MIDDLE)
    assert (between.mean(X) - model.at(SMALL).mean(X)).abs().mean() > 0.05
    one = X[:1].unsqueeze(-2)
    assert between.moments(one)[1].diagonal(dim1=-2, dim2=-1).min() > 0.0
    assert model.at(LARGE) is model


def test_covariances_between_scales_are_the_small_scales_and_within_one_its_own():
    model, _ = fitted(6)
    torch.testing.assert_close(model.across(X[:2], X[2:5], SMALL), model.at(SMALL).across(X[:2], X[2:5], SMALL))
    m, q, p = M, 2, 3
    joint = model.moments(X[:5])[1].unflatten(-1, (m, 5)).unflatten(-3, (m, 5))
    block = joint[..., :q, :, q:].reshape(m * q, m * p)
    torch.testing.assert_close(model.across(X[:2], X[2:5], LARGE), block)


def test_left_out_runs_are_predicted_by_the_shift_of_the_others():
    model, parts = fitted(3)
    held = model.leave_one_out()
    Z, Y = (torch.as_tensor(part) for part in parts[1][:2])
    there = model.at(SMALL).mean(Z.unsqueeze(-2)).squeeze(-2)
    others = (Y - there)[1:].mean(dim=0)
    torch.testing.assert_close(held.mean[24], there[0] + others)


def test_it_tells_its_shifts():
    model, _ = fitted(6)
    told = {(each.metric, each.name): each.value for each in model.named_hyperparameters(("code", "web"))}
    assert told["code", f"shift at {LARGE}"] == pytest.approx(SHIFT[0], abs=0.1)
