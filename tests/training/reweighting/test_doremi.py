"""DoReMi by hand, and on a toy in which one domain lags behind."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bomix.contracts.reweighter import Signal
from bomix.errors import EvaluationError
from bomix.training.reweighting.doremi import DoReMi
from bomix.training.reweighting.simplex import Course, present, softmax

EVEN = np.array([0.5, 0.5])


def told(*excess, shares=EVEN):
    return Signal(np.array(shares), np.full(len(excess), 3.0), excess=np.array(excess))


def test_two_steps_by_hand():
    rule = DoReMi(smoothing=0.1)
    first = rule.update(rule.init(EVEN, steps=2), told(math.log(3.0), 0.0))
    # (1/2 * 3, 1/2) is (3/4, 1/4) of its sum; 0.9 of that, and 0.1 / 2.
    np.testing.assert_allclose(rule.weights(first), [0.725, 0.275], rtol=1e-12)
    second = rule.update(first, told(0.0, math.log(2.0)))
    # (0.725, 0.55) / 1.275 = (29/51, 22/51); 0.9 of that, and 0.05.
    np.testing.assert_allclose(rule.weights(second), [26.1 / 51 + 0.05, 19.8 / 51 + 0.05], rtol=1e-12)
    np.testing.assert_allclose(rule.mixture(second), [(0.775 + 26.1 / 51) / 2, (0.325 + 19.8 / 51) / 2], rtol=1e-12)


def test_losses_count_weight_over_sampling_share_divided_by_the_mean_over_the_batch():
    rule = DoReMi(smoothing=0.1)
    state = rule.update(rule.init(EVEN, steps=1), told(math.log(3.0), 0.0))
    np.testing.assert_allclose(rule.loss_weights(state, EVEN), [0.725, 0.275], rtol=1e-12)
    # Tokens count 1.45 and 0.55; a quarter and three quarters of the batch are 0.3625 and 0.4125 of 0.775.
    found = rule.loss_weights(state, np.array([0.25, 0.75]))
    np.testing.assert_allclose(found, [0.3625 / 0.775, 0.4125 / 0.775], rtol=1e-12)


def test_sequences_are_drawn_as_at_the_start_whatever_the_weights():
    start = np.array([0.2, 0.8])
    rule = DoReMi()
    state = rule.update(rule.init(start, steps=1), told(1.0, 0.0))
    np.testing.assert_array_equal(rule.sampling(state), start)
    # The weights began at the shares, so that tokens counted alike.
    np.testing.assert_allclose(rule.loss_weights(rule.init(start, steps=1), start), start, rtol=1e-12)


def test_a_domain_that_a_batch_does_not_hold_keeps_its_last_excess_loss():
    rule = DoReMi(smoothing=0.0)
    state = rule.update(rule.init(EVEN, steps=2), told(0.0, math.log(2.0)))
    state = rule.update(state, told(math.log(6.0), math.nan, shares=(1.0, 0.0)))
    # 1 : 2 after the first step, then 6 : 4.
    np.testing.assert_allclose(rule.weights(state), [0.6, 0.4], rtol=1e-12)
    never = rule.update(rule.init(EVEN, steps=1), told(math.log(3.0), math.nan, shares=(1.0, 0.0)))
    np.testing.assert_allclose(rule.weights(never), [0.75, 0.25], rtol=1e-12)


def test_no_weight_falls_below_its_floor():
    rule = DoReMi(smoothing=0.03)
    state = rule.init(np.full(3, 1.0 / 3.0), steps=200)
    for _ in range(200):
        state = rule.update(state, told(5.0, 0.0, 0.0, shares=np.full(3, 1.0 / 3.0)))
    np.testing.assert_allclose(rule.weights(state), [0.98, 0.01, 0.01], atol=3e-4)
    assert rule.weights(state).min() >= 0.01


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_an_excess_loss_that_is_no_number_ends_the_run(value):
    rule = DoReMi()
    with pytest.raises(EvaluationError, match=r"excess loss of domain 2 of 2.*lower the learning rate"):
        rule.update(rule.init(EVEN, steps=1), told(0.1, value))


def test_no_domain_is_left_as_far_behind_its_reference_as_with_even_weights():
    """Losses fall with what was trained of a domain; two have far to go, by 0.5 and 2 nats, and one is done."""
    gaps, trained = np.array([0.0, 0.5, 2.0]), np.zeros(3)
    rule, even = DoReMi(), np.full(3, 1.0 / 3.0)
    state = rule.init(even, steps=60)
    for _ in range(60):
        state = rule.update(state, told(*(gaps * np.exp(-trained / 4.0)), shares=even))
        trained += rule.loss_weights(state, even)
    evenly = gaps * np.exp(-20.0 / 4.0)
    assert (gaps * np.exp(-trained / 4.0)).max() < 0.5 * evenly.max()
    easy, middle, hard = rule.mixture(state)
    assert min(middle, hard) > 10.0 * easy


def test_a_step_or_a_share_that_cannot_be_is_a_fault():
    assert [fault.where for fault in DoReMi(eta=0.0, smoothing=1.5).faults()] == ["eta", "smoothing"]


def test_softmax_takes_no_notice_of_a_common_shift_and_of_minus_infinity():
    np.testing.assert_allclose(softmax(np.array([1e4, 1e4 + math.log(3.0), -np.inf])), [0.25, 0.75, 0.0], rtol=1e-12)


def test_the_mean_of_a_course_leaves_the_start_out():
    course = Course.starting_at(EVEN)
    np.testing.assert_array_equal(course.mean, EVEN)
    np.testing.assert_allclose(course.then(np.array([0.9, 0.1])).then(np.array([0.7, 0.3])).mean, [0.8, 0.2])


def test_what_a_batch_does_not_hold_may_be_anything():
    np.testing.assert_array_equal(present(np.array([2.0, math.inf]), np.array([1.0, 0.0]), "the loss"), [2.0, 0.0])
