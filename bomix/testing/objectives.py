"""What every objective owes to the strategies and the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from bomix.contracts.objective import ObjectiveTraits
from bomix.contracts.traits import traits
from bomix.errors import BomixError, Fault
from bomix.testing.base import SpecBattery

FAR = 50.0
"""Nats per token by which a loss is raised to see whether it counts at all."""


class ObjectiveBattery(SpecBattery):
    """Tests of an objective: :class:`bomix.contracts.objective.Objective`, a function of the metrics to minimise.

    Three lines test one of your own::

        class TestMine(ObjectiveBattery):
            spec = MyObjective()

    What is tested, and why:

    * Losses ``(...) x m`` become ``(...)``, each row by itself, the same for NumPy arrays and torch tensors: the
      record is scored by the one, the search by the other. Tensors keep their precision and have gradients.
    * Metrics are found by name: in another order, with their losses, the value is the same.
    * No loss that rises lowers the objective, and all together raise it. Lower is better, everywhere in bomix.
    * NaN in a metric that counts is NaN in the objective, and one that does not count changes nothing: a trial that
      lacks a metric must not look good.
    * ``coefficients`` are those of the weighted sum that it is, or None.
    * Metrics that are none, and columns that are missing, are told.
    * One that compares with a reference is NaN until ``with_reference`` has filled it in, in a copy.
    * Guardrails that hold keep holding where losses fall, and never hold where one is NaN.
    * A trade-off of groups has non-negative weights that sum to one for each group.
    * It is a frozen dataclass that a study file can say.

    Attributes:
        spec: The objective, its reference not yet filled in.
        metrics: Names of at least two metrics that it fits.
        reference: What a reference run has of each metric; by default 3 nats per token of all.
    """

    group = "objective"
    metrics: ClassVar[tuple[str, ...]] = ("books", "code", "web")
    reference: ClassVar[Mapping[str, float] | None] = None

    @property
    def objective(self) -> Any:
        """The spec, with its reference filled in where it wants one."""
        if not self._wants_reference():
            return self.spec
        return self.spec.with_reference(self.reference or dict.fromkeys(self.metrics, 3.0))

    @property
    def losses(self) -> np.ndarray:
        """``2 x 5 x m`` losses about the reference."""
        return np.random.default_rng(0).normal(3.0, 0.3, size=(2, 5, len(self.metrics)))

    def test_it_fits_its_metrics(self) -> None:
        """A study refuses to begin with an objective that has faults."""
        assert traits(self.spec, ObjectiveTraits).metric_faults(self.metrics) == []

    def test_no_metrics_is_a_fault(self) -> None:
        """An evaluator that measures nothing leaves nothing to minimise."""
        if "metric_faults" not in dir(self.spec):
            pytest.skip("it takes whatever metrics there are")
        found = self.spec.metric_faults(())
        assert found
        assert all(isinstance(fault, Fault) for fault in found)

    def test_each_row_has_its_value(self) -> None:
        """Batches of any shape, each row as by itself."""
        values = self.objective(self.losses, self.metrics)
        assert values.shape == (2, 5)
        assert np.isfinite(values).all()
        for index in np.ndindex(2, 5):
            alone = self.objective(self.losses[index], self.metrics)
            assert np.shape(alone) == ()
            assert alone == pytest.approx(values[index], rel=1e-12)

    def test_tensors_have_the_same_values_and_gradients(self) -> None:
        """The search runs on tensors, the record is scored with arrays."""
        losses = torch.as_tensor(self.losses).requires_grad_()
        values = self.objective(losses, self.metrics)
        np.testing.assert_allclose(values.detach().numpy(), self.objective(self.losses, self.metrics), rtol=1e-12)
        (gradient,) = torch.autograd.grad(values.sum(), losses)
        assert gradient.isfinite().all()
        assert (gradient >= 0.0).all()
        assert self.objective(losses.float(), self.metrics).dtype == torch.float32

    def test_what_it_is_given_stays_as_it_is(self) -> None:
        """The same losses go on to others."""
        losses, tensor = self.losses, torch.as_tensor(self.losses)
        self.objective(losses, self.metrics)
        self.objective(tensor, self.metrics)
        np.testing.assert_array_equal(losses, self.losses)
        np.testing.assert_array_equal(tensor.numpy(), self.losses)

    def test_it_follows_names_when_metrics_change_places(self) -> None:
        """Metrics are joined by name, never by position."""
        order = [*range(1, len(self.metrics)), 0]
        permuted = self.objective(self.losses[..., order], [self.metrics[column] for column in order])
        np.testing.assert_allclose(permuted, self.objective(self.losses, self.metrics), rtol=1e-12)

    def test_no_loss_that_rises_lowers_it(self) -> None:
        """Lower is better of every metric, and of the objective."""
        values = self.objective(self.losses, self.metrics)
        for column in range(len(self.metrics)):
            for rise in (1e-3, 0.1, FAR):
                assert (self._raised(column, rise) >= values - 1e-12).all()

    def test_losses_that_all_rise_raise_it(self) -> None:
        """An objective that nothing moves minimises nothing."""
        values = self.objective(self.losses, self.metrics)
        assert (self.objective(self.losses + FAR, self.metrics) > values).all()

    def test_nan_in_a_metric_that_counts_is_nan(self) -> None:
        """A trial that lacks a metric has no value; one that lacks what does not count has."""
        values = self.objective(self.losses, self.metrics)
        counting = []
        for column in range(len(self.metrics)):
            counts = not np.allclose(self._raised(column, FAR), values)
            counting.append(counts)
            for losses in (self._replaced(column, np.nan), torch.as_tensor(self._replaced(column, np.nan))):
                found = np.asarray(self.objective(losses, self.metrics))
                np.testing.assert_allclose(found, np.full_like(values, np.nan) if counts else values, rtol=1e-12)
        assert any(counting)

    def test_wrong_columns_are_refused(self) -> None:
        """Losses without a column for each metric would be summed under the wrong names."""
        if traits(self.objective, ObjectiveTraits).metric_faults is ObjectiveTraits.metric_faults:
            pytest.skip("it names no metrics: whatever columns there are will do")
        for losses in (self.losses[..., :-1], torch.as_tensor(self.losses[..., :-1])):
            with pytest.raises(BomixError):
                self.objective(losses, self.metrics)

    def test_coefficients_are_those_of_the_sum_that_it_is(self) -> None:
        """Weighted sums have closed forms, which are taken where there are coefficients."""
        coefficients = traits(self.objective, ObjectiveTraits).coefficients(self.metrics)
        if coefficients is None:
            return
        assert coefficients.shape == (len(self.metrics),)
        assert (coefficients >= 0.0).all()
        values = self.objective(self.losses, self.metrics)
        np.testing.assert_allclose(values, self.losses @ coefficients, rtol=1e-12)

    def test_it_is_nan_until_it_has_its_reference(self) -> None:
        """The reference comes from the record, filled into a copy: the spec in the study file stays as it is."""
        if not self._wants_reference():
            pytest.skip("it compares with no reference")
        before = self.spec
        assert np.isnan(self.spec(self.losses, self.metrics)).all()
        assert self.objective.needs_reference() is None
        assert np.isfinite(self.objective(self.losses, self.metrics)).all()
        assert before == self.spec
        assert self.spec.needs_reference() is not None

    def test_guardrails_that_hold_keep_holding_where_losses_fall(self) -> None:
        """The recommendation is one whose guardrails hold; what is not known does not."""
        if traits(self.spec, ObjectiveTraits).holds is None:
            pytest.skip("it has no guardrails")
        held = self.objective.holds(self.losses, self.metrics)
        assert held.shape == (2, 5)
        assert held.dtype == np.bool_
        np.testing.assert_array_equal(self.objective.holds(torch.as_tensor(self.losses), self.metrics).numpy(), held)
        assert self.objective.holds(self.losses - FAR, self.metrics).all()
        assert not self.objective.holds(self.losses + FAR, self.metrics).any()
        assert not self.objective.holds(np.full_like(self.losses, np.nan), self.metrics).any()

    def test_groups_of_a_trade_off_are_weighted_means(self) -> None:
        """Each group is one axis of the front, of which less is better."""
        if traits(self.spec, ObjectiveTraits).group_coefficients is None:
            pytest.skip("it is no trade-off")
        groups = self.objective.group_coefficients(self.metrics)
        assert groups.shape[0] >= 2
        assert groups.shape[1] == len(self.metrics)
        assert (groups >= 0.0).all()
        np.testing.assert_allclose(groups.sum(axis=1), 1.0)

    def _replaced(self, column: int, value: float) -> np.ndarray:
        losses = self.losses
        losses[..., column] = value
        return losses

    def _raised(self, column: int, rise: float) -> np.ndarray:
        """The objective where one loss is higher."""
        losses = self.losses
        losses[..., column] += rise
        return np.asarray(self.objective(losses, self.metrics))

    def _wants_reference(self) -> bool:
        needs_reference = traits(self.spec, ObjectiveTraits).needs_reference
        return needs_reference is not None and needs_reference() is not None
