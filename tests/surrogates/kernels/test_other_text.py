"""What text that a study no longer has did is found out, and is nothing at mixtures of its own."""

from __future__ import annotations

import numpy as np
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.contracts.covariance import KernelContext
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.cross_validation.held_out import part
from bomix.surrogates.gp.presets import QUICK
from bomix.surrogates.kernels.other_text import NoOtherText, OtherTextCovariance

SPACE = MixtureSpace(["code", "web"])
SHIFT = 0.6


def test_the_covariance_is_that_of_lines_in_the_share_and_its_root_alike_in_like_directions() -> None:
    context = KernelContext(torch.as_tensor(SPACE.sobol(16, seed=0)), torch.tensor([-1, -1]))
    kernel = OtherTextCovariance(context, [2, 3])
    X = torch.tensor([[0.5, 0.5, 0.25, 0.0], [0.2, 0.8, -0.04, 0.81], [1.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    theta = torch.tensor([[0.3, -0.2], [0.0, 0.5]], dtype=torch.float64)
    found = kernel(theta, X[None, None])[0]
    z = X[:, 2:].numpy()
    lines = np.stack([z, z / np.sqrt(np.abs(z) + 0.05)])
    along = X[:, :2].numpy() / np.linalg.norm(X[:, :2].numpy(), axis=1, keepdims=True)
    for row, logs in enumerate(theta.numpy()):
        by_hand = 0.5 * np.einsum("lih,ljh,h->ij", lines, lines, np.exp(2.0 * logs)) * (0.5 + 0.5 * along @ along.T)
        np.testing.assert_allclose(found[row].numpy(), by_hand, atol=1e-12)
    np.testing.assert_allclose(kernel.diagonal(theta, X[None, None])[0], found.diagonal(dim1=-2, dim2=-1))
    assert not NoOtherText(2)(X[None]).any()


def runs() -> tuple[SupervisedDataset, FitContext]:
    """Twelve runs of which half were on another cut of code, which moves the loss by :data:`SHIFT` times its share."""
    share = torch.linspace(0.05, 0.95, 12, dtype=torch.float64)
    other = torch.where(torch.arange(12) % 2 == 0, share, 0.0)
    Y = 3.0 + (share - 0.4).square() + SHIFT * other
    X = torch.stack([share, 1.0 - share], dim=-1)
    data = SupervisedDataset(X, Y[:, None], feature_names=list(SPACE.domains), outcome_names=["loss"])
    rows = tuple((float(each),) for each in other)
    return data, FitContext(SPACE, ("loss",), trials=tuple(range(12)), other=rows)


def test_a_process_finds_the_effect_out_and_predicts_without_it() -> None:
    data, context = runs()
    with torch.no_grad():
        model = QUICK.fit(data, context=context, seed=0)
        blind = QUICK.fit(data, context=FitContext(SPACE, ("loss",), trials=context.trials), seed=0)
        at = torch.tensor([[0.4, 0.6], [0.9, 0.1]], dtype=torch.float64)
        true = torch.tensor([3.0, 3.25], dtype=torch.float64)
        error = (model.posterior(at).mean.flatten() - true).abs()
        assert (error < 0.05).all()
        assert (blind.posterior(at).mean.flatten() - true).abs().max() > 2.0 * error.max()
        fantasy = model.condition_on_observations(at[:1], true[:1, None])
        assert fantasy.posterior(at).mean.isfinite().all()


def test_rows_that_are_left_out_take_their_shares_with_them() -> None:
    data, context = runs()
    _, kept = part(data, context, torch.arange(12) >= 10)
    assert kept.other == context.other[10:]
