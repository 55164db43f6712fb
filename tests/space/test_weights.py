"""When two mixtures are one: mappings and columns give the same answer."""

from __future__ import annotations

import numpy as np
import pytest

from bomix.space.weights import SAME_MIXTURE, is_among, normalized, same_mixture


@pytest.mark.parametrize(("moved", "same"), [(0.0, True), (0.9 * SAME_MIXTURE, True), (1.1 * SAME_MIXTURE, False)])
def test_mappings_and_columns_agree_on_what_one_mixture_is(moved, same):
    first, second = np.array([0.25, 0.75]), np.array([0.25 + moved, 0.75 - moved])
    names = ("code", "web")
    assert same_mixture(dict(zip(names, first, strict=True)), dict(zip(names, second, strict=True))) is same
    assert is_among(first, second[None]) is same


def test_mixtures_of_other_domains_are_never_one():
    assert not same_mixture({"web": 1.0}, {"web": 1.0, "code": 0.0})


def test_no_mixture_is_among_none():
    assert not is_among(np.array([0.5, 0.5]), None)
    assert not is_among(np.array([0.5, 0.5]), np.zeros((0, 2)))


def test_every_weight_of_one_row_must_agree():
    others = np.array([[0.5, 0.2, 0.3], [0.1, 0.6, 0.3]])
    assert not is_among(np.array([0.5, 0.6, 0.3]), others)
    assert is_among(np.array([0.1, 0.6, 0.3]), others)


def test_normalised_weights_sum_to_one_and_lose_what_is_below_zero():
    found = normalized({"a": 0.2, "b": 0.6, "c": -1e-12})
    assert found == {"a": pytest.approx(0.25), "b": pytest.approx(0.75), "c": 0.0}
