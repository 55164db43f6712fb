"""``bomix transfer``."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bomix.cli.options import out_option, study_argument, where_written, write_report
from bomix.cli.plain import plain

if TYPE_CHECKING:
    from bomix.recommendation.transfer import Transfer
    from bomix.report.transfer import Comparison
    from bomix.study.study import Study

NAME = "transfer"
"""Name of the files that are written."""


@click.command()
@study_argument
@out_option(NAME)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def transfer(study: Path, out: Path | None, as_json: bool) -> None:
    """Show whether small scales order mixtures as the one that is decided about.

    Rank correlations over the mixtures that were run at two scales, with 95 % intervals, for the objective and each
    metric; how the best mixture moves with scale; a verdict, and what it would cost to know better.
    """
    from bomix.report.transfer import markdown, sentences, tables
    from bomix.study.study import Study

    opened = Study.open(study)
    folder = out if out is not None or as_json else opened.folder
    report = compared(opened)
    if folder is not None:
        from bomix.report.figures.transfer import render

        drawn = render(report.found, report.outlook, report.unit)
        write_report(folder, NAME, (markdown(report), as_csv(report.found), drawn))
    if as_json:
        click.echo(json.dumps(as_data(report), indent=1, allow_nan=False))
        return
    from bomix.cli.tables import console, titled

    for each in tables(report):
        table = titled(each.title)
        for position, head in enumerate(each.header):
            table.add_column(head, justify="right" if position else "left", overflow="fold")
        for row in each.rows:
            table.add_row(*row)
        console().print(table)
    for line in sentences(report):
        click.echo(line)
    if folder is not None:
        click.echo(where_written(folder, NAME))


def compared(study: Study) -> Comparison:
    """The scales of a study, compared.

    Raises:
        StudyError: The study has one scale, or no run has come back.
    """
    from bomix.numerics.determinism import deterministic
    from bomix.recommendation.over_training import over_training
    from bomix.recommendation.scale_optima import outlook
    from bomix.recommendation.scale_runs import require_scales, runs_by_scale
    from bomix.recommendation.transfer import transfer as compare
    from bomix.report.transfer import Comparison
    from bomix.study.surrogate import study_surrogate

    require_scales(study.records.resolution.problem, least=2)
    problem, history = study.records.to_learn_from()
    measured = runs_by_scale(problem, history)
    with deterministic():
        expected = outlook(problem, history, study_surrogate(study.spec, problem), measured, seed=study.spec.seed)
    points = tuple(point for each in measured for point in over_training(problem, each))
    stated = any(each.cost is not None for each in study.spec.scales.values())
    return Comparison(compare(problem, history), expected, points, "units of 'cost'" if stated else "FLOPs")


def as_csv(found: Transfer) -> str:
    """One row for each pair of scales and column, numbers in full; what is undefined is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(_ROW), lineterminator="\n")
    writer.writeheader()
    for each in found.agreements:
        row = {name: plain(of(each)) for name, of in _ROW.items()}
        writer.writerow({name: "" if value is None else value for name, value in row.items()})
    return text.getvalue()


_ROW: Mapping[str, Any] = {
    "small": lambda each: each.small,
    "large": lambda each: each.large,
    "column": lambda each: each.column,
    "mixtures": lambda each: each.rank.n,
    "rho": lambda each: each.rank.rho,
    "rho_lower": lambda each: each.rank.lower,
    "rho_upper": lambda each: each.rank.upper,
    "pairs": lambda each: each.pairs.share,
    "pairs_lower": lambda each: each.pairs.lower,
    "pairs_upper": lambda each: each.pairs.upper,
    "ceiling": lambda each: each.ceiling,
    "slope": lambda each: each.slope,
    "place": lambda each: each.place,
    "lost": lambda each: each.lost,
}


def as_data(report: Comparison) -> dict[str, Any]:
    """All of it as plain JSON; null stands for what is undefined."""
    from bomix.report.transfer import sentences

    return {
        **plain(report.found),
        "unit": report.unit,
        "said": sentences(report),
        "outlook": plain(report.outlook),
        "over_training": plain(report.checkpoints),
    }
