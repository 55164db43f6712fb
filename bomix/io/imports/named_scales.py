"""Scales of a study that a table, or who imports it, names; and the lines that would name those of a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bomix.errors import Fault, did_you_mean
from bomix.io.imports.scales import AXES
from bomix.io.tables.table import EMPTY_CELLS, Row, Table
from bomix.scale import Scale, written

if TYPE_CHECKING:
    from bomix.io.imports.columns import Reading
    from bomix.problem import Problem

SCALE = "scale"
"""What the column is called that holds names of scales."""


def with_column_of_names(reading: Reading, problem: Problem, tables: Sequence[Table]) -> Reading:
    """The reading in which the column that holds names of the study's scales is known as such, if there is one.

    It is the one that was said to hold parameters where it holds such a name; else one called ``scale`` that holds
    nothing else.

    Args:
        reading: How the tables are read.
        problem: The study's scales, domains and metrics.
        tables: The tables.
    """
    names = {each.name for each in problem.scales}
    said = reading.scale_from.get(AXES[0])
    column = said or SCALE
    cells = {
        row.cells[table.columns.index(column)] for table in tables if column in table.columns for row in table.rows
    }
    cells = {cell for cell in cells if cell.lower() not in EMPTY_CELLS}
    taken = {*problem.space.domains, *problem.metric_names, *reading.mapping}
    if not cells & names or (said is None and (cells - names or SCALE in taken)):
        return reading
    others = {axis: name for axis, name in reading.scale_from.items() if axis != AXES[0]}
    return dataclasses.replace(reading, scale_from=others, scale_names=column)


def with_name_of_column(table: Table, reading: Reading) -> Table:
    """The table in which the column of the names of scales is called :data:`SCALE`."""
    columns = [SCALE if name == reading.scale_names else name for name in table.columns]
    return table if reading.scale_names is None else dataclasses.replace(table, columns=tuple(columns))


def named_in(cell: str, row: Row, table: Table, problem: Problem, faults: list[Fault]) -> Scale | None:
    """The scale that a cell names; None where it is empty, or, with a fault, where it names none of the study's.

    Args:
        cell: The cell.
        row: Its row.
        table: The table of the row.
        problem: The study's scales.
        faults: A list to which a name that the study does not have is added.
    """
    if cell.lower() in EMPTY_CELLS:
        return None
    found = next((each.scale for each in problem.scales if each.name == cell), None)
    if found is None:
        names = [each.name for each in problem.scales]
        hint = did_you_mean(cell, names) or f" (known: {', '.join(names)})"
        faults.append(Fault(table.where(row), f"the study has no scale '{cell}'{hint}"))
    return found


def lines_to_add(scales: Iterable[Scale | None]) -> str:
    """The lines of a study file that name some scales, so that a study learns from runs of all of them."""
    known = sorted(
        {scale for scale in scales if scale is not None},
        key=lambda each: (each.params or 0, each.tokens or 0, each.recipe or ""),
    )
    one_size = len({scale.params for scale in known}) < len(known)
    unknown = any(scale.flops is None for scale in known)
    lines = ["scales:"]
    for scale in known:
        sizes = {axis: count for axis, count in scale.to_data().items() if isinstance(count, int)}
        parts = [_plain(count) for axis, count in sizes.items() if one_size or axis == "params"]
        keys = [f"{axis}: {_plain(count)}" for axis, count in sizes.items()]
        if scale.recipe is not None:
            keys.append(f"recipe: {scale.recipe}")
            parts.append(scale.recipe)
        if unknown:  # of runs of equal tokens, or equal parameters, costs are as the other number
            keys.append(f"cost: {_plain(next(iter(sizes.values()), 1))}")
        lines.append(f"  {'-'.join(parts)}: {{{', '.join(keys)}}}")
    return "\n".join(lines)


def _plain(count: int) -> str:
    """A count that YAML reads as a number."""
    return written(count).replace(",", "")
