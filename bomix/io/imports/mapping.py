"""Which column is what, as a user says it: single columns, patterns of many, and files of both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml

from bomix.config import yaml_reader
from bomix.errors import ConfigError, Fault, raise_faults
from bomix.io.store import files
from bomix.io.tables.columns import DOMAIN, METRIC

ANY = "*"
"""What stands for any text in a column's name, and for the same text in the name that it becomes."""
LARGEST = 2_000_000
"""Bytes of a file that maps columns: twenty thousand columns with long names."""


def read_mapping(path: Path) -> dict[str, str]:
    """The file of a mapping: YAML or JSON, ``column: name`` or ``pattern: pattern``.

    Args:
        path: The file.

    Returns:
        Column, or pattern, to what it stands for.

    Raises:
        FaultsError: It cannot be read, or says something else.
    """
    try:
        data, _, faults = yaml_reader.read(files.read_bounded(path, LARGEST))
    except (OSError, UnicodeDecodeError) as error:
        raise_faults([Fault(str(path), f"cannot be read: {error}")])
    except ConfigError as error:
        raise_faults([Fault(str(path), str(error))])
    faults = [Fault(f"{path}: {fault.where}", fault.what) for fault in faults]
    if not isinstance(data, Mapping) or not data:
        raise_faults([*faults, Fault(str(path), "expected a line for each column, `COLUMN: NAME`")])
    for column, name in data.items():
        if not isinstance(name, str) or not name:
            faults.append(Fault(f"{path}: {column}", "expected the name of a domain or metric"))
    raise_faults(faults)
    return {str(column): name for column, name in data.items()}


def written_mapping(mapping: Mapping[str, str]) -> str:
    """The text of a file that :func:`read_mapping` reads."""
    return str(yaml.safe_dump(dict(mapping), allow_unicode=True, sort_keys=False, width=1000))


def pattern_faults(mapping: Mapping[str, str], place: str) -> list[Fault]:
    """What is wrong with patterns before any table is looked at: more than one star, or a star on one side alone."""
    return [
        Fault(place, f"'{column}={name}': expected one {ANY} in the column, and one in the name that it becomes")
        for column, name in mapping.items()
        if ANY in column and (column.count(ANY) > 1 or name.count(ANY) != 1)
    ]


def matches(pattern: str, columns: Iterable[str]) -> dict[str, str]:
    """The columns that a pattern fits, each to the text that its star stands for."""
    before, _, behind = pattern.partition(ANY)
    fits = re.compile(f"{re.escape(before)}(.+){re.escape(behind)}", re.DOTALL)
    return {column: found[1] for column in columns if (found := fits.fullmatch(column))}


def expanded(
    mapping: Mapping[str, str], columns: Sequence[str], names: Sequence[str], faults: list[Fault]
) -> dict[str, str]:
    """The mapping with the columns that its patterns fit.

    A column that is mapped by itself is none of a pattern's, and one that a pattern would make a name that the study
    does not have stands for nothing, as without it.

    Args:
        mapping: Column or pattern to name or pattern.
        columns: The columns of all tables.
        names: The study's domains and metrics.
        faults: A list to which patterns are added that fit no column, or make no name of the study.
    """
    single = {column: name for column, name in mapping.items() if ANY not in column or column in columns}
    found = dict(single)
    for pattern, target in mapping.items():
        if pattern in single:
            continue
        fitting = matches(pattern, [column for column in columns if column not in single])
        made = {column: target.replace(ANY, text) for column, text in fitting.items()}
        known = {column: name for column, name in made.items() if _bare(name, names) in names}
        if not fitting:
            faults.append(Fault(f"{pattern}={target}", "no table has a column that this fits"))
        elif not known:
            column, name = next(iter(made.items()))
            faults.append(Fault(f"{pattern}={target}", f"makes '{name}' of '{column}', which the study does not have"))
        found.update(known)
    return found


def _bare(name: str, names: Sequence[str]) -> str:
    """A name without what tells domains and metrics apart."""
    for role in (DOMAIN, METRIC):
        if (target := role.target(name, names)) is not None:
            return target
    return name
