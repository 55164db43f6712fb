"""Correlations of metrics: what they are, how sure they are, and their figure."""

from __future__ import annotations

import io

import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread
from scipy.stats import spearmanr

from bomix.errors import StudyError
from bomix.objectives.weighted import Groups, Mean
from bomix.problem import Metric, Problem
from bomix.report.correlation import correlate, markdown, ranked, scores_of
from bomix.report.figures.correlation import figure, render
from bomix.space.mixture_space import MixtureSpace


def dataset(values, names=None, *, directions=None, origins=None, status=None):
    """Trials by metrics, as a study has them."""
    n, m = np.shape(values)
    names = names or [f"m{index}" for index in range(m)]
    coords = {"trial": range(n), "metric": names, "direction": ("metric", directions or ["min"] * m)}
    coords |= {"origin": ("trial", origins)} if origins else {}
    coords |= {"status": ("trial", status)} if status else {}
    return xr.Dataset({"loss": (("trial", "metric"), np.asarray(values, dtype=float))}, coords)


def random(n=30, m=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, m)) @ rng.normal(size=(m, m))


def test_every_pair_is_what_scipy_says():
    values = random()
    found = correlate(dataset(values))
    np.testing.assert_allclose(found["rho"].values, spearmanr(values).statistic, atol=1e-14)
    assert (found["n"].values == 30).all()


def test_gaps_are_left_out_pair_by_pair():
    values = random()
    values[:10, 0] = np.nan
    found = correlate(dataset(values))
    assert found["n"].sel(metric="m0").values.tolist() == [20] * 4
    assert found["n"].sel(metric="m1").values.tolist() == [20, 30, 30, 30]
    assert found["rho"].sel(metric="m0", other="m2") == pytest.approx(spearmanr(values[10:, [0, 2]]).statistic)


def test_what_does_not_vary_or_is_hardly_measured_is_undefined():
    values = random()
    values[:, 1], values[3:, 2] = 2.0, np.nan
    found = correlate(dataset(values))
    for name in ("rho", "lower", "upper"):
        assert np.isnan(found[name].sel(metric=["m1", "m2"])).all()
    assert int(found["n"].sel(metric="m2", other="m2")) == 3
    assert ranked(found)[-2:] == [1, 2]
    assert "| m1 | - |" in markdown(found)


def test_an_accuracy_is_turned():
    values = random()
    plain, turned = (correlate(dataset(values, directions=[each, *["min"] * 3])) for each in ("min", "max"))
    assert turned["other"].values.tolist() == ["m0", "m1", "m2", "m3"]
    assert turned["role"].values.tolist() == ["accuracy", "loss", "loss", "loss"]
    np.testing.assert_allclose(turned["rho"].values[0, 1:], -plain["rho"].values[0, 1:])
    assert float(turned["rho"].sel(metric="m0", other="m0")) == pytest.approx(1.0)


def test_objective_and_groups_are_those_of_the_study():
    values = random()
    metrics = tuple(Metric(f"m{index}", direction="max" if index == 3 else "min") for index in range(4))
    problem = Problem(MixtureSpace(["a", "b"]), metrics, Groups({"text": ("m0", "m1"), "tasks": ("m2", "m3")}))
    given = dataset(values, directions=["min", "min", "min", "max"])
    scores = scores_of(problem, given)
    signed = values * [1.0, 1.0, 1.0, -1.0]
    np.testing.assert_allclose(scores.sel(score="text"), signed[:, :2].mean(axis=1))
    np.testing.assert_allclose(scores.sel(score="objective"), signed[:, :2].mean(axis=1) + signed[:, 2:].mean(axis=1))
    found = correlate(given, scores=scores)
    assert found["other"].values.tolist() == ["objective", "mean of text", "mean of tasks", "m3", "m0", "m1", "m2"]
    known = spearmanr(values[:, 0], scores.sel(score="objective")).statistic
    assert float(found["rho"].sel(metric="m0", other="objective")) == pytest.approx(known)


def test_scores_keep_off_the_names_of_metrics():
    given = dataset(random(m=2), ["objective", "web"])
    problem = Problem(MixtureSpace(["a", "b"]), (Metric("objective"), Metric("web")), Mean())
    found = correlate(given, scores=scores_of(problem, given))
    assert found["other"].values.tolist() == ["study_objective", "objective", "web"]


