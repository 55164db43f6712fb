"""``bomix init --from-tables``: a study file for runs that are there already."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from bomix.cli.drafted import COLUMNS_FILE, import_command, study_text
from bomix.cli.reading_options import option_of
from bomix.errors import ConfigError, Fault, FaultsError, raise_faults
from bomix.io.imports.columns import Reading
from bomix.io.imports.csv import read_runs
from bomix.io.imports.drafting import Draft, draft
from bomix.io.imports.lm_eval import read_folder, read_lm_eval
from bomix.io.imports.mapping import written_mapping
from bomix.io.imports.tracked import TRACKERS, read_tracked, tracked_tables
from bomix.io.imports.trackers import run_key
from bomix.io.store import files
from bomix.io.store.study_folder import STUDY_FILE
from bomix.io.tables.reading import SHOWN, read_table
from bomix.io.tables.table import Table


@dataclass(frozen=True)
class Brought:
    """Where runs are that a study is begun with.

    Attributes:
        weights: The table of the weights; None where a tracker has them.
        losses: That of the losses; None where the first has them too, or they stand in no table.
        source: What else has the losses, a parameter of :data:`bomix.cli.reading_options.SOURCES`, and where it is.
        options: Option of ``bomix import`` to what was given for it, to be given again.
        reading: How the tables are read.
    """

    weights: Path | None
    losses: Path | None
    source: tuple[str, Path] | None
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
    notes: list[str] = []
    found = _drafted(brought, notes)
    options = dict(brought.options)
    directory.mkdir(parents=True, exist_ok=True)
    if found.mapping:
        files.replace(directory / COLUMNS_FILE, written_mapping(found.mapping))
        options = {**options, "--map": (), "--map-file": directory / COLUMNS_FILE}
    options["--ignore-unknown"] = found.ignores
    files.write_new(path, study_text(found, tokens=tokens))
    for note in (*notes, *found.notes):
        click.echo(note, err=True)
    named = {"--weights": brought.weights, "--losses": brought.losses}
    if brought.source is not None:
        named[option_of(brought.source[0])] = brought.source[1]
    tables = {option: place for option, place in named.items() if place is not None}
    click.echo(f"wrote {path}: {_summary(found)}\n")
    click.echo(f"  {import_command(directory, tables, options)}")
    click.echo(f"  bomix recommend {directory}")
    if complaint := _complaint(directory, brought, found):
        click.echo(f"\nas the tables are, the first of these commands will say:\n{complaint}", err=True)


def _drafted(brought: Brought, notes: list[str]) -> Draft:
    """What the study consists of, by whatever was named."""
    faults: list[Fault] = []
    reading = brought.reading
    first, second, higher = _tables(brought, faults, notes)
    raise_faults(faults, "the tables cannot be read:", most=SHOWN)
    assert first is not None, "what cannot be read is a fault"
    return draft(first, None if second is first else second, reading, higher=higher)


def _tables(
    brought: Brought, faults: list[Fault], notes: list[str]
) -> tuple[Table | None, Table | None, Mapping[str, bool | None]]:
    """The tables of weights and of measurements, and the directions that who measured says."""
    reading, comma = brought.reading, brought.reading.decimal_comma
    if brought.source is not None and brought.source[0] in TRACKERS:
        return *tracked_tables(*brought.source, brought.weights, reading, faults), {}
    if brought.weights is None:
        raise click.UsageError("--lm-eval goes with --from-tables, the table of the mixtures")
    first = read_table(brought.weights, faults, decimal_comma=comma)
    if brought.source is None:
        losses = brought.losses
        return first, None if losses is None else read_table(losses, faults, decimal_comma=comma), {}
    if first is None or (key := run_key(first, reading.key, faults)) is None:
        return None, None, {}
    second, scores = read_folder(brought.source[1], first.cells_of(key), faults, notes)
    return first, second, scores.higher


def _complaint(directory: Path, brought: Brought, found: Draft) -> str:
    """What keeps the runs from being read; empty where nothing does."""
    from bomix.study.study import Study

    problem = Study.open(directory).problem
    mapping = found.mapping or brought.reading.mapping
    reading = dataclasses.replace(brought.reading, mapping=mapping, ignore_unknown=found.ignores)
    try:
        if brought.source is not None and brought.source[0] in TRACKERS:
            read_tracked(*brought.source, brought.weights, problem, reading)
        elif brought.source is not None and brought.weights is not None:
            read_lm_eval(brought.weights, brought.source[1], problem, reading)
        elif brought.weights is not None:
            read_runs(brought.weights, brought.losses, problem, reading)
    except FaultsError as error:
        return str(error)
    return ""


def _summary(found: Draft) -> str:
    own = len(found.own)
    said = f"{len(found.domains)} domains, {len(found.metrics)} metrics"
    return said + (f", {own} of them with a domain of their own" if own else "")
