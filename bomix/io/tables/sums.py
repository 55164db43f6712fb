"""What the weights of a table are written in: shares, percent, or counts, told by what its rows sum to."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bomix.errors import Fault
from bomix.io.tables.table import Table, to_share
from bomix.trial import SUM_TOLERANCE

Unit: TypeAlias = Literal["shares", "percent", "parts"]
"""What weights are written in: shares of one, of a hundred, or of the sum of their row."""
PERCENT = 100.0
"""What a row of percents sums to."""
_MANY = 6
"""Rows whose sums are wrong from which on one cause is told of them all: with fewer, each is told."""


@dataclass(frozen=True)
class Divisors:
    """What the weights of each row are divided by before they are looked at.

    Attributes:
        of: Line of a row to its divisor; 1 where a row is not named.
        decimals: Digits that dividing adds behind the point.
        known: Whether what is wrong with the sums of rows has been told, or is mended by dividing.
    """

    of: Mapping[int, float]
    decimals: int = 0
    known: bool = False


def divisors(
    table: Table,
    positions: Mapping[str, int],
    unit: Unit | None,
    faults: list[Fault],
    notes: list[str],
    *,
    options: bool = True,
) -> Divisors:
    """What the weights of each row are divided by.

    Args:
        table: The table of the weights.
        positions: Domain to the position of its cell.
        unit: What the weights are written in; by what rows sum to where None: one, or, with a note, a hundred.
        faults: A list to which another sum that most rows have is added, once for all of them.
        notes: A list to which it is added that weights were read as percent.
        options: Whether who reads the table has options that say what its weights are written in.
    """
    sums = _sums(table, positions)
    if not sums or unit == "shares":
        return Divisors({})
    if unit == "parts":
        return Divisors({line: total for line, total in sums.items() if total > 0.0}, decimals=_DIGITS)
    if unit == "percent":
        return Divisors(dict.fromkeys(sums, PERCENT), decimals=2)
    if all(_near(total, PERCENT) for total in sums.values()):
        notes.append(
            f"{table.path}: every row sums to 100: read as percent{'; --percent to be sure' if options else ''}"
        )
        return Divisors(dict.fromkeys(sums, PERCENT), decimals=2)
    wrong = {line: total for line, total in sums.items() if not _near(total, 1.0)}
    middle = statistics.median(sums.values())
    constant = len(wrong) == len(sums) > 1 and all(_near(total, middle) for total in sums.values())
    if constant or (len(wrong) >= _MANY and 2 * len(wrong) >= len(sums)):
        cure = "--rescale divides the weights of each row by their sum" if options else "divide each row by its sum"
        faults.append(Fault(str(table.path), f"{_cause(sums, wrong, middle if constant else None)} {cure}"))
        return Divisors({line: total for line, total in wrong.items() if total > 0.0}, known=True)
    return Divisors({})


_DIGITS = 12
"""Digits behind the point that a share of a count has: as many as are told apart."""


def _sums(table: Table, positions: Mapping[str, int]) -> dict[int, float]:
    """Line to sum, of the rows whose weights are all numbers and not negative."""
    found = {}
    for row in table.rows:
        shares = [to_share(row.cells[at]) for at in positions.values()]
        known = [share for share in shares if share is not None and share >= 0.0]
        if len(known) == len(shares):
            found[row.line] = math.fsum(known)
    return found


def _near(total: float, whole: float) -> bool:
    return abs(total - whole) <= SUM_TOLERANCE * whole


def _cause(sums: Mapping[int, float], wrong: Mapping[int, float], constant: float | None) -> str:
    if constant is not None:
        why = "is a domain missing, or are they counts" if constant < 1.0 else "are they counts of tokens"
        return f"the weights of every row sum to {constant:g}, not to 1: {why}?"
    line, total = next(iter(wrong.items()))
    span = f"{min(wrong.values()):g} to {max(wrong.values()):g}"
    what = f"the weights of {len(wrong)} of {len(sums)} rows sum to {span}, not to 1, as {total:g} in line {line}"
    return f"{what}: is a column missing, or are they counts of tokens?"
