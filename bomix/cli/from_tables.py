"""``bomix init --from-tables``: a study file for runs that are there already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from bomix.cli.drafted import COLUMNS_FILE, import_command, study_text
from bomix.errors import ConfigError, Fault, raise_faults
from bomix.io.imports.columns import Reading
from bomix.io.imports.drafting import Draft, draft
from bomix.io.imports.mapping import written_mapping
from bomix.io.store import files
from bomix.io.store.study_folder import STUDY_FILE
from bomix.io.tables.reading import SHOWN, read_table
from bomix.io.tables.table import Table


@dataclass(frozen=True)
class Brought:
    """Where runs are that a study is begun with.

    Attributes:
        weights: The table of the weights.
        losses: That of the losses; None where the first has them too.
        options: Option of ``bomix import`` to what was given for it, to be given again.
        reading: How the tables are read.
    """

    weights: Path
    losses: Path | None
    options: Mapping[str, Any]
    reading: Reading


def begin(directory: Path, brought: Brought, *, tokens: int | None) -> None:
    """Write the study file of runs that are there, and say what comes next.

    Args:
        directory: The study folder; it may be there, without a study file.
        brought: Where the runs are.
        tokens: Training tokens of the run that is decided about; None where nobody said.

    Raises:
        FaultsError: The tables do not say what the study consists of.
        ConfigError: There is a study file already.
    """
    path = directory / STUDY_FILE
    if path.exists():
        raise ConfigError(f"{path} is there already; edit it, or choose another folder")
    found = _drafted(brought)
    options = dict(brought.options)
    directory.mkdir(parents=True, exist_ok=True)
    if found.mapping:
        files.replace(directory / COLUMNS_FILE, written_mapping(found.mapping))
        options = {**options, "--map": (), "--map-file": directory / COLUMNS_FILE}
    files.write_new(path, study_text(found, tokens=tokens))
    for note in found.notes:
        click.echo(note, err=True)
    tables = {"--weights": brought.weights, **({} if brought.losses is None else {"--losses": brought.losses})}
    click.echo(f"wrote {path}: {_summary(found)}\n")
    click.echo(f"  {import_command(directory, tables, options)}")
    click.echo(f"  bomix recommend {directory}")


def _drafted(brought: Brought) -> Draft:
    faults: list[Fault] = []
    comma = brought.reading.decimal_comma
    first = read_table(brought.weights, faults, decimal_comma=comma)
    second: Table | None = None
    if brought.losses is not None:
        second = read_table(brought.losses, faults, decimal_comma=comma)
    raise_faults(faults, "the tables cannot be read:", most=SHOWN)
    assert first is not None
    return draft(first, second, brought.reading)


def _summary(found: Draft) -> str:
    own = sum(1 for name in found.own)
    said = f"{len(found.domains)} domains, {len(found.metrics)} metrics"
    return said + (f", {own} of them with a domain of their own" if own else "")
