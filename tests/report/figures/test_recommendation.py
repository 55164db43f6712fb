"""The figure of a recommendation: weights, trials and gains, each as given."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from bomix.report.figures.recommendation import Gain, Picture, figure, render
from bomix.report.figures.validation import FORMATS

PICTURE = Picture(
    weights={
        "uniform": {"code": 0.5, "web": 0.5},
        "natural": {"code": 0.2, "web": 0.8},
        "best": {"code": 0.9, "web": 0.1},
    },
    trials=[(0, 3.0), (1, 3.2), (2, 2.8), (4, 2.9), (5, 2.5)],
    designed=frozenset({0, 1, 2}),
    gains={"uniform": Gain(-0.3, (-0.4, -0.2), (-0.35, -0.25)), "natural": Gain(-0.5, (-0.6, -0.4), (-0.5, -0.5))},
    unit="nats/token",
)


def test_a_bar_for_every_weight_and_a_point_for_every_trial_and_seed() -> None:
    weights, trials, gains = figure(PICTURE).axes
    widths = [[bar.get_width() for bar in group] for group in weights.containers]  # type: ignore[attr-defined]
    assert widths == [[0.5, 0.5], [0.2, 0.8], [0.9, 0.1]]
    design, asked, lowest = trials.lines
    assert [list(line.get_ydata()) for line in (design, asked)] == [[3.0, 3.2, 2.8], [2.9, 2.5]]  # type: ignore[arg-type]
    assert list(lowest.get_ydata()) == [3.0, 3.0, 2.8, 2.8, 2.5]  # type: ignore[arg-type]
    drawn = np.concatenate([np.atleast_1d(np.asarray(line.get_xdata(), dtype=float)) for line in gains.lines[1:]])
    assert sorted(drawn) == sorted([-0.4, -0.2, -0.35, -0.25, -0.3, -0.6, -0.4, -0.5, -0.5, -0.5])
    assert [label.get_text() for label in gains.get_yticklabels()] == ["minus uniform", "minus natural"]
    assert gains.get_title(loc="left").strip() == "best minus each reference"
    assert [text.get_text() for text in gains.texts][-1] == "95 % interval, 2 fresh seeds, paired; below 0 is better"


def test_what_is_only_predicted_is_said_to_be() -> None:
    predicted = dataclasses.replace(PICTURE, gains={"uniform": Gain(-0.3, (-0.4, -0.2))})
    said = [text.get_text() for text in figure(predicted).axes[2].texts]
    assert said[-1] == "95 % interval, predicted; below 0 is better"


def test_a_single_seed_no_trial_and_no_reference_leave_room_empty() -> None:
    one = dataclasses.replace(PICTURE, gains={"uniform": Gain(-0.3, (-math.inf, math.inf), (-0.3,))}, trials=[])
    assert len(render(one)) > 5000
    assert len(render(dataclasses.replace(PICTURE, gains={}))) > 5000


def test_of_many_domains_those_whose_weights_differ_are_drawn() -> None:
    names = [f"d{n}" for n in range(60)]
    even = dict.fromkeys(names, 1 / 60)
    best = {**even, "d7": 0.0, "d59": 2 / 60}
    axes = figure(dataclasses.replace(PICTURE, weights={"uniform": even, "best": best})).axes[0]
    shown = [label.get_text() for label in axes.get_yticklabels()]
    assert {"d7", "d59"} < set(shown)
    assert len(shown) == 20
    assert "40 domains alike left out" in axes.get_title(loc="left")


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_same_picture_gives_the_same_file(file_format: str) -> None:
    first, second = (render(PICTURE, file_format=file_format) for _ in range(2))
    assert first == second
