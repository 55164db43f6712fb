"""DoGE by hand, and on quadratic losses of which some agree."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bomix.contracts.reweighter import Signal
from bomix.errors import EvaluationError
from bomix.training.reweighting.doge import DoGE

EVEN = np.full(3, 1.0 / 3.0)
GRADIENTS = np.array([[3.0, 4.0], [0.0, 10.0], [-6.0, 0.0]])
"""Norms 5, 10 and 6: clipped to 5 the last two are (0, 5) and (-5, 0)."""


def told(gradients=GRADIENTS, *, target=None, shares=EVEN, rate=0.01):
    gradients = np.array(gradients)
    toward = None if target is None else gradients @ np.array(target)
    return Signal(np.array(shares), np.full(len(gradients), 3.0), None, gradients @ gradients.T, toward, rate=rate)


def by_scores(*scores):
    """Weights that start even and have these scores over mu."""
    found = np.exp(scores)
    return found / found.sum()


def test_one_step_by_hand():
    rule = DoGE()
    state = rule.update(rule.init(EVEN, steps=1), told())
    # Products of the clipped: 20 (first and second), -15 (first and third), 0. Sums 5, 20, -15 over a mean norm of 5:
    # 1, 4 and -3 learning rates; the last is held at 0. Over mu = 0.05 at a rate of 0.01: 0.2, 0.8, 0.
    np.testing.assert_allclose(rule.weights(state), by_scores(0.2, 0.8, 0.0), rtol=1e-12)
    np.testing.assert_allclose(rule.weights(state), [0.27466, 0.50047, 0.22487], atol=1e-5)
    np.testing.assert_allclose(rule.mixture(state), rule.weights(state), rtol=1e-12)


def test_the_model_steps_on_the_weighted_sum_of_the_clipped_gradients():
    rule = DoGE()
    state = rule.update(rule.init(EVEN, steps=1), told())
    factors = rule.loss_weights(state, EVEN)
    np.testing.assert_allclose(factors, rule.weights(state) * [1.0, 0.5, 5.0 / 6.0], rtol=1e-12)
    np.testing.assert_allclose(
        factors @ GRADIENTS, rule.weights(state) @ np.array([[3.0, 4.0], [0.0, 5.0], [-5.0, 0.0]])
    )


def test_scores_are_held_at_the_bound():
    rule = DoGE(bound=3.0)
    state = rule.update(rule.init(EVEN, steps=1), told())
    np.testing.assert_allclose(rule.weights(state), by_scores(0.2, 0.6, 0.0), rtol=1e-12)


def test_with_a_target_a_domain_counts_by_its_own_agreement_with_it():
    rule = DoGE(target=True)
    assert {*rule.needs} == {"gradients", "target"}
    state = rule.update(rule.init(EVEN, steps=1), told(target=(0.0, 2.0)))
    # (3, 4), (0, 5) and (-5, 0) times (0, 2) are 8, 10 and 0; over 5 at a rate of 0.01 and mu = 0.05: 0.32, 0.4, 0.
    np.testing.assert_allclose(rule.weights(state), by_scores(0.32, 0.4, 0.0), rtol=1e-12)


def test_two_steps_multiply_and_their_mean_is_found():
    rule = DoGE()
    first = rule.update(rule.init(EVEN, steps=2), told())
    second = rule.update(first, told(rate=0.005))
    np.testing.assert_allclose(rule.weights(second), by_scores(0.3, 1.2, 0.0), rtol=1e-12)
    np.testing.assert_allclose(rule.mixture(second), (rule.weights(first) + rule.weights(second)) / 2.0, rtol=1e-12)


def test_a_domain_that_a_batch_does_not_hold_keeps_its_weight_and_the_others_share_theirs():
    rule = DoGE()
    # Of two gradients each has the same product with the other: the same score for both.
    state = rule.update(rule.init(EVEN, steps=1), told(shares=(0.5, 0.5, 0.0)))
    np.testing.assert_allclose(rule.weights(state), EVEN, rtol=1e-12)
    assert rule.loss_weights(state, np.array([0.5, 0.5, 0.0]))[2] == 0.0
    state = rule.update(state, told(target=(0.0, 2.0), shares=(0.5, 0.0, 0.5)))
    first, second, third = rule.weights(state)
    assert second == pytest.approx(1.0 / 3.0)
    assert first + third == pytest.approx(2.0 / 3.0)


def test_gradients_of_zero_move_nothing():
    rule = DoGE()
    state = rule.update(rule.init(EVEN, steps=1), told(np.zeros((3, 2))))
    np.testing.assert_allclose(rule.weights(state), EVEN, rtol=1e-12)


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_gradient_that_is_no_number_ends_the_run(value):
    products = GRADIENTS @ GRADIENTS.T
    products[1, 1] = value
    with pytest.raises(EvaluationError, match="gradient of domain 2 of 3"):
        DoGE().update(DoGE().init(EVEN, steps=1), Signal(EVEN, EVEN, gradients=products))


@pytest.mark.parametrize("target", [False, True])
def test_domains_that_help_each_other_or_the_target_gain_weight(target):
    """Four quadratic bowls over the plane; three have their minima near each other, and near the target's."""
    centres = np.array([[1.0, 0.2], [1.0, -0.2], [1.2, 0.0], [-1.0, 0.0]])
    place, rule, even = np.array([0.0, 0.0]), DoGE(target=target), np.full(4, 0.25)
    state = rule.init(even, steps=200)
    for _ in range(200):
        gradients = place - centres
        toward = place - centres[0] if target else None
        state = rule.update(state, told(gradients, target=toward, shares=even, rate=0.02))
        place = place - 0.02 * rule.loss_weights(state, even) @ gradients
    friends, stranger = rule.mixture(state)[:3], rule.mixture(state)[3]
    assert (friends > 2.0 * stranger).all()
    assert place[0] > 0.8


def test_numbers_that_cannot_be_are_faults():
    assert [fault.where for fault in DoGE(mu=0.0, clip=-1.0, bound=0.0).faults()] == ["mu", "clip", "bound"]
