"""A study file in YAML, read with the line of everything that is wrong in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bomix.config.registry import modules_of
from bomix.config.scale_spec import build_study
from bomix.config.spec import StudySpec
from bomix.contracts.traits import field_values
from bomix.errors import ConfigError, Fault, FaultsError, raise_faults

_MOST_BYTES = 2_000_000
"""Largest study file: ten thousand domains with a source each have half of that, and are read in ten seconds."""
_LAST_STEP = re.compile(r"(\.[^.\[]*|\[\d+\]|^[^.\[]*)$")


def load(path: Path) -> StudySpec:
    """Read a study file.

    Args:
        path: A YAML file.

    Raises:
        ConfigError: The file cannot be read, or is no YAML.
        FaultsError: Everything that is wrong in it, with path and line.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"{path} is too large for a study file, which has {_MOST_BYTES:,} bytes at most")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"cannot read {path}: it is not UTF-8 ({error.reason}); save it in that encoding") from error
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    data, lines, duplicates = parse(text, path)
    with modules_of(path.parent):
        spec, faults = build_study(StudySpec, data)
    faults = [*duplicates, *faults]
    raise_faults([_located(fault, lines) for fault in faults], f"{path} has {_count(len(faults))}:")
    assert spec is not None
    return spec


def located(faults: Sequence[Fault], spec: StudySpec, path: Path) -> FaultsError:
    """What is wrong with a study that was read from a file, as far as the file still says it, with the lines.

    Args:
        faults: Found after reading: they need what the evaluator measures.
        spec: The study.
        path: The file.

    Returns:
        The error to raise.
    """
    said, (_, lines, _) = load(path), parse(path.read_text(encoding="utf-8"), path)
    before, now = field_values(said), field_values(spec)
    unchanged = [before.get(_key(fault)) == now.get(_key(fault)) for fault in faults]
    found = [_located(fault, lines) if same else fault for fault, same in zip(faults, unchanged, strict=True)]
    return FaultsError(found, f"{path} has {_count(len(found))}:")


def _key(fault: Fault) -> str:
    """The key of a study file that a fault is below."""
    return re.split(r"[.\[]", fault.where, maxsplit=1)[0]


def parse(text: str, path: Path) -> tuple[Any, dict[str, int], list[Fault]]:
    """Data, the line of every dotted path, and keys that stand twice.

    Raises:
        ConfigError: The text is not YAML, or too large for a study file.
    """
    from bomix.config import yaml_reader

    try:
        return yaml_reader.read(text)
    except ConfigError as error:
        raise ConfigError(f"{path} {error}") from error


def placed(where: str, lines: Mapping[str, int]) -> str:
    """A dotted path with its line, or that of the nearest thing above it that the file has; bare where it has none.

    Args:
        where: The path, or several with commas between them.
        lines: The line of every path that stands in the file, as :func:`parse` gives them.
    """
    if len(places := where.split(", ")) > 1 and all(place in lines for place in places):
        return f"{where} (lines {', '.join(str(lines[place]) for place in places)})"
    above = where
    while above and above not in lines:
        above = _LAST_STEP.sub("", above)
    return f"{where} (line {lines[above]})" if above else where


def _located(fault: Fault, lines: Mapping[str, int]) -> Fault:
    return Fault(placed(fault.where, lines), fault.what)


def _count(faults: int) -> str:
    return "a problem" if faults == 1 else f"{faults} problems"
