"""``bomix correlate``."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bomix.cli.options import out_option, study_argument, where_written, write_report

if TYPE_CHECKING:
    import xarray as xr
    from rich.table import Table

NAME = "correlations"
"""Name of the files that are written."""
FULL = 3
"""Columns that are shown with their intervals at most."""


@click.command()
@study_argument
@out_option(NAME)
@click.option("--experts", is_flag=True, help="Count trials on one domain alone too.")
@click.option("--scale", metavar="NAME", help="One of several scales of the study; else the one decided about.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def correlate(study: Path, out: Path | None, experts: bool, scale: str | None, as_json: bool) -> None:
    """Show which losses go with the objective, with accuracies and with each other.

    Rank correlations over all completed trials, imported ones included, with 95 % intervals. A loss that goes with
    what you care for, in mixtures spread over the space, is one to optimise.
    """
    from bomix.report import correlation
    from bomix.study.study import Study
    from bomix.study.study_scales import scale_of_study

    opened = Study.open(study)
    folder = out if out is not None or as_json else opened.folder
    dataset = opened.dataset
    scale_of_study(opened.problem, scale)
    found = correlation.correlate(
        dataset, scores=correlation.scores_of(opened.problem, dataset), experts=experts, scale=scale
    )
    if folder is not None:
        from bomix.report.figures.correlation import render

        write_report(folder, NAME, (correlation.markdown(found), as_csv(found), render(found)))
    if as_json:
        click.echo(json.dumps(plain(found), indent=1, allow_nan=False))
        return
    from bomix.cli.tables import console

    console().print(table(found))
    click.echo(correlation.sentence(found))
    for line in notes(found):
        click.echo(line)
    if folder is not None:
        click.echo(where_written(folder, NAME))


def table(found: xr.Dataset) -> Table:
    """A row for each metric, a column for each score and accuracy; the closest to the objective on top.

    Beyond :data:`FULL` columns there is no room for intervals: what may as well be zero stands in brackets.
    """
    from bomix.cli.tables import titled
    from bomix.report.correlation import cell, pairs, ranked

    made = titled("rank correlation of each metric with the scores")
    made.add_column("", overflow="fold")
    columns = _scores(found)
    shown = cell if len(columns) <= FULL else _bracketed
    for index in columns:
        made.add_column(str(found["other"].values[index]), justify="right", overflow="fold", min_width=7)
    made.add_column("mixtures", justify="right", no_wrap=True)
    for row in ranked(found):
        cells = [shown(found, row, index) for index in columns]
        made.add_row(str(found["metric"].values[row]), *cells, pairs(found, row))
    return made


def _scores(found: xr.Dataset) -> list[int]:
    from bomix.report.correlation import LOSS

    return [index for index, role in enumerate(found["role"].values.tolist()) if role != LOSS]


def _bracketed(found: xr.Dataset, row: int, column: int) -> str:
    """``0.87``; in brackets where the interval holds zero, a dash where nothing is defined."""
    rho, lower, upper = (float(found[name].values[row, column]) for name in ("rho", "lower", "upper"))
    if not math.isfinite(rho):
        return "-"
    return f"({rho:.2f})" if lower <= 0.0 <= upper else f"{rho:.2f}"


def notes(found: xr.Dataset) -> list[str]:
    """What the table leaves open, metrics that tell of nothing, and those that go against the objective for sure."""
    names, first = found["metric"].values.tolist(), found.isel(other=0)
    silent = [name for name, rho in zip(names, first["rho"].values, strict=True) if math.isnan(rho)]
    against = [name for name, upper in zip(names, first["upper"].values, strict=True) if upper < 0.0]
    lines = ["in brackets: may as well be 0; the files have the intervals"] if len(_scores(found)) > FULL else []
    lines += [f"alike in all trials, or measured in too few: {', '.join(silent)}"] if silent else []
    return lines + ([f"against the objective, for sure by their intervals: {', '.join(against)}"] if against else [])


def as_csv(found: xr.Dataset) -> str:
    """One row for each pair, numbers in full; what is undefined is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["metric", "other", "role", "rho", "lower", "upper", "n"])
    writer.writerows([_empty(value) for value in row.values()] for row in _rows(found))
    return text.getvalue()


def plain(found: xr.Dataset) -> dict[str, Any]:
    """The table as plain JSON; null stands for what is undefined."""
    return {"trials": int(found.attrs["trials"]), "method": found.attrs["method"], "pairs": _rows(found)}


def _rows(found: xr.Dataset) -> list[dict[str, Any]]:
    values = {name: found[name].values for name in ("rho", "lower", "upper", "n")}
    roles = found["role"].values.tolist()
    return [
        {
            "metric": metric,
            "other": other,
            "role": roles[column],
            **{name: _number(value[row, column].item()) for name, value in values.items()},
        }
        for row, metric in enumerate(found["metric"].values.tolist())
        for column, other in enumerate(found["other"].values.tolist())
    ]


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _empty(value: object) -> object:
    return "" if value is None else value
