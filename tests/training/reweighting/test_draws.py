"""Batches whose shares change: exact shares in the long run, and every domain's own order."""

from __future__ import annotations

import numpy as np
import pytest

from bomix.errors import EvaluationError
from bomix.training.data_order import order
from bomix.training.reweighting.draws import Sequences, counts


def drawn(shares, batch, steps):
    owed, found = np.zeros(len(shares)), []
    for _ in range(steps):
        given, owed = counts(owed, np.asarray(shares), batch)
        found.append(given)
    return np.array(found)


def test_a_batch_by_hand():
    # 2.5, 1.5 and 1 of five: 2, 1 and 1 are whole; of the halves that are left the first comes first.
    given, owed = counts(np.zeros(3), np.array([0.5, 0.3, 0.2]), 5)
    np.testing.assert_array_equal(given, [3, 1, 1])
    np.testing.assert_allclose(owed, [-0.5, 0.5, 0.0], atol=1e-12)
    given, owed = counts(owed, np.array([0.5, 0.3, 0.2]), 5)
    np.testing.assert_array_equal(given, [2, 2, 1])
    np.testing.assert_allclose(owed, 0.0, atol=1e-12)


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_after_any_number_of_batches_every_domain_has_its_due_to_a_sequence(batch):
    shares = np.array([0.47, 0.31, 0.15, 0.07])
    given = drawn(shares, batch, 50)
    assert (given.sum(axis=1) == batch).all()
    due = np.arange(1, 51)[:, None] * batch * shares
    assert np.abs(given.cumsum(axis=0) - due).max() <= 1.0


def test_even_shares_give_every_domain_its_part_of_every_batch():
    np.testing.assert_array_equal(drawn(np.full(5, 0.2), 10, 4), np.full((4, 5), 2))


def test_shares_that_change_are_followed():
    owed, total = np.zeros(2), np.zeros(2)
    for step in range(100):
        share = 0.9 if step < 50 else 0.1
        given, owed = counts(owed, np.array([share, 1.0 - share]), 4)
        total += given
    np.testing.assert_allclose(total, [200, 200], atol=1.0)


def test_a_domain_of_zero_is_never_drawn():
    assert drawn([0.5, 0.0, 0.5], 3, 20)[:, 1].sum() == 0


def test_sequences_come_in_the_order_of_their_domain_and_epochs_are_counted():
    sequences = Sequences(("code", "web"), {"code": 3, "web": 100}, seed=7)
    batches = [sequences.take(np.array([1, 2])) for _ in range(6)]
    for k, name in enumerate(("code", "web")):
        read = np.concatenate([numbers[domain == k] for domain, numbers in batches])
        available = {"code": 3, "web": 100}[name]
        np.testing.assert_array_equal(read, order(name, len(read), available=available, seed=7))
    assert sequences.realized == {"code": 1 / 3, "web": 2 / 3}
    assert sequences.epochs == {"code": 2.0, "web": 0.12}


def test_a_domain_without_a_sequence_is_named():
    with pytest.raises(EvaluationError, match="domain 'web' has no whole sequence"):
        Sequences(("code", "web"), {"code": 3, "web": 0}, seed=0).take(np.array([0, 1]))
