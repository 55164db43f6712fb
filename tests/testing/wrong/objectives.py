"""Objectives that reward what they should not."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from bomix.contracts.objective import Objective
from bomix.errors import Fault
from bomix.objectives.pareto import Pareto
from bomix.objectives.robust import Guardrail
from bomix.objectives.weighted import Mean
from bomix.testing import ObjectiveBattery


@dataclass(frozen=True)
class Wrong:
    how: str = ""
    inner: Objective = Mean()

    def metric_faults(self, metrics):
        if self.how == "content":
            return []
        return self.inner.metric_faults(metrics) + [Fault("how", "is wrong")] * (self.how == "never")

    def coefficients(self, metrics):
        return np.ones(len(metrics)) if self.how == "unscaled" else self.inner.coefficients(metrics)

    def __call__(self, losses, metrics):
        match self.how:
            case "batch":
                return losses.mean(-1) - losses.mean()
            case "arrays":
                return np.asarray(losses).mean(-1)
            case "double":
                value = self.inner(losses, metrics)
                return value.double() if isinstance(losses, torch.Tensor) else value
            case "in_place":
                losses += 1.0
            case "first":
                return losses[..., 0]
            case "reward":
                return self.inner(losses, metrics) - 0.9 * losses[..., -1]
            case "nothing":
                return 0.0 * losses.sum(-1)
            case "gaps" if isinstance(losses, np.ndarray):
                return np.nanmean(losses, axis=-1)
            case "any_columns":
                return losses.mean(-1)
        return self.inner(losses, metrics)


class TestNever(ObjectiveBattery):
    spec = Wrong("never")
    caught_by = ("test_it_fits_its_metrics",)


class TestContentWithoutMetrics(ObjectiveBattery):
    spec = Wrong("content")
    caught_by = ("test_no_metrics_is_a_fault",)


class TestRelativeToTheBatch(ObjectiveBattery):
    spec = Wrong("batch")
    caught_by = ("test_each_row_has_its_value",)


class TestArraysAlone(ObjectiveBattery):
    spec = Wrong("arrays")
    caught_by = ("test_tensors_have_the_same_values_and_gradients",)


class TestAnotherPrecision(ObjectiveBattery):
    spec = Wrong("double")
    caught_by = ("test_tensors_have_the_same_values_and_gradients",)


class TestInPlace(ObjectiveBattery):
    spec = Wrong("in_place")
    caught_by = ("test_what_it_is_given_stays_as_it_is",)


class TestByPosition(ObjectiveBattery):
    spec = Wrong("first")
    caught_by = ("test_it_follows_names_when_metrics_change_places",)


class TestRewardsALoss(ObjectiveBattery):
    spec = Wrong("reward")
    caught_by = ("test_no_loss_that_rises_lowers_it",)


class TestNothingCounts(ObjectiveBattery):
    spec = Wrong("nothing")
    caught_by = ("test_losses_that_all_rise_raise_it",)


class TestGapsLookGood(ObjectiveBattery):
    spec = Wrong("gaps")
    caught_by = ("test_nan_in_a_metric_that_counts_is_nan",)


class TestAnyColumns(ObjectiveBattery):
    spec = Wrong("any_columns")
    caught_by = ("test_wrong_columns_are_refused",)


class TestOtherCoefficients(ObjectiveBattery):
    spec = Wrong("unscaled")
    caught_by = ("test_coefficients_are_those_of_the_sum_that_it_is",)


@dataclass(frozen=True)
class Early(Mean):
    """It does not wait for its reference."""

    known: dict = field(default_factory=dict)

    def needs_reference(self):
        return None if self.known else "uniform"

    def with_reference(self, losses):
        self.known.update(losses)
        return self


class TestChangesItself(ObjectiveBattery):
    spec = Early()
    caught_by = ("test_it_is_nan_until_it_has_its_reference",)


@dataclass(frozen=True)
class Careless(Guardrail):
    def holds(self, losses, metrics):
        return ~(self._excess(losses, metrics) > self.margin).any(-1)


class TestHoldsOfWhatIsNotKnown(ObjectiveBattery):
    spec = Careless()
    caught_by = ("test_guardrails_that_hold_keep_holding_where_losses_fall",)


@dataclass(frozen=True)
class Doubled(Pareto):
    def group_coefficients(self, metrics):
        return 2.0 * super().group_coefficients(metrics)


class TestGroupsThatDoNotSumToOne(ObjectiveBattery):
    spec = Doubled({"a": ("web", "code"), "b": ("books",)})
    caught_by = ("test_groups_of_a_trade_off_are_weighted_means",)
