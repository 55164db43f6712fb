"""The same numbers whatever the process did before."""

from __future__ import annotations

import pytest
import torch

from bomix.numerics.determinism import deterministic


def test_draws_inside_are_the_same_and_the_generator_and_threads_are_as_before():
    threads = torch.get_num_threads()
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    found = []
    for _ in range(2):
        with deterministic():
            assert torch.get_num_threads() == 1
            found.append(torch.rand(3))
    assert torch.equal(*found)
    assert torch.equal(torch.rand(2), expected)
    with pytest.raises(ZeroDivisionError), deterministic():
        raise ZeroDivisionError
    assert torch.get_num_threads() == threads
