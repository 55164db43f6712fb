"""Results that come from outside: what their metrics cannot have is refused by name."""

from __future__ import annotations

import pytest

import bomix
from bomix.errors import FaultsError

HALF = {"code": 0.5, "web": 0.5}


@pytest.mark.parametrize(
    ("unit", "value", "inside"),
    [
        ("accuracy", 1.2, 1.0),
        ("Accuracy", -0.1, 0.0),
        ("%", 100.5, 100.0),
        ("nats/token", -0.01, 0.0),
        ("bits per byte", -1.0, 0.7),
        ("perplexity", 0.9, 1.0),
    ],
)
def test_a_value_outside_the_range_of_its_unit_is_refused(unit: str, value: float, inside: float) -> None:
    study = bomix.Study(["code", "web"], {"m": bomix.MetricSpec(unit=unit)})
    trial = study.ask()
    for attempt in (lambda: study.add(HALF, {"m": value}), lambda: study.tell(trial, {"m": value})):
        with pytest.raises(FaultsError, match=rf"losses\.m: {value:g} lies outside the range of its unit '{unit}'"):
            attempt()
    assert study.history.pending
    assert not study.history.completed
    study.add(HALF, {"m": inside})
    study.tell(trial, {"m": inside})


def test_a_stated_range_comes_before_that_of_the_unit() -> None:
    study = bomix.Study(
        ["code", "web"],
        {"gain": bomix.MetricSpec(range=(None, None)), "elo": bomix.MetricSpec(unit="elo", range=(0.0, 3000.0))},
    )
    study.add(HALF, {"gain": -0.2, "elo": 1200.0})
    with pytest.raises(FaultsError, match=r"-1 lies outside the range that is stated, \[0, 3000\]"):
        study.add(HALF, {"gain": -0.2, "elo": -1.0})
    study.add(HALF, {"gain": None, "elo": 1.0})  # what was not measured lies nowhere


@pytest.mark.parametrize("wrong", [(1.0,), (1.0, 0.0), (0.0, 0.0), (0.0, 1.0, 2.0)])
def test_a_range_has_two_ends_in_their_order(wrong: tuple[float, ...]) -> None:
    with pytest.raises(FaultsError, match=r"metrics\.m.*expected \[smallest, largest\]"):
        bomix.Study(["code", "web"], {"m": bomix.MetricSpec(range=wrong)})
