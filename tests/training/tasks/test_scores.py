"""What is made of the probabilities of a task's tokens."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bomix.training.tasks.scores import TaskReading


def reading(log_probabilities, gold=(True, False, False, True)):
    """Two examples of two options each; every sequence is a prompt of one token and a response of two."""
    response = np.tile([False, True, True], 4)
    return TaskReading(
        log_probabilities=np.asarray(log_probabilities, dtype=np.float32).reshape(-1),
        ids=np.arange(12),
        starts=np.arange(0, 13, 3),
        scored=response,
        response=response,
        examples=np.array([0, 0, 1, 1]),
        gold=np.array(gold),
        sizes=np.full(4, 8),
        end_of_document=0,
    )


def test_the_loss_is_over_the_scored_tokens_of_right_options():
    loss, sem, bits = reading([[-9, -1, -2], [-9, -9, -9], [-9, -9, -9], [-9, -3, -4]]).loss()
    assert loss == pytest.approx(2.5)
    assert sem == pytest.approx(1.0)
    assert bits == pytest.approx(10.0 / math.log(2.0) / 16.0)


def test_the_likeliest_option_counts_and_a_tie_counts_half():
    right, wrong, tie = [-9, -1, -1], [-9, -2, -2], [-9, -1, -1]
    assert reading([right, wrong, wrong, right]).accuracy(per_token=False)[0] == 1.0
    assert reading([wrong, right, wrong, right]).accuracy(per_token=False)[0] == 0.5
    assert reading([right, tie, wrong, right]).accuracy(per_token=True)[0] == 0.75


def test_what_is_kept_holds_right_options_alone_or_every_one():
    found = reading([[-9, -1, -2], [-9, -8, -8], [-9, -7, -7], [-9, -3, -4]])
    assert len(found.right().log_probabilities) == 6
    assert found.right().loss == pytest.approx(2.5)
    assert len(found.options(per_token=True).log_probabilities) == 12
