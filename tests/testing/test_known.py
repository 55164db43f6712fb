"""The laws and points that tests stand on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bomix.testing.known import CROSSED, MILD, OFFSET, STEEP, exponential, exponential_tensor, mixtures


@pytest.mark.parametrize("rates", [STEEP, MILD, CROSSED], ids=["steep", "mild", "crossed"])
def test_arrays_and_tensors_have_the_same_losses_above_the_offset(rates):
    X = mixtures(40, 4)
    losses = exponential(X, rates)
    assert losses.shape == (40, 3)
    assert (losses > OFFSET).all()
    np.testing.assert_allclose(exponential_tensor(torch.as_tensor(X), rates), losses, rtol=1e-14)
    best = losses.argmin(axis=0)
    assert len({*best}) > 1, "metrics want different domains"


@pytest.mark.parametrize("n", [0, 1, 2, 40])
def test_mixtures_sum_to_one_and_begin_with_a_vertex_and_the_centre(n):
    X = mixtures(n, 4)
    assert X.shape == (n, 4)
    np.testing.assert_allclose(X.sum(axis=1), 1.0)
    np.testing.assert_array_equal(X[:2], np.array([np.eye(4)[1], np.full(4, 0.25)])[:n])
    assert n < 3 or (X[2:] == 0.0).any()
