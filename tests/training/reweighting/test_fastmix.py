"""FastMix by hand, against torch's AdamW, and on quadratic losses."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from bomix.contracts.reweighter import Signal
from bomix.errors import EvaluationError
from bomix.training.reweighting.fastmix import FastMix

EVEN = np.array([0.5, 0.5])


def told(*target, shares=None, rate=0.1):
    shares = np.full(len(target), 1.0 / len(target)) if shares is None else np.array(shares)
    return Signal(shares, np.full(len(target), 3.0), target=np.array(target), rate=rate)


def test_two_steps_by_hand():
    rule = FastMix()
    first = rule.update(rule.init(EVEN, steps=100), told(4.0, 2.0))
    # Slopes -0.4 and -0.2, their mean -0.3: the gradient is (-0.05, 0.05), and AdamW's first step its sign.
    np.testing.assert_allclose(first.first / 0.1, [-0.05, 0.05], rtol=1e-12)
    np.testing.assert_allclose(first.logits, [0.01, -0.01], rtol=1e-6)
    weight = 1.0 / (1.0 + math.exp(-0.02))
    np.testing.assert_allclose(rule.weights(first), [weight, 1.0 - weight], rtol=1e-8)
    second = rule.update(first, told(2.0, 4.0))
    # Slopes -0.2 and -0.4 around a mean of -0.2 w - 0.4 (1 - w): +-0.2 w (1 - w).
    g = 0.2 * weight * (1.0 - weight)
    moment, square = (0.9 * 0.1 * -0.05 + 0.1 * g) / 0.19, (0.95 * 0.05 * 0.0025 + 0.05 * g**2) / 0.0975
    np.testing.assert_allclose(second.logits[0], 0.01 - 0.01 * moment / math.sqrt(square), rtol=1e-6)
    np.testing.assert_allclose(rule.mixture(second), rule.weights(second))


def test_the_steps_are_those_of_adamw_on_the_validation_loss_after_a_step():
    rng = np.random.default_rng(0)
    rule, start = FastMix(weight_decay=0.1), np.array([0.2, 0.5, 0.3])
    state = rule.init(start, steps=100)
    logits = torch.tensor(state.logits, requires_grad=True)
    optimizer = torch.optim.AdamW([logits], lr=0.01, betas=(0.9, 0.95), weight_decay=0.1)
    for _ in range(10):
        agreement = rng.normal(size=3)
        optimizer.zero_grad()
        (-0.1 * (torch.softmax(logits, 0) * torch.as_tensor(agreement)).sum()).backward()
        optimizer.step()
        state = rule.update(state, told(*agreement))
    np.testing.assert_allclose(rule.weights(state), torch.softmax(logits, 0).detach().numpy(), rtol=1e-6)


def test_losses_count_weight_over_sampling_share():
    start = np.array([0.2, 0.8])
    rule = FastMix(rate=1.0)
    state = rule.update(rule.init(start, steps=1), told(1.0, 0.0))
    w = rule.weights(state)
    assert w[0] > 0.2
    np.testing.assert_array_equal(rule.sampling(state), start)
    np.testing.assert_allclose(rule.loss_weights(state, start), w, rtol=1e-12)
    np.testing.assert_allclose(rule.loss_weights(state, EVEN), [0.5 * w[0] / 0.2, 0.5 * w[1] / 0.8], rtol=1e-12)


def test_a_domain_that_a_batch_does_not_hold_has_no_gradient():
    rule, even = FastMix(), np.full(3, 1.0 / 3.0)
    state = rule.update(rule.init(even, steps=1), told(4.0, 2.0, math.nan, shares=(0.5, 0.5, 0.0)))
    assert state.logits[2] == 0.0
    assert state.logits[0] == pytest.approx(-state.logits[1])
    alone = rule.update(rule.init(even, steps=1), told(4.0, math.nan, math.nan, shares=(1.0, 0.0, 0.0)))
    np.testing.assert_allclose(rule.weights(alone), even, rtol=1e-12)


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_product_that_is_no_number_ends_the_run(value):
    with pytest.raises(EvaluationError, match="the validation's of domain 1 of 2"):
        FastMix().update(FastMix().init(EVEN, steps=1), told(value, 1.0))


def test_weights_go_to_the_domain_that_serves_the_validation_set():
    """Three quadratic bowls over the plane; the validation loss is the first one's."""
    centres, place, rule = np.array([[1.0, 0.2], [0.5, -1.0], [-1.0, 0.0]]), np.zeros(2), FastMix()
    even = np.full(3, 1.0 / 3.0)
    state = rule.init(even, steps=200)
    for _ in range(200):
        gradients = place - centres
        state = rule.update(state, told(*(gradients @ (place - centres[0])), rate=0.02))
        place = place - 0.02 * rule.loss_weights(state, even) @ gradients
    first, second, third = rule.mixture(state)
    assert first > second > third
    assert first > 0.6
    assert np.linalg.norm(place - centres[0]) < np.linalg.norm(centres.mean(0) - centres[0])


def test_numbers_that_cannot_be_are_faults():
    found = FastMix(rate=0.0, every=0, weight_decay=1.0, beta1=-0.1).faults()
    assert {fault.where for fault in found} == {"rate", "every", "weight_decay", "beta1"}
