"""Searches against other ways to choose a mixture: what is kept, what is said of it, and the statistics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bomix import Study
from bomix.config import study_file
from bomix.trial import Trial
from experiments import runs
from experiments.bo import choose, methods, moves, plan, repeats, search, show, slices, stats
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


def test_a_search_that_its_rows_tell_whole_is_over(rows, tmp_path, monkeypatch):
    arm = plan.FOUR.arms[1]
    assert search.unfinished(plan.FOUR, plan.FOUR.arms) == []
    cut = [row for row in rows if runs.key(row) != ("four bo16", "031", 2)]
    runs.add(tmp_path / "results.jsonl", cut)
    monkeypatch.setattr(search, "RESULTS", tmp_path / "results.jsonl")
    assert search.unfinished(plan.FOUR, plan.FOUR.arms) == [(arm, 2)]

    def told(kind, name, at):
        (row,) = (row for row in cut if runs.key(row) == (kind, name, 2))
        weights = dict.fromkeys(plan.FOUR.domains, 0.0) | row["weights"]
        return row, search.known(plan.FOUR, arm, 2, Trial(at, weights, 2, "any"), cut)

    for kind, name, at in (("four sobol", "005", 3), ("four bo16", "020", 20)):
        row, found = told(kind, name, at)
        assert found is row  # of the design whatever the trial, of its own the same trial alone
    assert told("four bo16", "020", 31)[1] is None
    with pytest.raises(runs.RowsError, match=r"another mixture for 'four bo16', 020, seed 2"):
        told("four bo16", "021", 20)


def test_a_search_goes_on_from_its_rows_as_it_went_on(rows):
    arm, told = plan.FOUR.arms[1], 24
    own = choose.searched(rows, plan.FOUR, arm.name, 0)
    study = Study(plan.FOUR.domains, plan.FOUR.domains, strategy=arm.strategy, seed=0)
    search.restore(study, own[:told])
    assert [each.trial.origin for each in study.history.records] == ["sobol"] * 16 + ["log_ei"] * 8
    asked = study.ask()
    assert (asked.id, asked.origin, asked.seed) == (told, own[told]["origin"], 0)
    assert asked.weights == pytest.approx(dict.fromkeys(plan.FOUR.domains, 0.0) | own[told]["weights"], abs=0.02)


def test_rows_of_other_text_begin_no_search(rows, monkeypatch):
    monkeypatch.setattr(runs, "text_of", lambda *given: "0123abcd")
    arm = plan.FOUR.arms[1]
    own = choose.searched(rows, plan.FOUR, arm.name, 0)
    now = [row | {"text": "0123abcd"} for row in own[:24]]
    assert search.begun(plan.FOUR, arm, 0, now) == now
    assert search.begun(plan.FOUR, arm, 0, [*now[:20], *now[21:]]) == []  # a gap
    assert search.begun(plan.FOUR, arm, 9, rows) == []
    with pytest.raises(runs.RowsError, match="'four bo16', seed 0, was begun on other text"):
        search.begun(plan.FOUR, arm, 0, rows)


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
    again = mixtures[:90] - 2.0 * seeds + rng.normal(0.0, 0.1, (90, 6))  # of other text, in which a seed is another
    assert stats.two_way_noise(mixtures + seeds, again) == (pytest.approx(0.1 * (89 / 488) ** 0.5, rel=0.15), 488 * 5)


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
    other = [row("sobol-1", seed, 1.5 + seed) | {"text": "0123abcd"} for seed in (0, 9)]
    later = Fresh([*every, *other, *(row("bo32-1", seed, 1.0 + seed) | {"text": "0123abcd"} for seed in (0, 9))])
    assert later.noise()[0] == pytest.approx(0.0, abs=1e-12)  # each text has seeds of its own
    assert later.method_gains("bo32", "sobol").tolist() == [[-0.5, -0.5]] * 2
    with pytest.raises(ValueError, match="'sobol-1' and 'uniform' were trained on different text"):
        later.gain("sobol-1")


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
