"""Absurd values are set apart by name, and honest heavy tails are not."""

from __future__ import annotations

import logging

import numpy as np
import pytest

import bomix
from bomix.problem import Metric, Problem
from bomix.surrogates.data.quarantine import learnt, quarantined, without
from bomix.testing.known import mixtures
from bomix.trial import Record, Result, Status, Trial

DOMAINS = ("a", "b", "c")


def problem(unit: str = "score", range: tuple[float | None, ...] | None = None) -> Problem:
    return Problem(bomix.MixtureSpace(DOMAINS), (Metric("m", unit, range=range), Metric("other")), bomix.Mean())


def history(values: list[float], *, other: bool = True) -> bomix.History:
    """Trials with these values of ``m``, and a loss beside them."""
    rest = {"other": 3.0} if other else {}
    return bomix.History(
        tuple(
            Record(
                Trial(number, dict(zip(DOMAINS, row.tolist(), strict=True)), 0, "sobol"), Result({"m": value, **rest})
            )
            for number, (row, value) in enumerate(zip(mixtures(len(values), 3), values, strict=True))
        )
    )


USUAL = [3.0, 3.1, 3.05, 3.2, 2.95, 3.15]


@pytest.mark.parametrize("value", [-1e308, 1e300, 1e9, -1e9, 3.1e6])
def test_an_absurd_value_is_set_apart(value: float) -> None:
    record = history([*USUAL, value])
    (found,) = quarantined(problem(), record)
    assert (found.trial, found.metric, found.value) == (6, "m", value)
    for part in ("trial 6", "'m'", f"{value:g}", "withdraw"):
        assert part in str(found)
    kept = without(record, [found])
    assert len(kept) == 7
    assert dict(kept.records[6].result.losses) == {"other": 3.0}
    assert kept.records[6].result.unmeasured == ("m",)
    assert quarantined(problem(), kept) == ()


@pytest.mark.parametrize(
    "values",
    [
        [*USUAL, 11.0],  # a run that diverged
        [3.0, 3.0, 3.0, 3.0, 3.0, 11.0],  # repeats of one mixture without noise
        [3.0, 3.0 + 1e-12, 3.0, 3.0 - 1e-12, 3.0, 3.4, 9.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.2],  # accuracies on a task that is too hard
        [1e-12, 3e-12, 2e-12, 1.5e-12, 2.2e-12, 9e-11],
        [1e12, 3e12, 2e12, 1.5e12, 2.2e12, 9e13],
        [3.0, 1e9],  # two runs do not say which of them is wrong
    ],
)
def test_what_may_be_honest_stays(values: list[float]) -> None:
    record = history(values)
    assert quarantined(problem(), record) == ()
    assert learnt(problem(), record) is record


def test_a_perplexity_is_judged_by_its_logarithm() -> None:
    values = [20.0, 20.01, 20.02, 20.0, 20.01, 9e6]  # the vocabulary's logarithm is 16
    assert quarantined(problem("perplexity"), history(values)) == ()
    assert len(quarantined(problem("score"), history([*values[:5], 9e7]))) == 1


def test_a_stated_range_decides() -> None:
    record = history([*USUAL, 1e9])
    assert quarantined(problem(range=(0.0, 1e10)), record) == ()
    assert [each.value for each in quarantined(problem(range=(0.0, 1e8)), record)] == [1e9]
    assert [each.trial for each in quarantined(problem(range=(3.0, None)), history(USUAL))] == [4]


def test_a_trial_of_which_nothing_is_left_counts_as_failed() -> None:
    kept = learnt(problem(), history([*USUAL, -1e308], other=False))
    assert kept.records[6].status is Status.FAILED
    assert len(kept.observations) == 6


@pytest.mark.parametrize("value", [-1e308, 1e300])
def test_a_study_goes_on_with_an_absurd_value(value: float, caplog: pytest.LogCaptureFixture) -> None:
    study = bomix.Study(DOMAINS, {"m": bomix.MetricSpec(unit="score")})
    clean = bomix.Study(DOMAINS, {"m": bomix.MetricSpec(unit="score")})
    X = mixtures(9, 3)
    for number, row in enumerate(X):
        weights, loss = dict(zip(DOMAINS, row.tolist(), strict=True)), float(3.0 + row[0] * row[1])
        study.add(weights, {"m": value if number == 4 else loss})
        if number != 4:
            clean.add(weights, {"m": loss})
    best = study.recommend()
    assert np.isfinite(best.loss)
    assert 2.5 < best.loss < 3.5
    assert any("trial 4" in warning and "'m'" in warning for warning in best.warnings)
    assert study.ask().origin == clean.ask().origin
    with caplog.at_level(logging.WARNING):
        predicted = study.predict([dict.fromkeys(DOMAINS, 1 / 3)])
    assert "trial 4" in caplog.text
    assert predicted["mean"].values == pytest.approx(clean.predict([dict.fromkeys(DOMAINS, 1 / 3)])["mean"].values)
    assert study.dataset.loss.sel(trial=4).item() == value  # the record keeps it
