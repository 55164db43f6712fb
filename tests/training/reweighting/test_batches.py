"""Batches by shares: they hold what their sequences say, and the plan of them is what was read."""

from __future__ import annotations

import numpy as np
import pytest

from bomix.errors import EvaluationError
from bomix.training.data.tokens import TokenSet
from bomix.training.data_order import plan
from bomix.training.reweighting.batches import Batches

LENGTH = 10


@pytest.fixture
def sets():
    rng = np.random.default_rng(0)
    return {name: TokenSet(rng.integers(0, 50, 201).astype(np.uint8), 1, 201) for name in ("a", "b", "c")}


def test_a_batch_holds_the_sequences_of_its_plan_set_by_set(sets):
    batches = Batches(sets, length=LENGTH, seed=3, device="cpu")
    shares = [np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.25, 0.75]), np.array([1.0, 0.0, 0.0])]
    drawn = [batches.draw(each, 4).numpy() for each in shares]
    read = batches.plan()
    assert read.domain.tolist() == [[0, 0, 1, 1], [1, 2, 2, 2], [0, 0, 0, 0]]
    for tokens, domain, sequence in zip(drawn, read.domain, read.sequence, strict=True):
        assert tokens.shape == (1, 4, LENGTH + 1)
        for row, k, number in zip(tokens[0], domain, sequence, strict=True):
            np.testing.assert_array_equal(row, sets["abc"[k]].tokens[LENGTH * number : LENGTH * (number + 1) + 1])
    assert read.realized == {"a": 6 / 12, "b": 3 / 12, "c": 3 / 12}
    assert read.epochs == {"a": 6 / 20, "b": 3 / 20, "c": 3 / 20}


def test_the_parts_of_a_batch_are_its_sets(sets):
    batches = Batches(sets, length=LENGTH, seed=3, device="cpu")
    batches.draw(np.array([0.25, 0.0, 0.75]), 4)
    assert batches.held.tolist() == [1, 0, 3]
    assert batches.parts() == [(0, slice(0, 1)), (2, slice(1, 4))]


def test_one_set_comes_in_the_order_of_a_run_of_one_mixture(sets):
    batches = Batches(sets, length=LENGTH, seed=5, device="cpu")
    for _ in range(15):  # more than an epoch
        batches.draw(np.array([0.0, 1.0, 0.0]), 2)
    fixed = plan({"b": 1.0}, {"b": 20}, steps=15, batch=2, seed=5)
    np.testing.assert_array_equal(batches.plan().sequence, fixed.sequence)


def test_a_set_without_a_sequence_is_named(sets):
    short = {**sets, "b": TokenSet(np.zeros(5, np.uint8), 1, 5)}
    with pytest.raises(EvaluationError, match="'b' has no whole sequence"):
        Batches(short, length=LENGTH, seed=0, device="cpu").draw(np.full(3, 1 / 3), 3)
