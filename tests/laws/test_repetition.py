"""What repeated text is worth."""

from __future__ import annotations

import math

import pytest
import torch

from bomix.contracts.repetition import REPETITION_DECAY
from bomix.laws.repetition import effective_passes

DECAY = torch.tensor(REPETITION_DECAY, dtype=torch.float64)


def worth(*epochs, decay=DECAY):
    return effective_passes(torch.tensor(epochs, dtype=torch.float64), decay).tolist()


def test_fresh_text_counts_whole_and_repeated_text_as_the_formula_says():
    assert worth(0.0, 0.25, 1.0) == [0.0, 0.25, 1.0]
    unique, read = 3e9, 12e9
    repeats = read / unique - 1.0
    expected = unique + unique * 15.4 * (1.0 - math.exp(-repeats / 15.4))
    assert worth(4.0)[0] * unique == pytest.approx(expected)
    assert worth(4.0)[0] == pytest.approx(3.73, abs=0.005)  # "up to 4 epochs are almost as good as new data"
    assert worth(1e6)[0] == pytest.approx(16.4)


def test_after_so_many_repetitions_a_token_is_worth_an_eth_of_a_fresh_one():
    epochs = torch.tensor([0.5, 1.0, 1.0 + REPETITION_DECAY], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(effective_passes(epochs, DECAY).sum(), epochs)
    assert slope[0].item() == 1.0
    assert slope[2].item() == pytest.approx(math.exp(-1.0))


def test_domains_have_decays_of_their_own():
    few, many = worth(8.0, 8.0, decay=torch.tensor([2.0, 1e9], dtype=torch.float64))
    assert few == pytest.approx(1.0 + 2.0 * (1.0 - math.exp(-3.5)))
    assert many == pytest.approx(8.0)
