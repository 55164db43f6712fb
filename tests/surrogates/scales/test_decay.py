"""The covariance over scales: falling powers whose exponents are not known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bomix.surrogates.scales.decay import SHAPE, Decay, shared_noise
from bomix.surrogates.scales.sizes import DECADE

HERE = torch.tensor([[0.0, 0.0], [1.0, 0.5], [4.0, 0.0], [4.0, 3.0], [7.0, 7.0]], dtype=torch.float64)
FIRST = HERE[1:2]


def decay(
    slope: float = 0.1, params: float = 0.4, tokens: float = 0.2, rate: float = 0.3, slopes: float = 0.3
) -> Decay:
    return Decay(
        *(torch.tensor([value, 2.0 * value], dtype=torch.float64) for value in (slope, params, tokens, rate, slopes))
    )


def test_a_falling_part_is_the_expectation_over_exponents_of_a_gamma_distribution():
    exponents = np.random.default_rng(0).gamma(SHAPE, 0.3 / SHAPE, 400_000)
    params, tokens = decay().falling(HERE[1:2], HERE[3:4])
    assert params[0, 0, 0].item() == pytest.approx(np.exp(-5.0 * exponents).mean(), rel=0.01)
    assert tokens[0, 0, 0].item() == pytest.approx(np.exp(-3.5 * exponents).mean(), rel=0.01)


def test_a_part_is_whole_at_the_origin_and_gone_at_the_limit():
    far = torch.full((1, 2), 1e9, dtype=torch.float64)
    for part in decay().falling(HERE[:1], HERE[:1]):
        assert part.flatten().tolist() == [1.0, 1.0]
    for part in decay().falling(far, far):
        assert part.max() < 1e-9


def test_every_scale_is_what_the_first_one_says_and_a_rest_that_is_independent_of_it():
    found = decay(slope=0.0)
    load, rest = found.loading(HERE, FIRST), found.rest(HERE, HERE, FIRST)
    own = found._whole(FIRST, FIRST)
    torch.testing.assert_close(load.unsqueeze(-1) * load.unsqueeze(-2) + rest, found._whole(HERE, HERE) / own)
    assert load[:, 1].tolist() == pytest.approx([1.0, 1.0])
    assert rest[:, 1].abs().max() < 1e-12
    assert torch.linalg.eigvalsh(rest).min() > -1e-12


def test_slopes_and_levels_are_known_at_the_first_scale_and_less_the_further():
    found = decay()
    for covariance in (found.slope_covariance(HERE, HERE, FIRST), found.increments(HERE, HERE, FIRST)):
        assert torch.linalg.eigvalsh(covariance).min() > -1e-12
        spread = covariance.diagonal(dim1=-2, dim2=-1)[0]
        assert spread[1].item() == pytest.approx(0.0, abs=1e-12)
        assert spread[2] < spread[3] < spread[4]


def test_noise_is_shared_by_checkpoints_of_one_training_and_less_the_further_they_are_apart():
    sizes = torch.tensor([[0.0, 0.0], [0.0, DECADE], [0.0, 2.0 * DECADE], [0.0, DECADE]], dtype=torch.float64)
    common = torch.tensor([0.5], dtype=torch.float64)
    found = shared_noise(sizes, torch.tensor([7, 7, 7, 8]), common)[0]
    expected = [[1.0, 0.5, 0.25, 0.0], [0.5, 1.0, 0.5, 0.0], [0.25, 0.5, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))
