"""From weights to inputs and from metrics to targets, and back."""

from __future__ import annotations

import torch

from bomix.surrogates.gp.transforms import Between, Transforms

X = torch.tensor([[0.2, 0.8], [0.6, 0.4], [1.0, 0.0]], dtype=torch.float64)
Y = torch.tensor([[3.0, 0.5], [2.5, 0.6], [4.0, 0.9]], dtype=torch.float64)
OFFSET, SCALE = torch.tensor([3.0, 0.7]).double(), torch.tensor([0.5, 0.2]).double()


def both(X):
    return torch.stack([X[..., 0] + X[..., 1], X[..., 0] - X[..., 1]], dim=-1)


def test_without_mean_and_extra_inputs_they_only_standardise():
    plain = Transforms(OFFSET, SCALE)
    assert torch.equal(plain.inputs(X), X)
    torch.testing.assert_close(plain.targets(X, Y), ((Y - OFFSET) / SCALE).mT)


def test_units_come_back_with_a_mean_that_reads_the_extra_inputs():
    whole = Transforms(OFFSET, SCALE, extra=both, mean=Between(2, 4))
    inputs = whole.inputs(X)
    assert torch.equal(inputs, torch.cat([X, both(X)], dim=-1))
    assert torch.equal(whole.mean_at(inputs), both(X))
    targets = whole.targets(inputs, Y)
    torch.testing.assert_close(targets, ((Y - OFFSET) / SCALE - both(X)).mT)
    torch.testing.assert_close(whole.in_units(inputs, targets), Y)
