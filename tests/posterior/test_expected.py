"""The objective of what is expected of the metrics."""

from __future__ import annotations

import numpy as np
import torch

from bomix.posterior.expected import on_arrays


def test_many_mixtures_have_the_values_of_one_batch_and_no_gradient():
    X = np.random.default_rng(0).random((3000, 3))
    sizes = []

    def function(points):
        sizes.append(len(points))
        assert not torch.is_grad_enabled()
        return points.sum(dim=-1)

    np.testing.assert_allclose(on_arrays(function)(X), X.sum(axis=1))
    assert sum(sizes) == 3000
    assert max(sizes) < 3000
