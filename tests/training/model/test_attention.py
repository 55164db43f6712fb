"""Causal attention, against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from bomix.training.model.attention import LONGEST_DENSE, causal


@pytest.mark.parametrize("n", [1, 7, LONGEST_DENSE + 1])
def test_it_is_the_attention_of_torch_to_what_came_before(n):
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 3, n, 4, generator=generator) for _ in range(3))
    found, weights = causal(None, query, key, value, None, 0.3)
    expected = scaled_dot_product_attention(query, key, value, is_causal=True, scale=0.3)
    torch.testing.assert_close(found, expected.transpose(1, 2), rtol=1e-5, atol=1e-6)
    assert weights is None
    torch.testing.assert_close(found[:, 0], value[:, :, 0])
