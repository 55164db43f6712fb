"""The scale of an imported run: what its row says in columns ``params`` and ``tokens``, else what was said for all."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bomix.config.build import number
from bomix.contracts.traits import field_values
from bomix.errors import Fault, FaultsError
from bomix.io.tables.table import EMPTY_CELLS, Row, Table
from bomix.scale import Scale

AXES = ("params", "tokens")
"""Names of the columns, and of what a scale consists of."""


def scale_columns(table: Table, taken: Collection[str]) -> list[str]:
    """The columns of a table that tell of scales: those of :data:`AXES` that stand for no domain and no metric."""
    return [axis for axis in AXES if axis in table.columns and axis not in taken]


def countless(table: Table, columns: Sequence[str]) -> list[str]:
    """Those of the columns that hold something else than counts in any row: they tell of no scale."""
    positions = table.positions({column: column for column in columns})
    return [name for name, at in positions.items() if any(_is_wrong(name, row.cells[at]) for row in table.rows)]


def _is_wrong(axis: str, cell: str) -> bool:
    return cell.lower() not in EMPTY_CELLS and counted(axis, cell) is None


def counted(axis: str, cell: str) -> float | None:
    """The count that a cell holds; None where it holds something else."""
    try:
        count = number(cell)
        Scale(**{axis: count})  # type: ignore[arg-type]  # whole or not is what is to be found out
    except (ValueError, FaultsError):
        return None
    return count


def row_scale(
    places: Sequence[tuple[Table, Row, Sequence[str]]], default: Scale | None, faults: list[Fault]
) -> Scale | None:
    """The scale of a run.

    Args:
        places: The row of the run in each table, with the columns of the table that tell of scales.
        default: Parameters and tokens of a run whose rows do not say; None where they are unknown.
        faults: A list to which whatever is wrong is added.

    Returns:
        The scale; None where nothing is known of it.
    """
    counts: dict[str, float | None] = {axis: None if default is None else field_values(default)[axis] for axis in AXES}
    told: dict[str, tuple[float, str]] = {}
    for table, row, columns in places:
        for axis, position in table.positions({axis: axis for axis in columns}).items():
            cell = row.cells[position]
            if cell.lower() in EMPTY_CELLS:
                continue
            count = counted(axis, cell)
            if count is None:
                what = f"the {axis} of the run are '{cell}', not a positive whole number"
                cure = f"where column '{axis}' means something else, rename it, or leave it out with --ignore-unknown"
                faults.append(Fault(table.where(row), f"{what}; {cure}"))
                continue
            earlier, place = told.setdefault(axis, (count, table.where(row)))
            if earlier != count:
                faults.append(Fault(table.where(row), f"the {axis} of the run are {cell}, and others in {place}"))
            counts[axis] = earlier
    recipe = None if default is None else default.recipe
    if recipe is None and all(count is None for count in counts.values()):
        return None
    return Scale(**counts, recipe=recipe)  # type: ignore[arg-type]
