"""What a recorded run and a row of a table have that is not the same.

Two numbers are the same where each may be a rounding of the other: they differ by no more than half a unit of the last
digit that the coarser of the two columns prints. A loss may differ by no more than :data:`_FINE` of itself for that
reason, a weight by no more than :data:`FINE_WEIGHT`, so that a column of whole numbers is no rounding of everything;
and mixtures are compared after their sums were set right, which moves a weight by its share of what the sums miss.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bomix.io.imports.runs import ImportedRun
from bomix.io.tables.table import decimals
from bomix.space.weights import Weights
from bomix.trial import Record, Result

KEY, SEED, STEP, DECIMALS = "run", "seed", "step", "decimals"
"""What an importer writes into ``info`` of a result: the key of the run in its table, its seed, the step at which it
was measured, and how many digits behind the point the columns of its weights and of each metric print."""
_FINE = 0.005
"""Share of a loss that a rounding may change: that of a number of three digits."""
FINE_WEIGHT = 0.0005
"""Largest change of a weight by rounding: that of the three digits of published tables."""
_ARITHMETIC = 1e-12
"""Difference of two numbers that dividing by a sum, writing and reading leave, where they are otherwise the same."""
_SHOWN = 4
"""Weights that a message lists of two mixtures that differ: the largest differences."""


def same_number(first: float, second: float, digits: int, *, most: float) -> bool:
    """Whether one of two numbers may be a rounding of the other.

    Args:
        first: A number.
        second: Another.
        digits: Digits behind the point that the coarser of the two was printed with.
        most: Largest difference that counts as rounding.
    """
    return abs(first - second) <= max(min(0.5 * 10.0**-digits, most), 0.0) * (1.0 + 1e-9) + _ARITHMETIC


def seed_difference(record: Record, run: ImportedRun) -> list[str]:
    """In words that a record and a run tell different seeds; empty where they do not."""
    known, now = told_of(record, SEED), str(run[1].info.get(SEED, ""))
    return [f"seed {known} recorded, {now} now"] if known and now and known != now else []


def differences(record: Record, run: ImportedRun) -> list[str]:
    """What a record and a run both have and is not the same but for seeds, a line each; the mixture is one line."""
    weights, result, _ = run
    before, now = (printed_decimals(part) for part in (record.result, result))
    listed = _weight_differences(record.trial.weights, weights, _coarser(before, now, "weights"))
    for name, loss in result.losses.items():
        if (known := record.result.losses.get(name)) is None:
            continue
        digits = min(_digits(before, name, known), _digits(now, name, loss))
        if not same_number(known, loss, digits, most=_FINE * max(abs(known), abs(loss))):
            listed.append(f"{name} {known:.8g} recorded, {loss:.8g} now")
    return listed


def _weight_differences(known: Weights, now: Weights, digits: int | None) -> list[str]:
    unit = 0.0 if digits is None else min(0.5 * 10.0**-digits, FINE_WEIGHT)
    wrong = {
        name: abs(known.get(name, 0.0) - share)
        for name, share in now.items()
        if abs(known.get(name, 0.0) - share) > unit * (1.0 + len(now) * share) + _ARITHMETIC
    }
    if not wrong:
        return []
    worst = sorted(wrong, key=lambda name: (-round(wrong[name], 9), name))[:_SHOWN]
    each = ", ".join(f"{name} {known.get(name, 0.0):.6g} recorded, {now[name]:.6g} now" for name in worst)
    rest = len(wrong) - len(worst)
    return [f"weight of {each}{f' and {rest} more' if rest else ''}"]


def _coarser(before: Mapping[str, Any], now: Mapping[str, Any], name: str) -> int | None:
    """The fewer of the digits that two tables print; None where one of them does not tell."""
    told = [part[name] for part in (before, now) if isinstance(part.get(name), int)]
    return min(told) if len(told) == 2 else None


def printed_decimals(result: Result) -> Mapping[str, Any]:
    """Column to the digits behind the point that it prints; losses under ``losses``."""
    found = result.info.get(DECIMALS)
    return found if isinstance(found, Mapping) else {}


def _digits(told: Mapping[str, Any], name: str, value: float) -> int:
    """Digits behind the point of a loss: those of its column, else those of the number itself."""
    losses = told.get("losses")
    digits = losses.get(name) if isinstance(losses, Mapping) else None
    return digits if isinstance(digits, int) else decimals(repr(float(value))) or 0


def told_of(record: Record, name: str) -> str:
    """What was told of a recorded run, as text; empty where nothing was."""
    told = record.result.info.get(name)
    return "" if told is None else str(told)
