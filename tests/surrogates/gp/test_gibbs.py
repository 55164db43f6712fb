"""Hyperparameters drawn together with what is missing."""

from __future__ import annotations

import dataclasses

import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.surrogates.gp import gibbs
from bomix.surrogates.gp.spec import GP
from tests.known.runs import points


def test_it_adds_as_many_draws_whatever_the_order_of_the_trials(runs):
    data, context = runs(8)
    Y = data.Y.clone()
    Y[[1, 4, 6], 0] = torch.nan
    names = {"feature_names": data.feature_names, "outcome_names": data.outcome_names}
    order = torch.tensor([5, 2, 7, 0, 1, 6, 3, 4])
    found = []
    for rows in (torch.arange(8), order):
        here = dataclasses.replace(context, trials=tuple(rows.tolist()))
        apart = GP(draws=1).fit(SupervisedDataset(data.X[rows], Y[rows], **names), context=here, seed=0)
        both = gibbs.redrawn(apart, torch.eye(3, dtype=torch.float64), shrinkage=5.0, seed=1)
        for one, more in zip(apart.families, both.families, strict=True):
            assert len(more.theta) == 2 * len(one.theta)
            assert torch.equal(more.theta[: len(one.theta)], one.theta)
        found.append(both.posterior(points(context).unsqueeze(-2)).mean)
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-3)
