"""Fits that do not give up at the first broken matrix."""

from __future__ import annotations

import logging

import pytest
import torch

from bomix.errors import FitError
from bomix.surrogates.combined import fallback
from bomix.surrogates.regression.specs import EmpiricalMean


class Breaking:
    def __init__(self, error):
        self.error = error

    def fit(self, data, *, context, seed):
        raise self.error


def test_numbers_that_break_lead_to_a_simpler_model_and_are_logged(runs, monkeypatch, caplog):
    monkeypatch.setattr(fallback, "SIMPLER", (Breaking(ZeroDivisionError()), EmpiricalMean()))
    data, context = runs(6)
    with caplog.at_level(logging.WARNING, "bomix"):
        model = fallback.fit(Breaking(torch.linalg.LinAlgError("no factor")), data, context=context, seed=0)
    expected = EmpiricalMean().fit(data, context=context, seed=0)
    torch.testing.assert_close(model.posterior(data.X[:1]).mean, expected.posterior(data.X[:1]).mean)
    assert "no factor" in caplog.text


def test_a_mistake_in_the_code_is_raised_as_it_is(runs):
    data, context = runs(6)
    with pytest.raises(KeyError):
        fallback.fit(Breaking(KeyError("lengthscale")), data, context=context, seed=0)


def test_where_nothing_can_be_fitted_every_reason_is_told(runs, monkeypatch):
    monkeypatch.setattr(fallback, "SIMPLER", (Breaking(OverflowError("too far")),))
    data, context = runs(6)
    with pytest.raises(FitError, match=r"no factor.*too far"):
        fallback.fit(Breaking(torch.linalg.LinAlgError("no factor")), data, context=context, seed=0)
