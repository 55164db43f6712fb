"""Folds whose hyperparameters are found in one batch: what one fit after the other says, in less time."""

from __future__ import annotations

import pytest
import torch

from bomix.surrogates.cross_validation.held_out import refitted
from bomix.surrogates.gp import refitted as module
from bomix.surrogates.gp.refitted import refitted_at_once
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.kernels.specs import Linear
from tests.surrogates.gp.test_shared_hyperparameters import CONTEXT, data

SHARED = GP(draws=0, restarts=1, pooling=0.0)


@pytest.fixture(scope="module")
def runs():
    found = data(12)
    found.Y[3, 1] = torch.nan
    return found


def test_folds_in_one_batch_are_those_of_one_fit_after_the_other(runs):
    one, other = (each(SHARED, runs, context=CONTEXT, seed=0, folds=4) for each in (refitted, refitted_at_once))
    torch.testing.assert_close(one.mean, other.mean, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(one.covariance, other.covariance, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("surrogate", [GP(draws=0, restarts=1, kernels=(Linear(),)), GP(draws=2, pooling=0.3)])
def test_other_surrogates_are_refitted_one_by_one(runs, surrogate, monkeypatch):
    called = []
    monkeypatch.setattr(module, "refitted", lambda *_, **options: called.append(options["folds"]))
    refitted_at_once(surrogate, runs, context=CONTEXT, seed=0, folds=3)
    assert called == [3]