def test_only_completed_trials_count_and_experts_where_they_are_wanted():
    values = random(n=12)
    given = dataset(
        values,
        origins=["expert"] * 5 + ["imported"] * 2 + ["sobol"] * 5,
        status=["completed"] * 11 + ["pending"],
    )
    assert correlate(given).attrs["trials"] == 6
    assert correlate(given, experts=True).attrs["trials"] == 11


def test_trials_of_another_scale_never_count():
    given = dataset(random(n=12), origins=["expert"] * 5 + ["imported"] * 2 + ["sobol"] * 5)
    tokens = [50.0] * 3 + [200.0] * 2 + [np.nan, 800.0] + [200.0] * 5
    given = given.assign(tokens=("trial", tokens)).assign_attrs(scale='{"params": null, "tokens": 200}')
    assert correlate(given).attrs["trials"] == 6
    assert correlate(given, experts=True).attrs["trials"] == 8


@pytest.mark.parametrize("times", [2, 6])
def test_repeats_of_a_mixture_are_no_further_mixtures(times):
    values, weights = random(n=12), np.random.default_rng(1).dirichlet(np.ones(3), 12)
    rows = np.concatenate([np.arange(12), np.repeat([3, 7], times)])
    problem = Problem(MixtureSpace(["a", "b", "c"]), tuple(Metric(f"m{index}") for index in range(4)), Mean())
    tables = []
    for chosen in (np.arange(12), rows):
        rounding = 1e-12 * np.arange(len(chosen))[:, None]
        given = dataset(values[chosen]).assign(weights=(("trial", "domain"), weights[chosen] + rounding))
        tables.append(correlate(given, scores=scores_of(problem, given)))
    once, repeated = tables
    for name in ("rho", "lower", "upper", "n"):
        np.testing.assert_array_equal(repeated[name].values, once[name].values)
    assert markdown(repeated).startswith(f"{12 + 2 * times} trials of 12 mixtures;")


def test_runs_of_one_mixture_count_by_their_mean():
    values, weights = random(n=8), np.random.default_rng(1).dirichlet(np.ones(3), 8)
    apart = np.concatenate([values, values[:1] + 0.5])
    apart[0] -= 0.5  # the mean of both runs is what one run was
    apart[0, 1], apart[8, 1] = np.nan, values[0, 1]
    given = dataset(apart).assign(weights=(("trial", "domain"), weights[[*range(8), 0]]))
    np.testing.assert_allclose(correlate(given)["rho"].values, spearmanr(values).statistic)


@pytest.mark.parametrize("n", [0, 1, 3])
def test_too_few_trials_are_refused(n):
    with pytest.raises(StudyError, match="at least 4"):
        correlate(dataset(random(n=n)))


def test_markdown_has_names_as_they_are_and_the_closest_metric_first():
    values = random(m=3)
    given = dataset(values, ["a|b", "web", "maths"])
    problem = Problem(MixtureSpace(["a", "b"]), tuple(Metric(name) for name in ("a|b", "web", "maths")), Mean(("web",)))
    text = markdown(correlate(given, scores=scores_of(problem, given)))
    lines = text.split("\n")
    assert lines[2] == "| metric | objective | mixtures |"
    assert lines[4].startswith("| web | 1.00 [")
    assert "a\\|b" in text


@pytest.mark.parametrize("m", [1, 3, 20])
def test_the_figure_has_every_name_once_on_each_side(m):
    given = dataset(random(m=m))
    problem = Problem(MixtureSpace(["a", "b"]), tuple(Metric(f"m{index}") for index in range(m)), Mean())
    table = correlate(given, scores=scores_of(problem, given))
    left, right = figure(table).axes[:2]
    order = [f"m{index}" for index in ranked(table)]
    assert [label.get_text() for label in left.get_yticklabels()] == order
    assert [label.get_text() for label in left.get_xticklabels()] == ["objective"]
    assert [label.get_text() for label in right.get_xticklabels()] == order


def test_any_names_and_gaps_can_be_drawn_and_the_same_table_gives_the_same_file():
    values = random(m=3)
    values[:, 1] = np.nan
    names = ["$x^2 + {", "metric/the_pile_" + "very_" * 30 + "long_val_loss", "[bold]"]
    table = correlate(dataset(values, names, directions=["min", "min", "max"]))
    first, second = render(table), render(table)
    assert first == second
    assert imread(io.BytesIO(first)).shape[0] > 200
