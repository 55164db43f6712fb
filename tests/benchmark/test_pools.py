"""Searches of a finite pool: each mixture has one result, and what counts is how soon the best is found."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bomix.benchmark import cells, dataset, tables
from bomix.benchmark.cases import CASES, POOLS, Case, fingerprint
from bomix.benchmark.cells import Cell, measure
from bomix.benchmark.methods import METHODS, Method
from bomix.benchmark.pools import BEST, MEASURED, TRUE, Pool, found_after
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.strategies.auto import Auto

pytestmark = pytest.mark.usefixtures("short_chains")

CASE = Case(Synthetic(domains=3, noise_share=0.5), budget=12, design=0, checks=(3,), pool=12)
SPACE_FILLING = METHODS["sobol"]
TABLE = Pool(
    np.array([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]]),
    np.array([[3.0, 2.0], [1.0, 1.0], [2.0, 4.0]]),
    np.array([2.0, 2.5, 1.5]),
)


def cell(method: Method = SPACE_FILLING, *, seed: int = 1, case: Case = CASE) -> Cell:
    return Cell("twelve", case, "sobol", method, seed)


def test_the_best_is_the_truly_best_and_the_best_measured() -> None:
    assert TABLE.best == {TRUE: 2, MEASURED: 1}
    assert found_after(TABLE, [0, 2]) == {TRUE: 2}
    assert found_after(TABLE, [1, 0, 2]) == {TRUE: 3, MEASURED: 1}
    assert TABLE.regret(np.array([0.2, 0.8])) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="not of the pool"):
        TABLE.regret(np.array([0.3, 0.7]))


def test_a_proposal_reveals_the_nearest_mixture_that_has_no_result_yet() -> None:
    assert TABLE.revealed(np.array([0.45, 0.55]), []) == 1
    assert TABLE.revealed(np.array([0.45, 0.55]), [1]) == 0
    assert TABLE.revealed(np.array([0.5, 0.5]), [1, 0]) == 2


def test_a_seed_has_one_pool_with_one_result_of_each_mixture() -> None:
    first, again = CASE.table(1), CASE.table(1)
    assert first is not None
    assert again is not None
    assert np.array_equal(first.losses, again.losses)
    assert first.mixtures == pytest.approx(CASE.problem(1).pool_array)
    assert first.values == pytest.approx(CASE.drawn(1).value(first.mixtures))
    other = CASE.table(2)
    assert other is not None
    assert not np.allclose(first.mixtures, other.mixtures)
    assert dataclasses.replace(CASE, pool=0).table(1) is None
    assert CASE.problem(1).budget == CASE.budget


def test_the_search_ends_once_there_is_no_more_to_find() -> None:
    found = measure(cell())
    last = max(found["found"].values())
    assert set(found["found"]) == set(BEST)
    assert len(found["observed"]) == max(last, 3)
    assert min(found["regret_tried"]) == 0.0
    assert found["regret_tried"].index(0.0) + 1 == found["found"][TRUE]
    assert int(np.argmin(found["observed"])) + 1 == found["found"][MEASURED]
    assert set(found["regret"]["observed"]) == {"3"}
    assert "found" not in measure(cell(case=Case(Synthetic(domains=3), 3, 3)))


def test_the_trials_until_the_best_stand_in_dataset_and_table(tmp_path: Path) -> None:
    for seed in (1, 2):
        cells.run(cell(seed=seed), tmp_path)
    found = dataset.load(tmp_path)
    assert found["found_after"].dims == ("problem", "method", "seed", "best")
    assert float(found["found_after"].sel(seed=1, best=TRUE).item()) == measure(cell())["found"][TRUE]
    text = tables.markdown(found)
    assert "true best after | measured best after" in text
    assert "-0.02 after" not in text
    mean = float(found["found_after"].sel(best=MEASURED).mean())
    assert f"| {mean:.1f} ± " in text


def test_pools_of_the_suite_are_of_the_shape_they_should_be() -> None:
    noisy = CASES["19-noisy-pool"]
    table = noisy.table(0)
    assert table is not None
    assert table.mixtures.shape == (76, 19)
    assert table.losses.shape == (76, 17)
    assert ((table.losses > 0.0) & (table.losses < 1.0)).mean() > 0.99
    assert noisy.budget == len(noisy.problem(0).pool) == 76
    assert all(case.design == 0 and case.budget == case.pool for case in POOLS.values())
    assert fingerprint(CASES["17-regmix"]) == "4a6d910b"  # a new field with a default leaves old results valid


def test_what_bomix_asks_for_is_of_the_pool() -> None:
    case = Case(Synthetic(domains=12), budget=14, design=0, checks=(14,), pool=14)
    problem = case.problem(3)
    session = Method(Auto()).start(problem, seed=3)
    table, rows = case.table(3), list[int]()
    assert table is not None
    for _ in range(14):
        weights = session.ask()
        rows.append(table.revealed(weights, rows))
        assert table.mixtures[rows[-1]] == pytest.approx(weights, abs=1e-9)
        session.tell(weights, table.losses[rows[-1]])
    assert sorted(rows) == list(range(14))
    assert table.regret(session.recommend()["own"]) >= 0.0
