"""Spaces that hold a handful of mixtures: counted, said by ``check``, and asked for once each."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bomix.cli.detached import ask
from bomix.cli.inspect import check, status
from bomix.errors import StudyError
from bomix.space.few import few_mixtures
from bomix.space.mixture_space import MixtureSpace
from bomix.study.study import Study

ABC = ("a", "b", "c")


def every(value: float) -> dict[str, float]:
    return dict.fromkeys(ABC, value)


@pytest.mark.parametrize(
    ("bounds", "count"),
    [
        ({}, None),
        ({"lower": {"a": 0.5, "b": 0.3, "c": 0.2}}, 1),
        ({"upper": {"a": 0.5, "b": 0.3, "c": 0.2}}, 1),
        ({"upper": {"a": 0.5, "b": 0.3, "c": 0.3}}, None),
        ({"at_least": every(0.6)}, 3),
        ({"at_least": every(0.5)}, 6),
        ({"at_least": every(1 / 3)}, None),
        ({"at_least": every(0.4)}, None),
        ({"at_least": {"a": 0.6, "b": 0.6}}, None),
        ({"at_least": every(0.5), "upper": every(0.5)}, 3),
        ({"at_least": {"a": 1.0}, "upper": {"b": 0.0, "c": 0.0}}, 1),
        ({"lower": {"a": 0.4}, "at_least": {"b": 0.6, "c": 0.6}}, 3),
    ],
)
def test_the_mixtures_of_a_space_are_counted(bounds: dict[str, dict[str, float]], count: int | None) -> None:
    space = MixtureSpace(ABC, **bounds)
    found = few_mixtures(space)
    assert (None if found is None else len(found)) == count
    if found is not None:
        points = np.array(found)
        assert space.contains(points, tolerance=1e-9).all()
        np.testing.assert_allclose(points.sum(axis=1), 1.0)
        for first, second in itertools.combinations(points, 2):
            assert np.abs(first - second).max() > 1e-6
        drawn = space.snap(space.sobol(64, seed=0))
        assert all(np.abs(points - point).max(axis=1).min() < 1e-9 for point in drawn)


@pytest.mark.parametrize("least", [0.0, 0.01, 0.02, 0.3, 0.5, 0.51])
@pytest.mark.parametrize("d", [1, 2, 60])
def test_counting_takes_no_time(least: float, d: int) -> None:
    names = [f"d{n}" for n in range(d)]
    began = time.perf_counter()
    found = few_mixtures(MixtureSpace(names, at_least=dict.fromkeys(names, least)))
    assert time.perf_counter() - began < 3.0
    if d == 1:
        assert found == ((1.0,),)


def study(folder: Path, text: str) -> Path:
    (folder / "study.yaml").write_text(f"{text}\nmetrics: [x]\n")
    return folder


HALVES = "domains: {a: {at_least: 0.5}, b: {at_least: 0.5}, c: {at_least: 0.5}}"
ONE = "domains: {a: {lower: 0.5}, b: {lower: 0.5}}"


def test_check_says_how_many_there_are(tmp_path: Path) -> None:
    shown = CliRunner().invoke(check, [str(study(tmp_path, HALVES))]).output
    assert "allow only 6 mixtures: each is asked for once" in shown
    shown = CliRunner().invoke(check, [str(study(tmp_path, ONE))]).output
    assert "allow a single mixture, so that there is nothing to search" in shown
    shown = CliRunner().invoke(check, [str(study(tmp_path, "domains: {a: {}, b: {}}"))]).output
    assert "bounds and" not in shown


@pytest.mark.parametrize("strategy", ["sobol", "auto", "vertices"])
@pytest.mark.parametrize(("text", "count"), [(HALVES, 6), (ONE, 1)])
def test_each_mixture_is_asked_for_once_and_then_it_is_said(
    tmp_path: Path, text: str, count: int, strategy: str
) -> None:
    study(tmp_path, f"{text}\nstrategy: {strategy}")
    opened = Study.open(tmp_path)
    asked = [opened.ask() for _ in range(count)]
    assert len({tuple(round(weight, 6) for weight in trial.weights.values()) for trial in asked}) == count
    with pytest.raises(StudyError, match="been asked for; loosen them, or withdraw a trial to have it repeated"):
        opened.ask()
    assert len(opened.history.pending) == count
    opened.withdraw(asked[0], why="broken")
    assert opened.ask().weights == asked[0].weights


def test_a_strategy_of_one_mixture_is_asked_for_repeats(tmp_path: Path) -> None:
    opened = Study.open(study(tmp_path, f"{ONE}\nstrategy: uniform"))
    assert [opened.ask().seed for _ in range(3)] == [0, 1, 2]


def test_the_command_ends_with_the_reason_and_status_shows_it(tmp_path: Path) -> None:
    study(tmp_path, f"{ONE}\nstrategy: sobol")
    done = CliRunner().invoke(ask, [str(tmp_path), "-n", "3"])
    assert done.exit_code == 0
    assert "asked for 1 of 3: bounds and 'at_least' allow only one mixture, which has been asked for" in done.stderr
    assert isinstance(CliRunner().invoke(ask, [str(tmp_path)]).exception, StudyError)
    shown = CliRunner().invoke(status, [str(tmp_path)]).output
    assert "the search has ended: bounds and 'at_least' allow only one" in shown


def test_a_run_of_such_a_study_ends_there_and_confirms(tmp_path: Path) -> None:
    text = "domains: {d0: {at_least: 0.6}, d1: {at_least: 0.6}}\nevaluator: {kind: synthetic, domains: 2}\n"
    (tmp_path / "study.yaml").write_text(f"{text}strategy: sobol\nconfirm: 1\n")
    opened = Study.open(tmp_path)
    opened.run(trials=10)
    origins = [record.trial.origin for record in opened.history.completed]
    assert len([origin for origin in origins if origin != "confirm"]) == 2
    assert "confirm" in origins
