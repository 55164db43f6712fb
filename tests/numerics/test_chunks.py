"""Parts of a batch give what the whole gives, and no part is larger than asked for."""

from __future__ import annotations

import pytest
import torch

from bomix.numerics.chunks import ENTRIES, chunks, in_chunks, rows_within


@pytest.mark.parametrize("n", [0, 1, 4, 5, 13])
def test_parts_are_put_together_in_order_and_none_is_larger_than_asked_for(n):
    X = torch.arange(3.0 * n).reshape(n, 3)
    sizes = []

    def function(part):
        sizes.append(len(part))
        return part.sum(dim=-1)

    torch.testing.assert_close(in_chunks(function, X, rows=4), X.sum(dim=-1), rtol=0.0, atol=0.0)
    assert max(sizes) <= 4
    assert sum(sizes) == n
    assert [len(part) for part in chunks(X, rows=4)] == sizes


def test_gradients_flow_through_the_parts():
    X = torch.ones(10, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(in_chunks(lambda part: part.square().sum(dim=-1), X, rows=3).sum(), X)
    torch.testing.assert_close(gradient, torch.full((10, 2), 2.0))


def test_the_budget_is_never_exceeded_where_a_row_fits_and_one_row_always_goes():
    for entries in (1, 7, 1000, ENTRIES):
        assert rows_within(entries) * entries <= ENTRIES
    assert rows_within(10 * ENTRIES) == 1
    assert rows_within(0) == ENTRIES
