"""Compare two recordings of ``record.py``, to the last bit unless a tolerance is given.

``python tests/identity/compare.py OLD.json NEW.json`` ends with 1 where they differ.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import math
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RENAMED: Mapping[str, str] = {"fidelity": "scale"}
"""Key in files, fields and attributes of the old side to what it is called now."""


@dataclass(frozen=True)
class Leeway:
    """Why an entry may differ.

    Attributes:
        reason: A sentence.
        tolerance: Largest difference of a number, absolute and relative to one where numbers are larger; infinite
            where anything may differ, or one side may lack the entry.
    """

    reason: str
    tolerance: float = math.inf


EXCEPTIONS: Mapping[str, Leeway] = {}
"""Pattern of entries, as ``asks/7/turbo*``, or of leaves, as ``files: *.kind``, to why they may differ."""

_HEX = re.compile(r"-?0x[0-9a-f]\.[0-9a-f]*p[+-]\d+|-?inf|nan")


@dataclass(frozen=True)
class Difference:
    """One leaf that differs.

    Attributes:
        entry: The entry's key.
        where: Path inside of it.
        old: What stood there.
        new: What stands there.
        size: Absolute difference of two numbers; infinite where they are none.
    """

    entry: str
    where: str
    old: Any
    new: Any
    size: float

    def __str__(self) -> str:
        size = f"{self.size:.3g}" if math.isfinite(self.size) else "no number"
        return f"{self.entry}: {self.where or '.'}: {_shown(self.old)} -> {_shown(self.new)} ({size})"


class _Absent:
    def __repr__(self) -> str:
        return "(absent)"


ABSENT = _Absent()


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Plain data with other keys at any depth."""
    if isinstance(value, dict):
        return {names.get(key, key): renamed(each, names) for key, each in value.items()}
    return [renamed(each, names) for each in value] if isinstance(value, list) else value


def leaves(entry: str, where: str, old: Any, new: Any) -> Iterator[Difference]:
    """Every leaf that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from leaves(entry, f"{where}.{key}" if where else key, old.get(key, ABSENT), new.get(key, ABSENT))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from leaves(entry, f"{where}[{number}]", before, after)
    elif type(old) is not type(new) or old != new:
        before, after = _number(old), _number(new)
        size = math.inf if before is None or after is None else abs(before - after)
        yield Difference(entry, where, old, new, math.inf if math.isnan(size) else size)


def differences(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    *,
    asks: float = 0.0,
    predictions: float = 0.0,
    names: Mapping[str, str] = RENAMED,
    exceptions: Mapping[str, Leeway] = EXCEPTIONS,
) -> list[Difference]:
    """Every leaf of two recordings that differs by more than it may.

    Args:
        old: Entry to fact.
        new: The same of the other version.
        asks: Largest difference of a number in asks, shares.
        predictions: Largest difference of a number elsewhere, in its own unit.
        names: Old key to new key; see :data:`RENAMED`.
        exceptions: Pattern of entries to why they may differ.
    """
    found = []
    for entry in sorted(old.keys() | new.keys()):
        allowed = asks if entry.startswith("asks/") else predictions
        allowed = max([allowed, *(e.tolerance for p, e in exceptions.items() if fnmatch.fnmatchcase(entry, p))])
        if math.isinf(allowed):
            continue
        before, after = renamed(old.get(entry, ABSENT), names), new.get(entry, ABSENT)
        found += [
            difference
            for difference in leaves(entry, "", before, after)
            if not any(fnmatch.fnmatchcase(f"{entry}: {difference.where}", pattern) for pattern in exceptions)
            if difference.size > allowed * max(1.0, abs(_number(difference.old) or 0.0))
            or math.isinf(difference.size)
            or allowed == 0.0
        ]
    return found


def _number(value: Any) -> float | None:
    """A recorded float; None of anything else. Counts, ids and seeds are exact and no numbers here."""
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        return None
    return float.fromhex(value) if "x" in value else float(value)


def _shown(value: Any) -> str:
    number = _number(value)
    text = json.dumps(value) if not isinstance(value, _Absent) else repr(value)
    return (text if len(text) <= 160 else text[:157] + "...") if number is None else f"{number!r}"


def main() -> int:
    """Read the arguments, compare, say what differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--tolerance-asks", type=float, default=0.0)
    parser.add_argument("--tolerance-predictions", type=float, default=0.0)
    parser.add_argument("--show", type=int, default=40, help="how many differences to print")
    options = parser.parse_args()
    old, new = (json.loads(path.read_text(encoding="utf-8")) for path in (options.old, options.new))
    found = differences(old, new, asks=options.tolerance_asks, predictions=options.tolerance_predictions)
    entries: dict[str, list[Difference]] = {}
    for difference in found:
        entries.setdefault(difference.entry, []).append(difference)
    shown = 0
    for entry, those in entries.items():
        finite = [each.size for each in those if math.isfinite(each.size)]
        largest = f"largest {max(finite):.3g}" if finite else "no numbers"
        print(f"{entry}: {len(those)} differ, {largest}")
        for difference in those[: min(3, max(0, options.show - shown))]:
            print(f"  {difference}")
            shown += 1
    for pattern, exception in EXCEPTIONS.items():
        print(f"excepted: {pattern}: {exception.reason}")
    print(f"{len(old.keys() & new.keys())} entries in common, {len(entries)} differ")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
