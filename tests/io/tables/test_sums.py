"""What weights are written in, by what their rows sum to; one cause is told once."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.errors import Fault
from bomix.io.tables.sums import Divisors, divisors
from bomix.io.tables.table import Row, Table


def found(rows: list[str], unit: str | None = None) -> tuple[Divisors, list[str], list[str]]:
    cells = [tuple(row.split()) for row in rows]
    table = Table(Path("t.csv"), ("web", "code"), tuple(Row(line, row) for line, row in enumerate(cells, 2)))
    faults: list[Fault] = []
    notes: list[str] = []
    return divisors(table, {"web": 0, "code": 1}, unit, faults, notes), [fault.what for fault in faults], notes  # type: ignore[arg-type]


def test_percent_is_read_as_such_and_said() -> None:
    divided, faults, notes = found(["20 80", "33.3 66.6", "x 1"])
    assert divided == Divisors({2: 100.0, 3: 100.0}, decimals=2)
    assert faults == []
    assert notes == ["t.csv: every row sums to 100: read as percent; --percent to be sure"]
    assert found(["0.2 0.8", "20% 80%"]) == (Divisors({}), [], [])


@pytest.mark.parametrize("rows", [["0.5 0.5", "50 50"], ["0.5 0.5", "0.5 0.6"], ["3 4"], ["0.5 0.5"]])
def test_single_rows_are_told_of_themselves(rows: list[str]) -> None:
    assert found(rows) == (Divisors({}), [], [])


def test_another_sum_that_all_rows_have_is_told_once() -> None:
    divided, faults, _ = found(["2e6 8e6", "5e6 5e6"])
    assert divided.known
    assert faults == [
        "the weights of every row sum to 1e+07, not to 1: are they counts of tokens? "
        "--rescale divides the weights of each row by their sum"
    ]
    assert "is a domain missing" in found(["0.5 0.4", "0.3 0.6"])[1][0]


def test_many_rows_with_different_sums_have_one_cause() -> None:
    divided, (fault,), _ = found(["0.5 0.5", *(f"{row} {row}" for row in range(1, 8))])
    assert divided.known
    assert fault.startswith("the weights of 7 of 8 rows sum to 2 to 14, not to 1, as 2 in line 3: is a column missing")


def test_what_is_said_is_done() -> None:
    assert found(["1 3", "0 0"], "parts")[0].of == {2: 4.0}
    assert found(["1 3"], "percent")[0].of == {2: 100.0}
    assert found(["20 80", "30 70"], "shares") == (Divisors({}), [], [])
