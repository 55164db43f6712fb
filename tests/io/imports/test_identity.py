"""Which run of a table is which run of the record, and which numbers are the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bomix.io.imports.csv import read_runs
from bomix.io.imports.differences import same_number
from bomix.io.imports.identity import Compared, compare, trained_seed, with_gaps_filled
from bomix.io.imports.runs import Runs
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.scale import Scale
from bomix.space.mixture_space import MixtureSpace
from bomix.trial import IMPORTED, Record, Result, Trial

PROBLEM = Problem(MixtureSpace(("code", "math", "web")), (Metric("a"), Metric("b")), Mean())
SHARES = np.random.default_rng(5).dirichlet(np.ones(3), 12)
LOSSES = np.column_stack([2.0 + SHARES[:, 0] ** 2, 2.5 + SHARES[:, 1]])


def table(path: Path, weights: int = 6, losses: int = 6, *, key: bool = True, skip: tuple[str, ...] = ()) -> Runs:
    """The same twelve runs with so many digits; metrics in ``skip`` stand empty."""
    rows = ["run,code,math,web,a,b" if key else "code,math,web,a,b"]
    for number, (mixture, found) in enumerate(zip(SHARES, LOSSES, strict=True)):
        cells = [f"{share:.{weights}f}" for share in mixture]
        cells += ["" if name in skip else f"{loss:.{losses}f}" for name, loss in zip("ab", found, strict=True)]
        rows.append(",".join([f"r{number}", *cells] if key else cells))
    path.write_text("\n".join(rows) + "\n")
    return read_runs(path, None, PROBLEM)


def recorded(found: Runs, **changes: object) -> list[Record]:
    return [
        dataclasses.replace(Record(Trial(n, weights, 0, IMPORTED, scale), result), **changes)  # type: ignore[arg-type]
        for n, (weights, result, scale) in enumerate(found.runs)
    ]


def counts(compared: Compared) -> dict[str, int]:
    return {name: len(listed) for name, listed in vars(compared).items() if listed}


@pytest.mark.parametrize("key", [True, False])
@pytest.mark.parametrize(
    ("first", "second"), [((6, 6), (3, 3)), ((3, 3), (6, 6)), ((17, 17), (4, 3)), ((4, 5), (4, 5))]
)
def test_other_digits_of_the_same_numbers_are_the_same_run(
    tmp_path: Path, key: bool, first: tuple[int, int], second: tuple[int, int]
) -> None:
    there = recorded(table(tmp_path / "a.csv", *first, key=key))
    assert counts(compare(table(tmp_path / "b.csv", *second, key=key), there)) == {"there": 12}


@pytest.mark.parametrize("key", [True, False])
def test_metrics_that_came_later_are_filled_in(tmp_path: Path, key: bool) -> None:
    there = recorded(table(tmp_path / "a.csv", key=key, skip=("b",)))
    found = compare(table(tmp_path / "b.csv", key=key), there)
    assert counts(found) == {"completed": 12}
    filled = with_gaps_filled(found.completed[3])
    assert filled.result.losses == pytest.approx(dict(zip("ab", LOSSES[3], strict=True)), abs=1e-6)
    assert filled.result.unmeasured == ()
    assert filled.trial.weights == there[3].trial.weights


def test_metrics_that_a_table_lacks_are_no_difference(tmp_path: Path) -> None:
    there = recorded(table(tmp_path / "a.csv"))
    assert counts(compare(table(tmp_path / "b.csv", skip=("a",)), there)) == {"there": 12}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("2.500000", "2.510000", "b 2.5 recorded, 2.51 now"),
        ("2.000000", "2.00001", "a 2 recorded, 2.00001 now"),
        (
            "0.100000,0.400000",
            "0.110000,0.390000",
            "weight of code 0.1 recorded, 0.11 now, math 0.4 recorded, 0.39 now",
        ),
    ],
)
def test_other_values_of_a_key_are_told(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = "run,code,math,web,a,b\nx,0.100000,0.400000,0.500000,2.000000,2.500000\ny,0,0.25,0.75,3,3\n"
    (tmp_path / "a.csv").write_text(text)
    (tmp_path / "b.csv").write_text(text.replace(old, new))
    there = recorded(read_runs(tmp_path / "a.csv", None, PROBLEM))
    found = compare(read_runs(tmp_path / "b.csv", None, PROBLEM), there)
    assert counts(found) == {"there": 1, "changed": 1}
    (match,) = found.changed
    assert (match.differences, match.record.trial.id) == ((said,), 0)
    assert match.place == f"{tmp_path / 'b.csv'}:2"


def test_without_a_key_other_losses_of_a_mixture_are_another_run(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("code,math,web,a,b\n0.1,0.4,0.5,2.000,2.500\n")
    (tmp_path / "b.csv").write_text("code,math,web,a,b\n0.1,0.4,0.5,2.010,2.500\n")
    there = recorded(read_runs(tmp_path / "a.csv", None, PROBLEM))
    assert counts(compare(read_runs(tmp_path / "b.csv", None, PROBLEM), there)) == {"new": 1}


def test_a_run_recorded_without_its_key_is_known_by_its_values(tmp_path: Path) -> None:
    there = recorded(table(tmp_path / "a.csv", key=False))
    assert counts(compare(table(tmp_path / "b.csv"), there)) == {"there": 12}
    there = recorded(table(tmp_path / "a.csv"))
    assert counts(compare(table(tmp_path / "b.csv", key=False), there)) == {"there": 12}


def test_scale_and_seed_belong_to_the_key(tmp_path: Path) -> None:
    def runs(*rows: str) -> Runs:
        (tmp_path / "t.csv").write_text("\n".join(["run,params,seed,code,math,web,a", *rows]) + "\n")
        problem = dataclasses.replace(PROBLEM, scale=Scale(1_000_000))
        return read_runs(tmp_path / "t.csv", None, problem)

    both = runs("x,1M,0,0.1,0.4,0.5,2.000", "x,60M,0,0.1,0.4,0.5,1.500", "x,1M,1,0.1,0.4,0.5,2.010")
    assert [scale for _, _, scale in both.runs] == [Scale(1_000_000), Scale(60_000_000), Scale(1_000_000)]
    there = recorded(both)
    assert counts(compare(both, there)) == {"there": 3}
    assert counts(compare(runs("x,60M,0,0.1,0.4,0.5,2.000"), there)) == {"changed": 1}
    assert counts(compare(runs("x,7M,0,0.1,0.4,0.5,2.000"), there)) == {"new": 1}
    assert counts(compare(runs("x,1M,2,0.1,0.4,0.5,2.000"), there)) == {"new": 1}
    assert counts(compare(runs("x,,1,0.1,0.4,0.5,2.010"), there)) == {"there": 1}


def test_each_recorded_run_is_found_once(tmp_path: Path) -> None:
    found = table(tmp_path / "a.csv", key=False)
    twice = Runs((*found.runs, *found.runs), found.metrics)
    assert counts(compare(twice, recorded(found))) == {"there": 12, "new": 12}


def test_only_imported_runs_are_looked_at_and_withdrawn_ones_stay_so(tmp_path: Path) -> None:
    found = table(tmp_path / "a.csv")
    asked = [dataclasses.replace(r, trial=dataclasses.replace(r.trial, origin="sobol")) for r in recorded(found)]
    assert counts(compare(found, asked)) == {"new": 12}
    assert counts(compare(found, recorded(found, withdrawn="broken"))) == {"withdrawn": 12}


@pytest.mark.parametrize(
    ("first", "second", "digits", "same"),
    [
        (2.1399, 2.14, 2, True),
        (2.1399, 2.1351, 2, True),
        (2.1399, 2.1349, 2, True),
        (2.1399, 2.1348, 2, False),
        (2.1399, 2.1400, 4, False),
        (2.1, 2.1399, 1, False),  # one digit behind the point leaves a hundredth of such a number
        (1.0, 0.6, 0, False),
        (45.2, 45.23, 1, True),
        (0.3, 0.1 + 0.2, 17, True),
    ],
)
def test_two_numbers_are_the_same_where_one_may_be_a_rounding_of_the_other(
    first: float, second: float, digits: int, same: bool
) -> None:
    assert same_number(first, second, digits, most=0.005 * max(first, second)) is same
    assert same_number(second, first, digits, most=0.005 * max(first, second)) is same


@pytest.mark.parametrize(("told", "seed"), [(7, 7), ("seven", 3), (True, 3), (-1, 3), (2**70, 3), (None, 3)])
def test_a_seed_that_a_record_can_hold_is_taken(told: object, seed: int) -> None:
    info = {} if told is None else {"seed": told}
    assert trained_seed(Result({"a": 1.0}, info=info), 3) == seed
