"""Objectives over named metrics."""

from __future__ import annotations

import numpy as np
import pytest

from bomix.contracts.objective import Objective
from bomix.errors import BomixError, FaultsError
from bomix.objectives.weighted import Mean, WeightedMean

METRICS = ("books", "code", "web")
LOSSES = np.array([[[3.0, 1.0, 2.0], [1.0, 1.0, 1.0]]])
OBJECTIVES = [
    (Mean(), [1 / 3, 1 / 3, 1 / 3]),
    (Mean(("web", "code")), [0.0, 0.5, 0.5]),
    (WeightedMean({"web": 3.0, "books": 1.0}), [0.25, 0.0, 0.75]),
    (WeightedMean({"web": 3.0, "books": 1.0}, normalise=False), [1.0, 0.0, 3.0]),
]


@pytest.mark.parametrize(("objective", "coefficients"), OBJECTIVES)
class TestEveryObjective:
    def test_is_the_weighted_sum_of_its_coefficients(self, objective, coefficients):
        assert isinstance(objective, Objective)
        assert objective.coefficients(METRICS) == pytest.approx(coefficients)
        assert objective(LOSSES, METRICS) == pytest.approx(LOSSES @ coefficients)
        assert objective(LOSSES, METRICS).shape == (1, 2)
        assert objective.faults() == objective.metric_faults(METRICS) == []

    def test_follows_names_when_metrics_change_places(self, objective, coefficients):
        order = [2, 0, 1]
        permuted = objective(LOSSES[..., order], [METRICS[i] for i in order])
        assert permuted == pytest.approx(objective(LOSSES, METRICS))

    def test_takes_tensors_and_has_its_coefficients_as_gradient(self, objective, coefficients):
        import torch

        losses = torch.tensor(LOSSES, requires_grad=True)
        value = objective(losses, METRICS)
        assert value.detach().numpy() == pytest.approx(objective(LOSSES, METRICS))
        value.sum().backward()
        assert losses.grad.numpy() == pytest.approx(np.broadcast_to(coefficients, LOSSES.shape))
        assert objective(losses.float(), METRICS).dtype == torch.float32

    def test_metrics_that_do_not_count_may_be_missing(self, objective, coefficients):
        losses = np.where(np.array(coefficients) == 0.0, np.nan, LOSSES)
        assert objective(losses, METRICS) == pytest.approx(objective(LOSSES, METRICS))

    def test_wrong_shapes_are_refused(self, objective, coefficients):
        with pytest.raises(BomixError, match="3 columns"):
            objective(LOSSES[..., :2], METRICS)

    def test_no_metrics_is_a_fault(self, objective, coefficients):
        assert objective.metric_faults(()) != []


@pytest.mark.parametrize("objective", [Mean(("web", "cod", "boks")), WeightedMean({"web": 1, "cod": 1, "boks": 2})])
def test_unknown_metrics_are_named_together_with_what_was_meant(objective):
    faults = objective.metric_faults(METRICS)
    assert [fault.where.split(".")[1] for fault in faults] == ["cod", "boks"]
    assert "did you mean 'code'?" in str(faults[0])
    assert "did you mean 'books'?" in str(faults[1])
    with pytest.raises(FaultsError, match="boks"):
        objective(LOSSES, METRICS)


@pytest.mark.parametrize(
    ("objective", "where"),
    [
        (Mean(("web", "web")), ["metrics"]),
        (WeightedMean({}), ["of"]),
        (WeightedMean({"web": 0.0}), ["of"]),
        (WeightedMean({"web": -1.0, "code": float("nan")}), ["of.web", "of.code"]),
    ],
)
def test_faults_of_the_fields(objective, where):
    assert [fault.where for fault in objective.faults()] == where
