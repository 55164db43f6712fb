"""ODM by hand, in both forms, and on losses that fall with what was trained."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bomix.contracts.reweighter import Signal
from bomix.errors import EvaluationError
from bomix.training.reweighting.odm import ODM

EVEN = np.array([0.5, 0.5])
SECOND = math.sqrt(math.log(2.0) / 4.0)
"""The least weight at the second step of two domains: sqrt(ln 2 / (2 * 2)) = 0.416277. At the first it is 1/2."""


def told(*losses, shares=EVEN):
    return Signal(np.array(shares), np.array(losses))


def run(rule, *signals, steps=100):
    state = rule.init(EVEN, steps=steps)
    for signal in signals:
        state = rule.update(state, signal)
    return state


def test_two_steps_of_exp3_by_hand():
    rule = ODM(scale=1.0, warmup=0.0)
    first = run(rule, told(2.0, math.nan, shares=(1.0, 0.0)))
    np.testing.assert_allclose(rule.weights(first), EVEN, rtol=1e-12)  # the least weight is all of it
    np.testing.assert_allclose(first.rewards, [4.0, 0.0])  # 2 nats over a weight of a half
    second = rule.update(first, told(math.nan, 3.0, shares=(0.0, 1.0)))
    np.testing.assert_allclose(second.rewards, [4.0, 6.0])
    # softmax(1/2 * (4, 6)) = (1, e) / (1 + e), of what is left above the least weights.
    rest = 1.0 - 2.0 * SECOND
    expected = [rest / (1.0 + math.e) + SECOND, rest * math.e / (1.0 + math.e) + SECOND]
    np.testing.assert_allclose(rule.weights(second), expected, rtol=1e-12)
    np.testing.assert_allclose(rule.weights(second), [0.461310, 0.538690], atol=1e-6)


def test_a_batch_of_several_domains_rewards_each_by_its_share_over_its_weight():
    rule = ODM(scale=0.1)
    state = run(rule, told(2.0, 4.0, shares=(0.25, 0.75)))
    # 0.1 * 2 * 0.25 / 0.5 and 0.1 * 4 * 0.75 / 0.5.
    np.testing.assert_allclose(state.rewards, [0.1, 0.6], rtol=1e-12)


def test_two_steps_of_the_average_by_hand():
    rule = ODM(form="average", warmup=0.0)
    state = run(rule, told(math.log(2.0), math.log(6.0)), told(math.log(2.0), math.log(6.0)))
    np.testing.assert_allclose(state.rewards, [0.38, 1.14], rtol=1e-12)  # 0.1 * 2 * (1 + 0.9), and three times that
    expected = (1.0 - 2.0 * SECOND) * np.array([0.25, 0.75]) + SECOND
    np.testing.assert_allclose(rule.weights(state), expected, rtol=1e-12)
    np.testing.assert_allclose(rule.weights(state), [0.458139, 0.541861], atol=1e-6)


def test_the_average_of_losses_is_linear_in_them():
    rule = ODM(form="average", reward="loss", warmup=0.0)
    state = run(rule, told(1.0, 3.0), told(1.0, 3.0))
    np.testing.assert_allclose(rule.weights(state), (1.0 - 2.0 * SECOND) * np.array([0.25, 0.75]) + SECOND, rtol=1e-12)


@pytest.mark.parametrize("form", ["exp3", "average"])
def test_a_domain_that_a_batch_does_not_hold_keeps_its_reward(form):
    rule = ODM(form=form)
    first = run(rule, told(2.0, 3.0))
    second = rule.update(first, told(2.0, math.nan, shares=(1.0, 0.0)))
    assert second.rewards[1] == first.rewards[1]
    assert second.rewards[0] > first.rewards[0]


@pytest.mark.parametrize("form", ["exp3", "average"])
def test_a_warmup_collects_rewards_and_moves_no_weight(form):
    rule, start = ODM(form=form, warmup=0.1), np.array([0.2, 0.8])
    state = rule.init(start, steps=40)
    for step in range(1, 41):
        state = rule.update(state, told(2.0, 3.0, shares=start))
        assert (rule.sampling(state) == start).all() == (step <= 4)
    assert (state.rewards > 0.0).all()


@pytest.mark.parametrize("form", ["exp3", "average"])
def test_no_weight_falls_below_the_least_one(form):
    rule, k = ODM(form=form, scale=1.0, warmup=0.0), 3
    state = rule.init(np.full(k, 1.0 / k), steps=300)
    for step in range(1, 301):
        state = rule.update(state, told(9.0, 0.1, 0.1, shares=rule.sampling(state)))
        least = min(1.0 / k, math.sqrt(math.log(k) / (k * step)))
        assert rule.weights(state).min() >= least - 1e-12
    assert rule.weights(state)[0] > 0.9


def test_both_results_are_known():
    final, mean = ODM(result="final", warmup=0.0), ODM(warmup=0.0)
    signals = [told(2.0, 4.0)] * 20
    one, other = run(final, *signals), run(mean, *signals)
    np.testing.assert_array_equal(final.mixture(one), final.weights(one))
    np.testing.assert_allclose(mean.mixture(other), other.course.total / 20.0)
    assert final.mixture(one)[1] > mean.mixture(other)[1] > 0.5


def test_losses_of_zero_leave_the_average_even():
    rule = ODM(form="average", reward="loss", warmup=0.0)
    np.testing.assert_allclose(rule.weights(run(rule, told(0.0, 0.0), told(0.0, 0.0))), EVEN)


@pytest.mark.parametrize(("form", "value"), [("exp3", math.inf), ("average", math.nan), ("average", 800.0)])
def test_a_reward_that_is_no_number_ends_the_run(form, value):
    with pytest.raises(EvaluationError, match="of domain 2 of 2"):
        run(ODM(form=form), told(2.0, value))


@pytest.mark.parametrize("rule", [ODM(), ODM(scale=1.0), ODM(form="average")])
def test_the_domain_that_stays_hard_gains_weight(rule):
    """Losses fall with the sequences that were drawn: of 5 to 2 nats in one domain, of 5 to 4 in the other."""
    left, trained, floors = rule.init(EVEN, steps=200), np.zeros(2), np.array([2.0, 4.0])
    for _ in range(200):
        shares = rule.sampling(left)
        trained += shares
        left = rule.update(left, told(*(floors + (5.0 - floors) * np.exp(-trained / 10.0)), shares=shares))
    assert rule.mixture(left)[1] > 0.55


def test_numbers_that_cannot_be_are_faults():
    assert [fault.where for fault in ODM(decay=1.0, warmup=-0.1, scale=0.0).faults()] == ["decay", "warmup", "scale"]
