"""``bomix import``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from bomix.cli.options import study_argument
from bomix.errors import Fault, raise_faults
from bomix.io.imports.csv import Reading, not_there, read_runs
from bomix.study.study import Study

_CSV = click.Path(path_type=Path, dir_okay=False)


@click.command("import")
@study_argument
@click.option("--weights", required=True, type=_CSV, help="CSV with a row per run and a column per domain.")
@click.option("--losses", type=_CSV, help="CSV with a column per metric; left out where --weights has them too.")
@click.option("--id", "key", help="Column that identifies a run in both; run, run_id, index or id unless given.")
@click.option("--map", "mapping", multiple=True, metavar="COLUMN=NAME", help="What a column is; may be repeated.")
@click.option("--ignore-unknown", is_flag=True, help="Leave out columns that stand for nothing in the study.")
@click.option("--allow-partial", is_flag=True, help="Drop runs that have weights or losses and not both.")
def import_tables(
    study: Path,
    weights: Path,
    losses: Path | None,
    key: str | None,
    mapping: tuple[str, ...],
    ignore_unknown: bool,
    allow_partial: bool,
) -> None:
    """Record runs made earlier, from tables joined by key.

    A column stands for the domain or metric of its name; `train_the_pile_<domain>` and
    `metric/the_pile_<metric>_val_loss` are recognised too, and `--map loss_on_web=web` says it of any other. Where
    one file has weights and losses, and a domain and a metric share the name, write `--map x=weights.web` and
    `--map y=losses.web`.

    Weights whose sum misses 1 by at most 1 % are divided by it. An empty loss was not measured. Everything is checked
    before the first run is recorded, and runs that are there already are not recorded again.
    """
    opened = Study.open(study)
    problem = opened.problem
    reading = Reading(key, _parsed(mapping), ignore_unknown, allow_partial)
    found = read_runs(weights, losses, problem, reading)
    for note in found.notes:
        click.echo(note, err=True)
    new = not_there(found.runs, opened.history.records)
    opened.records.add_all(new)
    opened.records.save_results()
    gaps = sum(bool(result.unmeasured) for _, result in new)
    click.echo(
        f"imported {len(new)} runs ({problem.space.dimension} domains, {len(found.metrics)} metrics), "
        f"{len(found.runs) - len(new)} already there" + (f"; {gaps} without some metric" if gaps else "")
    )


def _parsed(mapping: Sequence[str]) -> dict[str, str]:
    """Column to name; the last ``=`` divides them, as columns of some trackers have it in their names."""
    parsed: dict[str, str] = {}
    faults = []
    for text in mapping:
        column, divider, name = text.rpartition("=")
        if not (divider and name):
            faults.append(Fault("--map", f"expected COLUMN=NAME, found '{text}'"))
        elif parsed.get(column, name) != name:
            faults.append(Fault("--map", f"column '{column}' is both '{parsed[column]}' and '{name}'; keep one"))
        parsed[column] = name
    raise_faults(faults)
    return parsed
