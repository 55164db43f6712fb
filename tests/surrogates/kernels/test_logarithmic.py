"""Lines in the logarithm of a weight: their formulas, and a rise towards zero weight that no run has seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.gp.presets import STEEP
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.kernels import logarithmic
from bomix.surrogates.kernels.logarithmic_specs import Logarithmic
from tests.surrogates.kernels.test_stationary import D, drawn, frame_of, mixtures


def test_lines_in_logarithms_of_weights_by_their_formula():
    frame, X = frame_of(), mixtures(6)
    lines = logarithmic.LogarithmicCovariance(frame, known=0.6, other=0.03, unknown=0.1, spread=1.5)
    theta = drawn(lines)
    for row, values in enumerate(lines(theta, X.unsqueeze(0))):
        relevance, offset = theta[row, :D].exp(), theta[row, D].exp()
        u = ((X + offset) / (frame.sample.mean(dim=0) + offset)).log()
        torch.testing.assert_close(values, (u * relevance) @ u.mT)
    # The own domain of the first metric is the second; the second metric has none.
    assert lines.prior.mean[0, :D].exp().tolist() == pytest.approx([0.03, 0.6, 0.03, 0.03])
    assert lines.prior.mean[1, :D].exp().tolist() == pytest.approx([0.1] * D)


def test_nothing_is_uncertain_at_the_centre_of_the_space_and_most_at_a_vertex():
    frame = frame_of()
    covariance, centre = Logarithmic().bind(frame), frame.sample.mean(dim=0)
    vertex, half = torch.eye(D, dtype=torch.float64)[0], 0.5 * (centre + torch.eye(D, dtype=torch.float64)[0])
    at = covariance.diagonal(drawn(covariance), torch.stack([centre, half, vertex]).unsqueeze(0))
    assert at[:, 0].abs().max() < 1e-24
    assert (at[:, 1] < at[:, 2]).all()


@pytest.mark.parametrize("names", ["abcd", "pqrs"])
def test_a_small_design_expects_a_loss_to_rise_towards_zero_weight(names):
    space = MixtureSpace(tuple("abcd"))
    X = np.concatenate([np.full((1, 4), 0.25), space.sobol(6, seed=1)[1:]])

    def losses(weights: np.ndarray) -> np.ndarray:
        return np.asarray(3.0 - 0.3 * np.log(weights + 0.015))

    data = SupervisedDataset(
        torch.as_tensor(X), torch.as_tensor(losses(X)), feature_names=list("abcd"), outcome_names=list(names)
    )
    context, zero = FitContext(space, tuple(names)), (1.0 - np.eye(4)) / 3.0

    def expected(surrogate: GP) -> float:
        """Share of the rise from the centre to zero weight, over the four metrics."""
        with torch.no_grad():
            mean = surrogate.fit(data, context=context, seed=0).posterior(torch.as_tensor(zero)).mean
        centre = losses(np.array(0.25))
        return float((mean.diagonal().numpy() - centre).mean() / (losses(np.array(0.0)) - centre))

    assert expected(STEEP) > max(0.8, expected(GP()))
