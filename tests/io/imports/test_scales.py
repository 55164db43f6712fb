"""The scale of a row: its own cells first, then what was said for all; ``test_csv`` has it in whole tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.errors import Fault
from bomix.io.imports.scales import AXES, countless, row_scale, scale_columns
from bomix.io.tables.reading import Row, Table
from bomix.scale import Scale


def table(cells: tuple[str, ...], columns: tuple[str, ...] = ("params", "tokens")) -> tuple[Table, Row, list[str]]:
    row = Row(2, cells)
    made = Table(Path("t.csv"), columns, (row,))
    return made, row, scale_columns(made, ())


def test_only_columns_that_stand_for_nothing_else_tell_of_scales() -> None:
    made, _, columns = table(("1", "2", "3"), ("tokens", "web", "params"))
    assert columns == ["params", "tokens"]
    assert scale_columns(made, {"tokens"}) == ["params"]


@pytest.mark.parametrize(
    ("cells", "default", "expected"),
    [
        (("1M", "5e7"), None, Scale(1_000_000, 50_000_000)),
        (("1M", "NaN"), None, Scale(1_000_000)),
        (("1M", ""), Scale(7, 9), Scale(1_000_000, 9)),
        (("", ""), Scale(7), Scale(7)),
        (("", "none"), None, None),
    ],
)
def test_cells_come_before_what_was_said_for_all(
    cells: tuple[str, ...], default: Scale | None, expected: Scale | None
) -> None:
    faults: list[Fault] = []
    assert row_scale([table(cells)], default, faults) == expected
    assert not faults


@pytest.mark.parametrize("cell", ["0", "-1", "2.5", "many"])
def test_a_cell_that_is_no_count_is_named(cell: str) -> None:
    faults: list[Fault] = []
    row_scale([table((cell, "1"))], None, faults)
    assert [str(fault) for fault in faults] == [
        f"t.csv:2: the params of the run are '{cell}', not a positive whole number; where column 'params' means "
        "something else, rename it, or leave it out with --ignore-unknown"
    ]


def test_a_column_that_holds_anything_else_in_any_row_holds_no_counts() -> None:
    rows = (Row(2, ("1M", "10")), Row(3, ("", "10.5")), Row(4, ("nan", "")))
    assert countless(Table(Path("t.csv"), AXES, rows), AXES) == ["tokens"]
    assert countless(Table(Path("t.csv"), AXES, (Row(2, ("small", "1e6")),)), AXES) == ["params"]
    assert countless(Table(Path("t.csv"), AXES, rows[:1]), AXES) == []
