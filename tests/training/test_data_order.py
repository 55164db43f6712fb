"""Quotas are exact, spread evenly, without repetition inside an epoch, and pair the runs of one seed."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bomix.errors import EvaluationError
from bomix.training.data_order import order, plan, quotas

NAMES = ("a", "b", "c", "d", "e", "f")


@st.composite
def mixtures(draw):
    parts = draw(st.lists(st.integers(0, 40), min_size=1, max_size=6).filter(any))
    return {name: part / sum(parts) for name, part in zip(NAMES, parts, strict=False)}


@given(mixtures(), st.integers(1, 500))
def test_quotas_sum_to_the_run_and_are_the_share_rounded_up_or_down(weights, sequences):
    counts = quotas(weights, sequences)
    assert sum(counts.values()) == sequences
    for name, count in counts.items():
        ideal = Fraction(weights[name]).limit_denominator(10**6) * sequences
        assert ideal - 1 < count < ideal + 1
        assert count == 0 or weights[name] > 0


@given(mixtures(), st.integers(1, 500))
def test_quotas_have_the_largest_remainders(weights, sequences):
    counts = quotas(weights, sequences)
    remainder = {x: weights[x] * sequences - np.floor(round(weights[x] * sequences, 9)) for x in counts}
    up = [x for x in counts if counts[x] > np.floor(round(weights[x] * sequences, 9))]
    down = [x for x in counts if x not in up]
    assert all(remainder[x] >= remainder[y] - 1e-8 for x in up for y in down)


def test_equal_remainders_go_by_name():
    assert quotas({"c": 1 / 3, "a": 1 / 3, "b": 1 / 3}, 100) == {"a": 34, "b": 33, "c": 33}
    assert quotas({"b": 0.1 + 0.2, "a": 0.3, "c": 0.4}, 5) == {"a": 2, "b": 1, "c": 2}


@given(mixtures(), st.integers(1, 60), st.integers(1, 4), st.integers(1, 30), st.integers(0, 2**70))
@settings(max_examples=150)
def test_a_plan_holds_its_promises(weights, steps, batch, available, seed):
    found = plan(weights, dict.fromkeys(weights, available), steps=steps, batch=batch, seed=seed)
    total = steps * batch
    assert found.domain.shape == found.sequence.shape == (steps, batch)
    flat, order_of = found.domain.ravel(), found.sequence.ravel()
    counts = quotas(weights, total)
    for position, name in enumerate(found.domains):
        own = flat == position
        assert own.sum() == counts[name]
        assert found.realized[name] == counts[name] / total
        assert found.epochs[name] == counts[name] / available
        drift = np.cumsum(own) - np.arange(1, total + 1) * counts[name] / total
        assert np.abs(drift).max() <= 0.5 + len(weights) * counts[name] / total / 2 + 1e-9
        drawn = order_of[own]
        for epoch in range(0, len(drawn), available):
            block = drawn[epoch : epoch + available]
            assert len(set(block)) == len(block)
            assert block.min() >= 0
            assert block.max() < available


@given(mixtures(), mixtures(), st.integers(0, 1000))
def test_the_order_of_a_domain_does_not_depend_on_the_mixture(first, second, seed):
    available = dict.fromkeys(NAMES, 7)
    plans = [plan(w, available, steps=40, batch=1, seed=seed) for w in (first, second)]
    for name in set(first) & set(second):
        one, other = (p.sequence[p.domain == p.domains.index(name)] for p in plans)
        shared = min(len(one), len(other))
        np.testing.assert_array_equal(one[:shared], other[:shared])


def test_epochs_domains_and_seeds_have_orders_of_their_own():
    first = order("web", 200, available=100, seed=0)
    assert not np.array_equal(first[:100], first[100:])
    assert not np.array_equal(first, order("code", 200, available=100, seed=0))
    assert not np.array_equal(first, order("web", 200, available=100, seed=1))


@pytest.mark.parametrize("available", [50, 2012, 30_000])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_stretch_of_an_order_is_an_even_sample_of_the_text(available, seed):
    drawn = order("web", available, available=available, seed=seed)
    for start in range(0, available, max(1, available // 7)):
        for length in (10, 100, 1000):
            stretch = drawn[start : start + length]
            counts = np.histogram(stretch, bins=10, range=(0, available))[0]
            assert np.abs(counts - len(stretch) / 10).max() <= 4


def test_names_do_not_matter_to_the_place_of_the_mapping():
    weights, available = {"b": 0.7, "a": 0.3}, {"a": 5, "b": 50}
    one = plan(weights, available, steps=30, batch=2, seed=0)
    other = plan(dict(sorted(weights.items())), available, steps=30, batch=2, seed=0)
    np.testing.assert_array_equal(one.domain, other.domain)
    np.testing.assert_array_equal(one.sequence, other.sequence)


@pytest.mark.parametrize("weights", [{}, {"a": 0.0}, {"a": -0.5, "b": 1.5}, {"a": float("nan")}])
def test_what_is_no_mixture_is_refused(weights):
    with pytest.raises(EvaluationError, match="no mixture"):
        quotas(weights, 10)


def test_domains_without_tokens_are_named():
    with pytest.raises(EvaluationError, match="'books'"):
        plan({"books": 1.0}, {"web": 10}, steps=1, batch=1, seed=0)
    with pytest.raises(EvaluationError, match="'web' has no whole sequence"):
        plan({"web": 1.0}, {"web": 0}, steps=1, batch=1, seed=0)
