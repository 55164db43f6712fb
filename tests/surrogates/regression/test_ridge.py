"""What ridge regression is linear in."""

from __future__ import annotations

import torch

from bomix.surrogates.regression.ridge import Coefficients, Inputs


def test_inputs_are_weights_logarithms_or_both_and_finite_at_zero():
    X = torch.tensor([[0.0, 1.0], [0.25, 0.75]]).double()
    assert torch.equal(Inputs(raw=True, eps=None)(X), X)
    both = Inputs(raw=True, eps=0.01)(X)
    assert both.shape == (2, 4)
    assert both.isfinite().all()
    torch.testing.assert_close(both[:, 2:], Inputs(raw=False, eps=0.01)(X))


def test_lines_are_linear():
    lines = Coefficients(torch.tensor([[[1.0, 2.0]], [[0.0, -1.0]]]), torch.tensor([[3.0], [0.5]]))
    found = lines(torch.tensor([[[1.0, 1.0]], [[0.0, 2.0]]]))
    assert found.shape == (2, 2, 1, 1)
    assert found.flatten().tolist() == [6.0, 7.0, -0.5, -1.5]
