"""The figure of a validation: every panel that is due, any names, any amount of data."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread

from bomix.recommendation.validate import SCORES
from bomix.report.figures.validation import FORMATS, figure, render, wrapped
from bomix.surrogates.cross_validation.scores import score


def validation(names, *, n=12, seed=0, unit="nats/token", direction="min", missing=()):
    """A validation of a perfectly calibrated model."""
    rng = np.random.default_rng(seed)
    m = len(names)
    mean, sd = 3.0 + rng.normal(size=(n, m)), np.full((n, m), 0.2)
    observed = mean + sd * rng.normal(size=(n, m))
    for name in missing:
        observed[:, names.index(name)] = np.nan
    total = [observed.mean(axis=1), mean.mean(axis=1), np.full(n, 0.2 / np.sqrt(m))]
    scores = [score(observed[:, j], mean[:, j], sd[:, j]) for j in range(m)]
    variables = {
        **{key: (("trial", "metric"), each) for key, each in (("observed", observed), ("mean", mean), ("sd", sd))},
        **{f"objective_{key}": ("trial", each) for key, each in zip(("observed", "mean", "sd"), total, strict=True)},
        **{key: ("metric", [getattr(each, key) for each in scores]) for key in SCORES},
        **{f"objective_{key}": getattr(score(*total), key) for key in SCORES},
    }
    coords = {
        "trial": range(n),
        "metric": names,
        "unit": ("metric", [unit] * m),
        "direction": ("metric", [direction] * m),
    }
    return xr.Dataset(variables, coords, {"description": "gp: closed form"})


@pytest.mark.parametrize("m", [1, 4, 13])
def test_a_panel_for_the_objective_for_each_metric_and_for_calibration(m):
    names = [f"metric {j}" for j in range(m)]
    drawn = figure(validation(names))
    titles = [axes.get_title(loc="left").strip() for axes in drawn.axes]
    assert titles == ["objective (lower is better)", *names, "calibration"]


def test_points_outside_their_interval_stand_out():
    found = validation(["web"])
    found["observed"][0, 0] = 40.0
    panel = figure(found).axes[1]
    inside, outside = (line for line in panel.lines if line.get_marker() == "o")
    assert 40.0 in outside.get_xdata()
    assert 40.0 not in inside.get_xdata()
    assert len(inside.get_xdata()) + len(outside.get_xdata()) == 12
    assert inside.get_color() != outside.get_color()


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_same_validation_gives_the_same_file(file_format):
    found = validation(["web", "code"])
    first, second = (render(found, file_format=file_format) for _ in range(2))
    assert first == second
    assert len(first) > 5000


def test_a_style_of_the_users_changes_nothing():
    found = validation(["web"])
    plain = render(found)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        assert render(found) == plain
        assert matplotlib.rcParams["font.size"] == 30


@pytest.mark.parametrize("n", [0, 1, 2, 400])
def test_any_number_of_trials_can_be_drawn(n):
    picture = imread(io.BytesIO(render(validation(["web", "code"], n=n, missing=["code"]))))
    assert picture.shape[0] > 300


def test_names_are_text_whatever_is_in_them():
    names = ["$x^2 + {", "metric/the_pile_" + "very_" * 30 + "long_val_loss", "损失", "[bold]"]
    assert render(validation(names, unit="share", direction="max"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("web", "web"),
        ("metric/the_pile_pubmed_central_val_loss", "metric/the_pile_\npubmed_central_val_loss"),
        ("a" * 40, "a" * 28 + "\n" + "a" * 12),
        ("b" * 80, "b" * 27 + "…\n" + "b" * 28),
    ],
)
def test_long_names_break_at_their_joints(text, expected):
    assert wrapped(text) == expected
