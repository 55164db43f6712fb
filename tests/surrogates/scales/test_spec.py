"""The surrogate across scales as a study file names it."""

from __future__ import annotations

import pytest
import torch

from bomix.errors import FitError
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.regression.specs import Boosting
from bomix.surrogates.scales import fitting
from bomix.surrogates.scales.spec import MultiScale
from bomix.testing.known import mixtures
from tests.surrogates.scales.test_model import LARGE, QUICK, SMALL, D, data_of, large, points, small


def test_runs_of_one_scale_are_the_surrogate_of_that_scale_bit_for_bit():
    X = mixtures(9, D, seed=1)
    data, context = data_of([(X, small(X), SMALL)], None)
    found, expected = (spec.fit(data, context=context, seed=2) for spec in (QUICK, GP(draws=0, restarts=1)))
    for one, other in zip(found.moments(points(3, 2)), expected.moments(points(3, 2)), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("counts", [(0, 0), (1, 0), (0, 1), (1, 1), (2, 5), (5, 1), (3, 0), (0, 6)])
def test_it_is_defined_whatever_the_runs_of_either_scale(counts):
    parts = [
        (mixtures(n + 1, D, seed=3)[1:], function, scale)
        for n, function, scale in zip(counts, (small, large), (SMALL, LARGE), strict=True)
    ]
    data, context = data_of([(X, function(X), scale) for X, function, scale in parts], LARGE)
    model = QUICK.fit(data, context=context, seed=0)
    assert model.target == LARGE
    with torch.no_grad():
        for noise in (False, True):
            mean, covariance = model.moments(points(3, 2), noise)
            assert mean.isfinite().all()
            assert (torch.linalg.eigvalsh(covariance) > -1e-9).all()
        assert model.across(points(3, 2), points(3, 1), SMALL).isfinite().all()
        assert model.at(SMALL).moments(points(2, 1), True)[0].isfinite().all()


def test_the_order_of_the_runs_does_not_matter():
    X, Z = mixtures(12, D, seed=1), mixtures(7, D, seed=2)
    parts = [(X, small(X), SMALL), (Z, large(Z), LARGE)]
    turned = [(Z[::-1].copy(), large(Z)[::-1].copy(), LARGE), (X[::-1].copy(), small(X)[::-1].copy(), SMALL)]
    found = []
    for each in (parts, turned):
        data, context = data_of(each, LARGE)
        with torch.no_grad():
            found.append(QUICK.fit(data, context=context, seed=0).moments(points(5, 1), True))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_a_row_of_unknown_scale_is_one_of_the_target():
    X, Z = mixtures(12, D, seed=1), mixtures(5, D, seed=2)
    found = []
    for scale in (LARGE, None):
        data, context = data_of([(X, small(X), SMALL), (Z, large(Z), scale)], LARGE)
        with torch.no_grad():
            found.append(QUICK.fit(data, context=context, seed=0).moments(points(5, 1)))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


def test_a_surrogate_without_gradients_has_none_across_scales():
    assert MultiScale().differentiable
    assert not MultiScale(Boosting()).differentiable
    assert MultiScale().across_scales


def test_a_model_of_another_library_cannot_be_linked():
    class Foreign:
        def fit(self, data, *, context, seed):
            return object()

    X = mixtures(4, D, seed=1)
    data, context = data_of([(X, small(X), SMALL)], LARGE)
    with pytest.raises(FitError, match="Foreign returns no JointModel"):
        fitting.fit(Foreign(), data, context=context, seed=0)
