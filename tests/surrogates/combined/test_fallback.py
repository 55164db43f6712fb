"""Fits that do not give up at the first broken matrix."""

from __future__ import annotations

import dataclasses
import logging

import pytest
import torch

from bomix.errors import FitError
from bomix.scale import Scale
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


SMALL, LARGE = Scale(10**6, 10**8), Scale(10**8, 10**10)


def test_of_several_scales_a_simpler_model_learns_from_the_target_alone(runs, monkeypatch):
    monkeypatch.setattr(fallback, "SIMPLER", (EmpiricalMean(),))
    data, alone = runs(6)
    context = dataclasses.replace(alone, scales=(SMALL, SMALL, None, LARGE, SMALL, SMALL), target=LARGE)
    model = fallback.fit(Breaking(torch.linalg.LinAlgError("no factor")), data, context=context, seed=0)
    torch.testing.assert_close(model.posterior(data.X[:1]).mean, data.Y[2:4].mean(dim=0, keepdim=True))
    # The rows are those of all scales, which it knows nothing of.
    assert model.leave_one_out() is None


def test_without_a_run_of_the_target_no_simpler_model_steps_in(runs):
    data, alone = runs(6)
    context = dataclasses.replace(alone, scales=(SMALL,) * 6, target=LARGE)
    with pytest.raises(FitError, match=r"no factor.*100M params x 10B tokens has no run"):
        fallback.fit(Breaking(torch.linalg.LinAlgError("no factor")), data, context=context, seed=0)
