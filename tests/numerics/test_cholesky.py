from __future__ import annotations

import pytest
import torch

from bomix.numerics.cholesky import ladder, relative_factor


def singular(n=4, scale=1.0):
    """A covariance of repeated points: rank one, its smallest eigenvalues zero or a hair below."""
    return scale * torch.ones(n, n, dtype=torch.float64)


def test_a_matrix_that_needs_no_jitter_gets_none():
    matrix = torch.eye(3, dtype=torch.float64) + 0.5
    factor, failed = ladder(matrix, (0.0, 1e-8))
    assert not failed
    assert torch.equal(factor, torch.linalg.cholesky(matrix))


def test_only_the_matrix_that_fails_climbs_where_each_climbs_alone():
    good = torch.eye(3, dtype=torch.float64) + 0.5
    bad = good - 2.0000001 * torch.eye(3, dtype=torch.float64)[0].diag()
    factors, failed = ladder(torch.stack([good, bad]), (0.0, 1e-8, 1e-6), each=True)
    assert torch.equal(factors[0], torch.linalg.cholesky(good))
    assert failed.tolist() == [False, True]


def test_rungs_add_up_where_each_climbs_alone_and_do_not_where_all_climb_together():
    matrix = torch.diag(torch.tensor([1.0, -1e-5], dtype=torch.float64))
    rungs = (0.0, 1e-5, 1e-4)
    together, _ = ladder(matrix, rungs)
    alone, _ = ladder(matrix[None], rungs, each=True)
    assert float(together[1, 1] ** 2) == pytest.approx(9e-5, rel=1e-9)
    assert float(alone[0, 1, 1] ** 2) == pytest.approx(1e-4, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_relative_jitter_knows_no_unit(scale):
    factor = relative_factor(singular(scale=scale), (1e-9, 1e-7, 1e-5))
    torch.testing.assert_close(factor @ factor.mT, singular(scale=scale), rtol=1e-4, atol=0.0)


def test_a_covariance_of_zeros_has_a_factor_of_all_but_zeros():
    assert float(relative_factor(torch.zeros(2, 2, dtype=torch.float64), (1e-9,)).abs().max()) < 1e-9


def test_what_no_jitter_mends_is_an_error():
    with pytest.raises(torch.linalg.LinAlgError):
        relative_factor(-torch.eye(2, dtype=torch.float64) + 3.0 * (1.0 - torch.eye(2)).double(), (1e-9, 1e-1))
