"""Searches against other ways to choose a mixture: what is kept, what is said of it, and the statistics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bomix.config import study_file
from experiments import runs
from experiments.bo import choose, methods, moves, plan, repeats, show, slices, stats
from experiments.bo.fresh import Fresh

FOLDER = Path(plan.__file__).parent
RESAMPLED = {"The law of the optimum", "Spread, noise and ceiling"}
"""Parts whose intervals take thousands of resamples: of those the test draws few."""
FITTED = "after AutoScale"
"""What the one claim names that rests on them."""


@pytest.fixture(scope="module")
def rows():
    return runs.kept(plan.RESULTS)


def test_tables_come_from_kept_results(rows, monkeypatch):
    monkeypatch.setattr(moves, "RESAMPLES", 3)
    monkeypatch.setattr(stats, "RESAMPLES", 20)
    kept = rows, runs.kept(plan.FOUND), runs.kept(plan.LAWS)
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    again = show.pasted(page, *kept)
    assert "nan" not in again
    for name in show.parts(*kept).keys() - RESAMPLED:
        lines = show.block(name).findall(again)[0].splitlines()
        assert [line for line in lines if line not in page.splitlines() and FITTED not in line] == [], "run.py page"


def test_kept_runs_are_those_planned(rows):
    found = runs.kept(plan.FOUND)
    planned = {run.key: run for run in (*plan.slices(), *plan.fresh(found), *plan.scaled(found), *plan.larger(rows))}
    planned |= {run.key: run for _, some in choose.again(rows) for run in some}
    assert all(len(row["weights"]) > 1 and len({*row["weights"].values()}) > 1 for row in found)  # none is an anchor
    searches = {f"{problem.name} {arm.name}": arm for problem in plan.PROBLEMS.values() for arm in problem.arms}
    keys = {runs.key(row) for row in rows}
    assert len(keys) == len(rows)
    for row in rows:
        if row["set"] in searches:
            assert int(row["name"]) < searches[row["set"]].trials
        else:
            weights = {name: x for name, x in planned[runs.key(row)].weights.items() if x}
            assert row["weights"] == pytest.approx(weights, abs=1e-6)
        assert sum(row["weights"].values()) == pytest.approx(1.0, abs=1e-5)


def test_every_profile_is_without_faults():
    paper = study_file.load(FOLDER / "paper" / "study.yaml")
    assert paper.strategy.n_init == 32
    assert paper.budget.trials == 64
    sizes = [scale.evaluator for scale in paper.scales.values()]
    counted = [each.model.parameters(50_432) for each in sizes]
    assert counted == [pytest.approx(25e6, rel=0.02), pytest.approx(154e6, rel=0.01)]
    assert [each.tokens / parameters for each, parameters in zip(sizes, counted, strict=True)] == [
        pytest.approx(20.0, rel=0.02)
    ] * 2
    for problem in plan.PROBLEMS.values():
        assert len(problem.domains) == {"two-uneven": 2, "four": 4, "five": 5, "seven": 7, "twelve": 12}[problem.name]


def test_the_published_deviation_is_that_of_a_population():
    for name, row in repeats.REPEATED.items():
        assert abs(np.std(row) - repeats.PRINTED_SD[name]) < 1e-4 < np.std(row, ddof=1) - repeats.PRINTED_SD[name]
    assert sum(methods.PAPER[name] < methods.PAPER["sobol"] for name in ("BiMix", "DML", "bo32")) == 1


def test_noise_is_what_neither_mixture_nor_seed_explains():
    rng = np.random.default_rng(0)
    mixtures, seeds = rng.normal(0.0, 1.0, (400, 1)), rng.normal(0.0, 1.0, 6)
    noise, freedom = stats.two_way_noise(mixtures + seeds + rng.normal(0.0, 0.1, (400, 6)))
    assert noise == pytest.approx(0.1, rel=0.05)
    assert freedom == 399 * 5


def test_fresh_seeds_are_compared_seed_by_seed():
    def row(name, seed, loss):
        losses = dict.fromkeys(plan.FIVE.domains, loss + seed)
        return {
            "set": "five fresh",
            "name": name,
            "seed": seed,
            "weights": {"code": 1.0 - 0.1 * loss, "prose": 0.1 * loss},
            "losses": losses,
        }

    every = [
        row(name, seed, loss) for seed in (0, 9) for name, loss in (("uniform", 2.0), ("sobol-0", 1.5), ("bo32-0", 1.0))
    ]
    fresh = Fresh([*every, row("bo32-1", 0, 0.0)])  # of which one seed lacks
    assert fresh.gain("sobol-0").tolist() == [-0.5, -0.5]
    assert fresh.method_gains("bo32", "sobol").tolist() == [[-0.5, -0.5]]
    assert fresh.noise()[0] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("kind", ["line", "exponential", "power"])
def test_a_law_follows_what_it_made(kind):
    weights = np.array(plan.RATIOS)
    made = {
        "line": np.exp(1.7 - 0.3 * weights),
        "exponential": 4.5 + 1.2 * np.exp(-4.0 * weights),
        "power": 4.0 + 0.5 * weights**-0.4,
    }[kind]
    assert slices.law(kind, weights, made, weights) == pytest.approx(made, abs=0.01)
    assert slices.fits(kind, weights, made, 0.01, 12) > 0.9
    steep = np.where(weights < 0.1, made + 0.5, made)
    assert weights[slices.least_weight(kind, weights, steep, 0.01, 12)] == 0.1


def test_the_optimum_of_the_own_log_law_is_a_minimum():
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(5), 80)
    losses = 5.0 - 0.3 * np.log(weights + 0.1) * np.array([1.0, 1.3, 0.2, 0.8, 0.5]) + 0.2 * weights[:, :1]
    law = moves.OwnLog.fit(weights, losses, np.zeros(80), 0.1)
    best = law.optimum()
    assert law.error[0] < 1e-8
    assert best.sum() == pytest.approx(1.0)
    assert best.min() >= 0.0
    assert all(law.value(best) <= law.value(each) for each in rng.dirichlet(np.ones(5), 2000))


def test_a_law_of_the_optimum_extrapolates_what_is_log_linear():
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(0.0, 0.5, (3, 5))

    def at(cell):
        found = np.exp(a + b * np.log(cell[1]) + c * np.log(plan.SIZES[cell[0]] / plan.SIZES["0.3M"]))
        return found / found.sum()

    optima = {(size, share): at((size, share)) for size in moves.DESIGNS for share in slices.CHECKPOINTS}
    said = moves.predictions(optima)
    for name in ("0.3M: law of 25 and 50 %", "1M: law of 25 and 50 %", "1M: law of all seven others"):
        cell, found = said[name]
        assert found == pytest.approx(optima[cell], abs=1e-6)
