"""Objectives that are no weighted sums, groups and trade-offs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from bomix.config import registry
from bomix.config.build import build, plain
from bomix.contracts.objective import Objective
from bomix.errors import BomixError, FaultsError
from bomix.objectives.pareto import Pareto
from bomix.objectives.robust import Excess, Guardrail, SmoothMax, Worst
from bomix.objectives.weighted import Groups, Mean, WeightedMean

METRICS = ("books", "code", "web")
LOSSES = np.random.default_rng(0).normal(3.0, 0.3, size=(2, 5, 3))
REFERENCE = {"books": 3.1, "code": 2.9, "web": 3.0}
REF = np.array(list(REFERENCE.values()))
TWO = ("web", "code")

OBJECTIVES = {
    "worst": (Worst(), lambda L: L.max(-1)),
    "worst of two": (Worst(TWO), lambda L: L[..., 1:].max(-1)),
    "smooth": (SmoothMax(temperature=0.2), lambda L: 0.2 * np.log(np.exp(L / 0.2).mean(-1))),
    "excess": (Excess(reference=REFERENCE).with_reference(REFERENCE), lambda L: (L - REF).max(-1)),
    "smooth excess": (
        Excess(reference=REFERENCE, combine="smooth", temperature=0.2).with_reference(REFERENCE),
        lambda L: 0.2 * np.log(np.exp((L - REF) / 0.2).mean(-1)),
    ),
    "positive excess": (
        Excess(reference=REFERENCE, combine="mean_of_positive").with_reference(REFERENCE),
        lambda L: np.maximum(L - REF, 0.0).mean(-1),
    ),
    "guardrail": (
        Guardrail(reference=REFERENCE, margin=0.1, penalty=7.0).with_reference(REFERENCE),
        lambda L: L.mean(-1) + 7.0 * np.maximum(L - REF - 0.1, 0.0).sum(-1),
    ),
    "guardrail of one": (
        Guardrail(("web",), base=WeightedMean({"code": 1.0})).with_reference({"web": 3.0}),
        lambda L: L[..., 1] + 10.0 * np.maximum(L[..., 2] - 3.0, 0.0),
    ),
    "groups": (Groups({"a": TWO, "b": ("books",)}), lambda L: L[..., 1:].mean(-1) + L[..., 0]),
    "mean of groups": (
        Groups({"a": TWO, "all": METRICS}, combine="mean"),
        lambda L: (L[..., 1:].mean(-1) + L.mean(-1)) / 2.0,
    ),
    "pareto": (Pareto({"a": TWO, "b": ("books",)}), lambda L: (L[..., 1:].mean(-1) + L[..., 0]) / 2.0),
}
every = pytest.mark.parametrize(("objective", "formula"), OBJECTIVES.values(), ids=list(OBJECTIVES))


@every
class TestEveryObjective:
    def test_is_its_formula(self, objective, formula):
        assert isinstance(objective, Objective)
        assert objective.faults() == objective.metric_faults(METRICS) == []
        np.testing.assert_allclose(objective(LOSSES, METRICS), formula(LOSSES))

    def test_arrays_and_tensors_agree_and_gradients_are_those_of_differences(self, objective, formula):
        losses = torch.tensor(LOSSES, requires_grad=True)
        value = objective(losses, METRICS)
        np.testing.assert_allclose(value.detach(), objective(LOSSES, METRICS))
        (gradient,) = torch.autograd.grad(value.sum(), losses)
        step = np.random.default_rng(1).normal(size=LOSSES.shape)
        change = (objective(LOSSES + 1e-7 * step, METRICS) - objective(LOSSES - 1e-7 * step, METRICS)) / 2e-7
        np.testing.assert_allclose((gradient.numpy() * step).sum(-1), change, atol=1e-5)

    def test_coefficients_are_those_of_the_sum_where_it_is_one(self, objective, formula):
        coefficients = objective.coefficients(METRICS)
        linear = np.allclose(formula(LOSSES + LOSSES[::-1]), formula(LOSSES) + formula(LOSSES[::-1]))
        assert (coefficients is not None) == linear
        if linear:
            np.testing.assert_allclose(LOSSES @ coefficients, formula(LOSSES))

    def test_follows_names_and_never_falls_where_a_metric_rises(self, objective, formula):
        order = [2, 0, 1]
        permuted = objective(LOSSES[..., order], [METRICS[i] for i in order])
        np.testing.assert_allclose(permuted, objective(LOSSES, METRICS))
        for column in range(3):
            assert (objective(LOSSES + 0.3 * np.eye(3)[column], METRICS) >= objective(LOSSES, METRICS)).all()

    def test_survives_a_study_file(self, objective, formula):
        kind = registry.kind_of("objective", type(objective))
        assert registry.resolve("objective", kind) is type(objective)
        again, faults = build(type(objective), plain(objective))
        assert (type(again), plain(again), faults) == (type(objective), plain(objective), [])

    def test_wrong_shapes_and_no_metrics_are_refused(self, objective, formula):
        with pytest.raises(BomixError, match="3 columns"):
            objective(LOSSES[..., :2], METRICS)
        assert objective.metric_faults(()) != []


def test_metrics_that_do_not_count_may_be_missing_and_others_may_not():
    losses = np.where([True, False, False], np.nan, LOSSES)
    assert np.isfinite(Worst(TWO)(losses, METRICS)).all()
    assert np.isnan(Worst()(losses, METRICS)).all()
    assert SmoothMax()(torch.tensor(losses), METRICS).isnan().all()
    pareto = Pareto({"a": ("code",), "b": ("web",)})
    np.testing.assert_allclose(pareto(losses, METRICS), LOSSES[..., 1:].mean(axis=-1))


def test_the_smooth_maximum_lies_between_mean_and_maximum_and_grows_sharper():
    by_temperature = [SmoothMax(temperature=t)(LOSSES, METRICS) for t in (1e-4, 0.1, 1.0, 1e3)]
    assert all((sharper >= softer).all() for sharper, softer in pairwise(by_temperature))
    np.testing.assert_allclose(by_temperature[0], LOSSES.max(-1), atol=2e-4)
    np.testing.assert_allclose(by_temperature[-1], LOSSES.mean(-1), atol=1e-4)
    np.testing.assert_allclose(SmoothMax()(np.full((1, 3), 2.5), METRICS), 2.5)


def test_averages_of_tasks_and_texts_can_be_said_as_groups():
    texts, tasks = ("t0", "t1", "t2"), ("e0", "e1")
    names = (*texts, *tasks)
    losses = np.random.default_rng(2).normal(size=5)
    of_texts, of_tasks = losses[:3].mean(), losses[3:].mean()
    assert Groups({"sp": texts})(losses, names) == pytest.approx(of_texts)
    assert Groups({"et+sp": names})(losses, names) == pytest.approx(losses.mean())
    assert Groups({"sp": texts, "et": tasks})(losses, names) == pytest.approx(of_texts + of_tasks)


def test_without_a_reference_the_value_is_not_a_number():
    for objective in (Excess(), Guardrail(reference="natural")):
        assert objective.needs_reference() in {"uniform", "natural"}
        assert np.isnan(objective(LOSSES, METRICS)).all()
        filled = objective.with_reference(REFERENCE)
        assert filled.needs_reference() is None
        np.testing.assert_allclose(
            filled(LOSSES, METRICS), type(objective)().with_reference(REFERENCE)(LOSSES, METRICS)
        )
        assert objective.needs_reference() is not None
        assert "measured" not in plain(filled)


def test_the_guardrail_says_whether_it_holds():
    guard = Guardrail(margin=0.1).with_reference(REFERENCE)
    losses = np.array([REF + 0.1 - 1e-9, REF + np.array([0.0, 0.11, 0.0]), REF + np.array([0.0, np.nan, 0.0])])
    assert guard.holds(losses, METRICS).tolist() == [True, False, False]
    assert guard.holds(torch.tensor(losses), METRICS).tolist() == [True, False, False]
    inside = losses[0]
    assert guard(inside, METRICS) == pytest.approx(inside.mean())


def test_the_optimum_of_a_guardrail_obeys_it_where_the_mean_does_not():
    w = np.linspace(0.0, 1.0, 100_001)
    losses = np.stack([2.0 + np.exp(-4.0 * w), 2.0 + 0.3 * w, 2.0 + 0.2 * (1.0 - w)], axis=-1)
    reference = dict(zip(METRICS, losses[w == 0.5][0].tolist(), strict=True))
    guard = Guardrail(margin=0.02).with_reference(reference)
    free, bound = Mean()(losses, METRICS).argmin(), guard(losses, METRICS).argmin()
    kept = guard.holds(losses, METRICS)
    assert not kept[free]
    assert w[bound] == pytest.approx(0.5 + 0.02 / 0.3, abs=2e-5)
    assert abs(bound - np.where(kept, losses.mean(-1), np.inf).argmin()) <= 1


@pytest.mark.parametrize(
    ("objective", "where"),
    [
        (Worst(("web", "web")), ["metrics"]),
        (SmoothMax(temperature=0.0), ["temperature"]),
        (Excess(reference={"web": float("nan")}, temperature=-1.0), ["reference.web", "temperature"]),
        (Guardrail(base=Excess(), penalty=0.0), ["penalty", "base"]),
        (Guardrail(base=Pareto({"a": ("x",), "b": ("y",)})), ["base"]),
        (Groups({}), ["of"]),
        (Groups({"a": (), "b": ("x", "x")}), ["of.a", "of.b"]),
        (Pareto({"a": ("x",)}), ["groups"]),
    ],
)
def test_faults_of_the_fields(objective, where):
    assert [fault.where for fault in objective.faults()] == where


@pytest.mark.parametrize(
    ("objective", "where"),
    [
        (Worst(("cod",)), ["metrics.cod"]),
        (Excess(reference={"web": 1.0, "cod": 1.0, "books": 1.0}), ["reference.cod", "reference"]),
        (Guardrail(base=Mean(("cod",))), ["base.metrics.cod"]),
        (Groups({"a": ("cod", "web")}), ["of.a.cod"]),
        (Pareto({"a": ("web",), "b": ("cod",)}), ["groups.b.cod"]),
    ],
)
def test_unknown_metrics_are_named_where_they_stand(objective, where):
    assert [fault.where for fault in objective.metric_faults(METRICS)] == where
    with pytest.raises(FaultsError, match="cod"):
        objective(LOSSES, METRICS)


def test_a_reference_given_by_hand_counts_once_its_signs_are_turned():
    """As every reference, it is filled in by `resolved`, which knows the directions."""
    assert np.isnan(Excess(reference=REFERENCE)(LOSSES, METRICS)).all()
