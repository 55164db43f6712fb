"""Tables as JSON: a record a line, a list of records, or the forms in which pandas and trackers write a table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bomix.errors import Fault
from bomix.io.tables.table import Row, Table, as_text

LISTS = ("runs", "records", "results", "rows", "data")
"""Keys under which a file may have its list of records."""
_DEEPEST = 16
"""Levels of mappings that become columns: settings of a run are nested three or four deep."""
_FORMS = "write a list of records, a record a line, or what pandas' to_json writes"


def looks_like_json(text: str) -> bool:
    """Whether a text begins as JSON does, and no CSV whose first column has such a name."""
    return re.match(r"\s*(\[\s*[\[{\]]|\{\s*[\"}])", text) is not None


def read_json(path: Path, text: str, faults: list[Fault]) -> Table | None:
    """The table of a text in JSON, or in JSON a line.

    Args:
        path: The file, which faults name.
        text: What stands in it.
        faults: What is wrong is added here.

    Returns:
        The table, its columns the keys of the records, ``config.lr`` those of a mapping in a record; None where there
        is nothing to look at.
    """
    try:
        found, by_line = _loaded(text), False
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            faults.append(Fault(f"{path}:{error.lineno}", f"is no JSON: {error.msg}"))
            return None
        found, by_line = None, True
    except (ValueError, RecursionError) as error:
        faults.append(Fault(str(path), f"is no JSON that can be read: {error}"))
        return None
    if by_line:
        records = _records_by_line(path, text, faults)
    elif (listed := _records_of(found)) is None:
        faults.append(Fault(str(path), f"is JSON, and no table; {_FORMS}"))
        return None
    else:
        records = list(enumerate(listed, 1))
    return table_of(path, records, faults, counted="" if by_line else "record")


def table_of(
    path: Path, records: Iterable[tuple[int, Any]], faults: list[Fault], *, counted: str = "record"
) -> Table | None:
    """The table of records.

    Args:
        path: The file, which faults name.
        records: Number of the record, or of its line, and what it holds.
        faults: Records that are no mappings are added here, and that there is none.
        counted: What stands before the number of a record in messages; empty where it is a line.

    Returns:
        Columns in the order of their first record, empty where a record lacks one.
    """
    flat: list[tuple[int, dict[str, str]]] = []
    columns: dict[str, None] = {}
    before = len(faults)
    place = f"{path}:{counted}{' ' if counted else ''}"
    for line, record in records:
        if not isinstance(record, Mapping):
            faults.append(Fault(f"{place}{line}", f"is no record of columns but {type(record).__name__}; {_FORMS}"))
            continue
        cells = {name: as_text(value) for name, value in flattened(record).items()}
        columns.update(dict.fromkeys(cells))
        flat.append((line, cells))
    if not flat or not columns:
        if len(faults) == before:
            faults.append(Fault(str(path), "holds no record"))
        return None
    rows = [Row(line, tuple(cells.get(name, "") for name in columns)) for line, cells in flat]
    return Table(path, tuple(columns), tuple(rows), counted)


def flattened(record: Mapping[Any, Any], prefix: str = "", levels: int = _DEEPEST) -> dict[str, Any]:
    """Every value of nested mappings under its path, ``config.lr``; lists as JSON."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        name = f"{prefix}{key}".strip()
        if isinstance(value, Mapping) and value and levels:
            flat.update(flattened(value, f"{name}.", levels - 1))
        else:
            flat[name] = json.dumps(value, default=str) if isinstance(value, (Mapping, list, tuple)) else value
    return flat


def _loaded(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_each_once)


def _each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise ValueError(f"key '{twice}' stands twice; rename or remove one")
    return found


def _records_by_line(path: Path, text: str, faults: list[Fault]) -> list[tuple[int, Any]]:
    records = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            records.append((number, _loaded(line)))
        except json.JSONDecodeError as error:
            faults.append(Fault(f"{path}:{number}", f"is no JSON: {error.msg}", kind="json"))
        except (ValueError, RecursionError) as error:
            faults.append(Fault(f"{path}:{number}", f"is no JSON that can be read: {error}", kind="json"))
    return records


def _records_of(found: Any) -> list[Any] | None:
    """The records of a file in JSON; None where it is of no known form."""
    if isinstance(found, list):
        return found
    if not isinstance(found, Mapping) or not found:
        return None
    columns, data = found.get("columns"), found.get("data")
    if isinstance(columns, list) and isinstance(data, list) and all(isinstance(row, list) for row in data):
        return [dict(zip(map(str, columns), row, strict=True)) if len(row) == len(columns) else row for row in data]
    listed = [found[name] for name in LISTS if isinstance(found.get(name), list)]
    if len(listed) == 1 and all(isinstance(each, Mapping) for each in listed[0]):
        return list(listed[0])
    if all(isinstance(each, list) for each in found.values()) and len({*map(len, found.values())}) == 1:
        return [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]
    if all(isinstance(each, Mapping) for each in found.values()):
        inner = [key for each in found.values() for key in each]
        if inner and all(key.isdigit() for key in inner):  # a mapping of columns, each of its rows
            rows = list(dict.fromkeys(inner))
            return [{name: each.get(row) for name, each in found.items()} for row in rows]
        return [{"index": key, **each} for key, each in found.items()]
    # A single record, as of a run that wrote one line.
    return [found]
