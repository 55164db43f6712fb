"""A law in effective tokens sees what repetition is worth."""

from __future__ import annotations

import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.laws.repetition import effective_passes
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.means.effective import EffectiveLaw, effective_shares
from bomix.surrogates.means.law import LawMean

DOMAINS = ("books", "web")
PASSES = {"books": 40.0, "web": 0.5}


def context(passes=PASSES, decay=None):
    return FitContext(MixtureSpace(DOMAINS), ("loss",), passes=passes, repetition_decay=decay or {})


def test_shares_are_the_weights_until_a_domain_repeats_and_less_after_that():
    shares = effective_shares(context())
    X = torch.tensor([[0.02, 0.98], [0.5, 0.5]], dtype=torch.float64)
    found = shares(X)
    torch.testing.assert_close(found[0], X[0])
    assert found[1, 0].item() == pytest.approx(effective_passes(torch.tensor(20.0), torch.tensor(15.4)).item() / 40.0)
    assert found[1, 1].item() == 0.5
    assert effective_shares(context(decay={"books": 1.0}))(X)[1, 0] < found[1, 0] / 4.0


def test_a_loss_that_falls_with_fresh_text_alone_is_foretold_better_than_by_weights():
    X = torch.linspace(0.01, 0.99, 14, dtype=torch.float64)
    X = torch.stack([X, 1.0 - X], dim=-1)
    Y = 2.0 + torch.exp(-6.0 * effective_shares(context())(X)[:, :1])
    data = SupervisedDataset(X, Y, feature_names=list(DOMAINS), outcome_names=["loss"])
    errors = [
        (spec(form="exponential").feature(data, context=context(), seed=0).predict(X) - Y).abs().max().item()
        for spec in (EffectiveLaw, LawMean)
    ]
    assert errors[0] < 0.01 < errors[1]


def test_without_tokens_it_is_the_law():
    X = torch.rand(8, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    X /= X.sum(dim=-1, keepdim=True)
    data = SupervisedDataset(X, X[:, :1].square(), feature_names=list(DOMAINS), outcome_names=["loss"])
    found = [spec().feature(data, context=context({}), seed=0).predict(X) for spec in (EffectiveLaw, LawMean)]
    torch.testing.assert_close(*found, rtol=0.0, atol=0.0)
