"""Whether a small scale orders mixtures as a large one does: numbers, verdicts, and what is too little."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from bomix.errors import StudyError
from bomix.recommendation.transfer import FIRST, transfer
from bomix.scale import Scale
from tests.known.scales import SMALL, history, problem, regmix

RNG = np.random.default_rng(3)
MIXTURES = RNG.dirichlet(np.ones(3), 60)


def losses(values):
    return dict(zip("xyz", map(float, values), strict=False))


def study_of(small, large, *, names="xyz", shared=None):
    """Tables of values at both scales; the large one was run at the first ``shared`` mixtures."""
    study = problem(list(names)[: small.shape[1]])
    runs = [("small", row, losses(values)) for row, values in zip(MIXTURES, small, strict=False)]
    runs += [("large", row, losses(values)) for row, values in zip(MIXTURES[:shared], large, strict=False)]
    return study, history(study, runs)


def test_the_rank_correlation_is_that_of_the_shared_mixtures():
    small, large = RNG.normal(size=(2, 60, 2))
    large += 2.0 * small
    found = transfer(*study_of(small, large, shared=40))
    agreement = found.find("small", "large")
    known = spearmanr(small[:40].mean(axis=1), large[:40].mean(axis=1)).statistic
    assert agreement.rank.rho == pytest.approx(known)
    assert agreement.rank.n == 40
    assert found.find("small", "large", "y").rank.rho == pytest.approx(spearmanr(small[:40, 1], large[:40, 1])[0])


def test_the_slope_and_the_price_of_the_small_choice():
    small = np.arange(10.0)[:, None]
    large = 5.0 + 0.5 * small
    large[0], large[3] = 5.7, 4.0
    agreement = transfer(*study_of(small, large, shared=10)).find("small", "large", "x")
    assert agreement.slope == pytest.approx(np.polyfit(small[:, 0], large[:, 0], 1)[0])
    assert (agreement.place, agreement.lost) == (3, pytest.approx(1.7))


def test_the_verdict_is_certain_only_where_the_whole_interval_is_on_one_side():
    truth = RNG.normal(size=(60, 1))
    same, other = truth + 0.02 * RNG.normal(size=(60, 1)), truth + 1.0 * RNG.normal(size=(60, 1))
    assert transfer(*study_of(truth, same)).verdicts[0].state == "decides"
    assert transfer(*study_of(truth, other)).verdicts[0].state == "does not decide"
    assert transfer(*study_of(truth, same, shared=6)).verdicts[0].state == "open"


def test_what_breaks_the_objective_is_named_the_worst_first():
    small = RNG.normal(size=(60, 3))
    large = small.copy()
    large[:, 1] += 0.8 * RNG.normal(size=60)
    large[:, 2] = RNG.normal(size=60)
    assert transfer(*study_of(small, large)).verdicts[0].breaking == ("z", "y")


def test_metrics_that_agree_may_add_up_to_a_mean_that_does_not():
    first, rest = RNG.normal(size=(2, 60))
    small = np.stack([first, 0.1 * rest - first], axis=1)
    large = np.stack([0.3 * first, 0.1 * rest - first], axis=1)
    (verdict,) = transfer(*study_of(small, large)).verdicts
    assert verdict.state == "does not decide"
    assert verdict.breaking == ()
    (low, least), (high, most) = verdict.slopes
    assert (low, high) == ("x", "y")
    assert (least, most) == (pytest.approx(0.3), pytest.approx(1.0))


def test_noise_of_repeats_gives_the_ceiling_and_the_verdict_looks_at_shares_of_it():
    rng = np.random.default_rng(5)
    truth = rng.normal(size=40)
    runs = [
        (at, row, {"x": value + 0.45 * rng.normal()})
        for at in ("small", "large")
        for row, value in zip(MIXTURES, truth, strict=False)
        for _ in range(2)
    ]
    study = problem(["x"])
    agreement = transfer(study, history(study, runs)).find("small", "large")
    reliability = 1.0 / (1.0 + 0.45**2 / 2.0)  # both scales alike
    assert agreement.ceiling == pytest.approx(6.0 / math.pi * math.asin(reliability / 2.0), abs=0.06)
    assert agreement.without_noise[0] > agreement.rank.rho


def test_without_repeats_there_is_no_ceiling():
    small = RNG.normal(size=(20, 1))
    agreement = transfer(*study_of(small, small, shared=20)).find("small", "large")
    assert math.isnan(agreement.ceiling)
    assert agreement.without_noise == agreement.rank[:3]


def test_an_interval_half_as_wide_costs_runs_of_the_large_scale():
    small = RNG.normal(size=(60, 1))
    (verdict,) = transfer(*study_of(small, small, shared=12)).verdicts
    large = Scale(60 * 10**6, 10**9).flops
    assert verdict.better.pairs == 27  # 4 (12 - 3) + 3 in all
    assert verdict.better.cost == pytest.approx(27 * large)


def test_runs_of_the_small_scale_are_counted_where_it_lacks_mixtures():
    small = RNG.normal(size=(14, 1))
    (verdict,) = transfer(*study_of(small, small, shared=12)).verdicts
    assert verdict.better.cost == pytest.approx(27 * Scale(60 * 10**6, 10**9).flops + 25 * SMALL.flops)


@pytest.mark.parametrize("shared", [0, 1, 3])
def test_too_few_mixtures_in_common_are_told_and_priced(shared):
    study, record = study_of(RNG.normal(size=(20, 1)), RNG.normal(size=(20, 1)), shared=shared)
    if not shared:
        elsewhere = np.random.default_rng(8).dirichlet(np.ones(3), 5)
        runs = [("small", row, {"x": 1.0 + at}) for at, row in enumerate(MIXTURES[:5])]
        record = history(study, [*runs, *(("large", row, {"x": 2.0}) for row in elsewhere)])
    (verdict,) = transfer(study, record).verdicts
    assert verdict.state == "open"
    assert math.isnan(verdict.agreement.rank.rho)
    assert (verdict.agreement.rank.n, verdict.better.pairs) == (shared, FIRST - shared)


def test_a_metric_that_was_not_measured_at_a_scale_has_no_order_and_takes_the_objective_with_it():
    small, large = RNG.normal(size=(2, 20, 2))
    large[:, 1] = np.nan
    found = transfer(*study_of(small, large, shared=20))
    assert found.find("small", "large", "x").rank.n == 20
    assert found.find("small", "large", "y").rank.n == found.find("small", "large").rank.n == 0
    assert found.verdicts[0].state == "open"


def test_scales_without_runs_leave_the_dearest_with_runs_to_judge_by():
    scales = {"small": SMALL, "large": Scale(60 * 10**6, 10**9), "final": Scale(7 * 10**9, 10**12)}
    study = problem(["x"], scales=scales)
    values = RNG.normal(size=20)
    runs = [(at, row, {"x": value}) for at in ("small", "large") for row, value in zip(MIXTURES, values, strict=False)]
    found = transfer(study, history(study, runs))
    assert (found.target, found.reference, found.runs) == ("final", "large", (20, 20, 0))
    assert [verdict.agreement.small for verdict in found.verdicts] == ["small"]


def test_one_scale_with_runs_gives_no_verdict_and_none_at_all_nothing():
    study = problem(["x"])
    found = transfer(study, history(study, [("small", MIXTURES[0], {"x": 1.0})]))
    assert (found.reference, found.agreements, found.verdicts) == ("small", (), ())
    assert transfer(study, history(study, [])).reference is None


def test_scales_of_one_cost_and_two_recipes_are_compared_as_well():
    scales = {"slow": Scale(10**6, 10**9, "slow"), "usual": Scale(10**6, 10**9)}
    study = problem(["x"], scales=scales)
    values = RNG.normal(size=20)
    runs = [(at, row, {"x": value}) for at in scales for row, value in zip(MIXTURES, values, strict=False)]
    (verdict,) = transfer(study, history(study, runs)).verdicts
    assert verdict.agreement.rank.rho == pytest.approx(1.0)


def test_a_study_of_one_scale_is_refused():
    study = problem(["x"])
    with pytest.raises(StudyError, match="the study has one scale"):
        transfer(replace(study, scales=()), history(study, []))


def test_regmix_at_1m_decides_the_mean_of_losses_at_60m():
    found = transfer(*regmix(256, 256))
    (verdict,) = found.verdicts
    assert verdict.state == "decides"
    assert verdict.agreement.rank.n == 256
    assert verdict.agreement.rank.rho == pytest.approx(0.966, abs=5e-4)
    assert found.find("small", "large", "pile_cc").rank.rho == pytest.approx(0.994, abs=5e-4)
    assert verdict.slopes[0][0] == "dm_mathematics"  # it gains half as much at 60M


def test_eight_runs_at_60m_do_not_say_so_yet():
    (verdict,) = transfer(*regmix(256, 8)).verdicts
    assert (verdict.state, verdict.agreement.rank.n) == ("open", 8)


def test_a_pair_or_a_column_that_is_none_of_the_study_is_refused():
    found = transfer(*study_of(*RNG.normal(size=(2, 60, 2))))
    with pytest.raises(StudyError, match=r"unknown scale 'huge' \(known: small, large\)"):
        found.find("small", "huge")
    with pytest.raises(StudyError, match=r"unknown column 'q' \(known: objective, x, y\)"):
        found.find("small", "large", "q")
