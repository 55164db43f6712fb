"""Rows of two tables that are one run: by key and what else both tell, each once."""

from __future__ import annotations

from pathlib import Path

from bomix.errors import Fault
from bomix.io.imports.columns import ColumnSearch, Reading
from bomix.io.imports.joining import Join
from bomix.io.imports.runs import RunCollector
from bomix.io.tables.reading import Row, Table
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.space.mixture_space import MixtureSpace

PROBLEM = Problem(MixtureSpace(("code", "web")), (Metric("a"),), Mean())


def table(name: str, text: str) -> Table:
    header, *lines = (tuple(line.split(",")) for line in text.split())
    return Table(Path(name), header, tuple(Row(number, cells) for number, cells in enumerate(lines, 2)))


def joined(first: str, second: str) -> tuple[list[tuple[str, int, int]], list[str], list[str]]:
    """Key and both lines of each run, the faults, and the notes."""
    faults: list[Fault] = []
    search = ColumnSearch(table("w", first), table("l", second), PROBLEM, Reading(), faults)
    domains, metrics, keys = search.find()
    join = Join(search, RunCollector(PROBLEM, faults), domains, metrics, keys, whole=True)
    pairs = [(pair.key, pair.first.line, pair.second.line) for pair in join.pairs()]
    return pairs, [str(fault) for fault in faults], join.notes


def test_rows_are_joined_by_key_and_by_the_seed_that_both_tell() -> None:
    weights = "run,seed,code,web\nx,0,0.5,0.5\nx,1,0.25,0.75\n"
    pairs, faults, _ = joined(weights, "run,seed,a\nx,1,2.0\nx,0,3.0\n")
    assert (pairs, faults) == ([("x", 2, 3), ("x", 3, 2)], [])


def test_one_mixture_has_a_run_for_each_seed_that_only_the_losses_tell() -> None:
    pairs, faults, _ = joined("run,code,web\nx,0.5,0.5\n", "run,seed,a\nx,0,2.0\nx,1,2.1\n")
    assert (pairs, faults) == ([("x", 2, 2), ("x", 2, 3)], [])


def test_a_key_that_stands_twice_in_both_is_refused() -> None:
    pairs, faults, _ = joined("run,code,web\nx,0.5,0.5\nx,1,0\n", "run,a\nx,2.0\nx,3.0\n")
    assert pairs == []
    said = "w:3: the key 'run' is x again, as in line 2, as it is in l"
    assert faults == [f"{said}; every run needs its own (--id names another column)"]


def test_copies_are_left_out_with_a_note() -> None:
    pairs, faults, notes = joined("run,code,web\nx,0.5,0.5\nx,0.50,0.5\n", "run,a\nx,2.0\n")
    assert (pairs, faults) == ([("x", 2, 2)], [])
    assert notes == ["left out 1 rows that are copies of others: w:3 (as line 2)"]
