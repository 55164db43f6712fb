"""``bomix predict``."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bomix.cli.options import log_to_stderr, study_argument

if TYPE_CHECKING:
    import xarray as xr

    from bomix.io.tables.table import Table

COLUMNS = ("mean", "sd", "lower", "upper")
"""What is said of each metric and of the objective, each name after an underscore."""


@click.command()
@study_argument
@click.argument("mixtures", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="CSV file to write; else printed.")
@click.option("--scale", metavar="NAME", help="One of several scales of the study; else the one decided about.")
@click.option("-v", "--verbose", count=True, help="Say what is being fitted; twice for everything.")
def predict(study: Path, mixtures: Path, out: Path | None, scale: str | None, verbose: int) -> None:
    """Predict every metric and the objective at the mixtures of a table.

    MIXTURES is a CSV file with a column for each domain. The predictions keep its rows and columns and add, for each
    metric and for `objective` (lower is better), `_mean`, `_sd`, `_lower` and `_upper`: a new run of that mixture, its
    noise included, lies between the last two with a probability of 95 %.
    """
    from bomix.io.store import files
    from bomix.io.tables.reading import read_mixtures
    from bomix.study.study import Study

    log_to_stderr(verbose)
    opened = Study.open(study)
    if out is not None:
        check_output(out, mixtures, opened.folder)
    given = read_mixtures(mixtures, opened.problem.space)
    for note in given.notes:
        click.echo(note, err=True)
    label = objective_label(opened.problem.metric_names)
    check_columns(given.table, opened.problem.metric_names, label)
    text = predictions(given.table, opened.predict(given.weights, scale=scale), label)
    if label != "objective":
        click.echo(f"a metric is called 'objective'; the study's own objective is '{label}'", err=True)
    if out is None:
        click.echo(text, nl=False)
        return
    files.replace(out, text)
    click.echo(f"wrote {out}: {len(given.weights)} mixture{'' if len(given.weights) == 1 else 's'}")


def objective_label(metrics: Sequence[str]) -> str:
    """What tables call the objective: a name that no metric has."""
    label = "objective"
    while label in metrics:
        label = f"study_{label}"
    return label


def predictions(table: Table, predicted: xr.Dataset, label: str) -> str:
    """The table with the predictions behind its columns.

    Args:
        table: ``n`` rows.
        predicted: What :meth:`bomix.study.study.Study.predict` returns for these rows, in their order.
        label: What the objective is called.

    Returns:
        CSV, numbers in full.
    """
    names = [*predicted["metric"].values.tolist(), label]
    values = [
        [*(predicted[column][:, position] for column in COLUMNS)] for position in range(predicted.sizes["metric"])
    ]
    values.append([predicted[f"objective_{column}"] for column in COLUMNS])
    columns = [column.values.tolist() for group in values for column in group]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*table.columns, *_added(names)])
    for row, *numbers in zip(table.rows, *columns, strict=True):
        writer.writerow([*row.cells, *map(repr, numbers)])
    return text.getvalue()


STUDY_SUFFIXES = (".yaml", ".yml", ".json", ".nc")
"""Files of a study folder are these, and what is in its subfolders."""


def check_output(out: Path, mixtures: Path, folder: Path | None) -> None:
    """Refuse what cannot be written, before anything is fitted.

    Raises:
        ConfigError: The file is the input or one of the study's own, or its folder is not there.
    """
    from bomix.errors import ConfigError

    if out.exists() and mixtures.exists() and out.samefile(mixtures):
        raise ConfigError(f"--out {out} is the table of mixtures itself, which is kept; choose another file")
    check_folder(out, "--out")
    if folder is not None and out.resolve().is_relative_to(folder.resolve()):
        place = out.resolve().relative_to(folder.resolve())
        if place.parts[0] == "trials" or place.name == "lock" or place.suffix in STUDY_SUFFIXES:
            raise ConfigError(f"--out {out} is a place of the study's own record; choose another file")


def check_folder(path: Path, option: str) -> None:
    """Raise ConfigError where the folder that a file is to be written to is not there."""
    from bomix.errors import ConfigError

    if not path.parent.is_dir():
        raise ConfigError(f"{option} {path}: there is no folder {path.parent}; make it, or choose another")


def check_columns(table: Table, metrics: Sequence[str], label: str) -> None:
    """Raise FaultsError where the table has columns of the names that the predictions take."""
    from bomix.errors import Fault, raise_faults

    taken = [name for name in _added([*metrics, label]) if name in table.columns]
    raise_faults(
        [Fault(str(table.path), f"column '{name}' is one that predictions add; rename or remove it") for name in taken]
    )


def _added(names: Sequence[str]) -> list[str]:
    return [f"{name}_{column}" for name in names for column in COLUMNS]
