"""``bomix import``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from bomix.cli.import_preview import show
from bomix.cli.options import study_argument
from bomix.cli.reading_options import (
    FILE,
    OF_TABLES,
    PLACE,
    chosen_rows,
    count,
    mapping_of,
    option_of,
    reading_options,
    refuse_unused,
    scale_columns_of,
    source_of,
    source_options,
    unit_of,
)
from bomix.errors import Fault, raise_faults
from bomix.io.imports.columns import Reading
from bomix.io.imports.csv import read_runs
from bomix.io.imports.joining import LONGEST_KEY
from bomix.io.imports.lm_eval import read_lm_eval
from bomix.io.imports.runs import Runs
from bomix.io.imports.study import OtherStudy, parsed_domains, read_study
from bomix.io.imports.tracked import read_tracked
from bomix.problem import Problem
from bomix.scale import Scale
from bomix.space.bounds import is_name
from bomix.study.importing import import_runs, planned
from bomix.study.study import Study


@click.command("import")
@study_argument
@click.option("--weights", type=FILE, help="Table with a row per run and a column per domain.")
@click.option("--losses", type=FILE, help="Table with a column per metric; left out where --weights has them too.")
@source_options
@click.option("--study", "other", type=PLACE, help="Another study of bomix, whose completed runs come in.")
@click.option(
    "--domain",
    "parts",
    multiple=True,
    metavar="OLD=NEW",
    help="With --study: what a domain of it is here; OLD=A:0.6,B:0.4 where it is split; may be repeated.",
)
@reading_options
@click.option("--ignore-unknown", is_flag=True, help="Leave out columns that stand for nothing in the study.")
@click.option(
    "--params", callback=count, help="Non-embedding parameters of the runs, where no column 'params' says it."
)
@click.option("--tokens", callback=count, help="Training tokens of the runs, where no column 'tokens' says it.")
@click.option("--allow-partial", is_flag=True, help="Drop runs that have weights or losses and not both.")
@click.option("--update", is_flag=True, help="Other values of runs that are there become revisions; old ones are kept.")
@click.option(
    "--prefix", default="", metavar="TEXT", help="Put before every key, where another table has the same keys."
)
@click.option(
    "--as-one", is_flag=True, help="Take several models or scales, or repeats far apart, for runs that compare."
)
@click.option("--dry-run", is_flag=True, help="Show what would come in, and record nothing.")
def import_tables(study: Path, **given: Any) -> None:
    """Record runs made earlier: tables joined by key, results of an evaluation harness, another study.

    A table may be CSV (commas, semicolons, tabs), JSON, a JSON record a line, Parquet or Excel (`runs.xlsx#sheet`),
    packed by gzip or zstd, or what W&B and MLflow export of their runs; `--dry-run` shows what would come in.

    A column stands for the domain or metric of its name; `train_the_pile_<domain>` and
    `metric/the_pile_<metric>_val_loss` are recognised too, and `--map loss_on_web=web` says it of any other. Where
    one file has weights and losses, and a domain and a metric share the name, write `--map x=weights.web` and
    `--map y=losses.web`.

    Weights whose sum misses 1 by at most 1 % are divided by it. An empty loss, or `-`, `#N/A`, `Infinity` and their
    like, was not measured. Everything is checked before the first run is recorded.

    The key says which run it is, with scale and seed where columns tell them; without a key its mixture and losses do.
    A run that is there already is not recorded again, and metrics that it lacks are filled in. Other values (not only
    other digits of the same ones) are refused, or become revisions with `--update`.

    A table of checkpoints (columns `step`, `global_step`, ...) wants `--step`; one of several models `--where` or
    `--scale`. Rows that repeat a mixture with losses far apart are refused, and the column that tells them apart named.

    Columns `params` and `tokens`, or the options for what they leave open, tell the scale of a run; `1M` is a number.
    A run of another scale than the study's is recorded, and nothing is learnt from it; one of which nothing is told
    counts as one of the study's. In a study of several scales each run says which it is of: `--scale small` for all,
    or `--scale COLUMN` where a column holds their names; runs of all of them are learnt from. Checkpoints of a run that
    have tokens of their own (`--scale tokens=COLUMN`) are runs of scales with fewer tokens.
    """
    opened = Study.open(study)
    problem = opened.problem
    reading = _reading(problem, given)
    # Each format has an option of its own, which names its files; those of a format that was not named stay unread.
    formats: dict[str, Callable[[], Runs] | None] = {
        "--weights": _of_tables(given, problem, reading),
        option_of((source_of(given) or ("lm_eval", None))[0]): _of_source(given, problem, reading),
        "--study": _of_study(given, opened, reading),
    }
    found = the_one_format(formats)()
    for note in found.notes:
        click.echo(note, err=True)
    if given["dry_run"]:
        show(found, planned(opened.records, found, update=given["update"], as_one=reading.as_one), problem)
        return
    done = import_runs(opened.records, found, update=given["update"], as_one=reading.as_one)
    known = len(found.runs) - len(done.added)
    if known and not done.revised and any(scale is not None for _, _, scale in found.runs):
        click.echo("runs that are there already keep the scale that they were recorded with", err=True)
    opened.records.save_results()
    gaps = sum(bool(record.result.unmeasured) for record in done.added)
    click.echo(
        f"imported {len(done.added)} runs ({problem.space.dimension} domains, {len(found.metrics)} metrics), "
        f"{done.there} already there"
        + (f", {len(done.completed)} completed" if done.completed else "")
        + (f", {len(done.revised)} revised" if done.revised else "")
        + (f", {len(done.withdrawn)} withdrawn, which stay so" if done.withdrawn else "")
        + (f"; {gaps} without some metric" if gaps else "")
    )


def _reading(problem: Problem, given: Mapping[str, Any]) -> Reading:
    """How tables are read, as the options say it."""
    prefix, scales = given["prefix"], given["scale_from"]
    if prefix and not (is_name(prefix) and len(prefix) <= LONGEST_KEY):
        raise_faults(
            [Fault("--prefix", f"expected at most {LONGEST_KEY} characters, none of them a control character")]
        )
    return Reading(
        given["key"],
        mapping_of(given["mapping"], given["map_file"]),
        given["ignore_unknown"],
        given["allow_partial"],
        scale=_named_scale(problem, scales, given["params"], given["tokens"]),
        scale_named=any(text in _names(problem) for text in scales),
        where=chosen_rows(given["where"]),
        step=given["step"],
        scale_from=scale_columns_of([text for text in scales if text not in _names(problem)]),
        as_one=given["as_one"],
        prefix=prefix,
        unit=unit_of(percent=given["percent"], rescale=given["rescale"]),
        decimal_comma=given["decimal_comma"],
    )


def _of_tables(given: Mapping[str, Any], problem: Problem, reading: Reading) -> Callable[[], Runs] | None:
    """What reads the runs of tables alone; None where no table is named, or something beside it."""
    weights, losses = given["weights"], given["losses"]
    if losses is not None and weights is None:
        raise click.UsageError("--losses goes with --weights, the table of the mixtures")
    if weights is None or source_of(given) is not None:
        return None
    return lambda: read_runs(weights, losses, problem, reading)


def _of_source(given: Mapping[str, Any], problem: Problem, reading: Reading) -> Callable[[], Runs] | None:
    """What reads runs whose results stand in no table; None where no such source is named."""
    found, weights = source_of(given), given["weights"]
    if found is None:
        return None
    name, place = found
    if given["losses"] is not None:
        raise click.UsageError(f"{option_of(name)} and --losses both say what was measured; name one of them")
    if weights is None:
        refuse_unused(
            given, ("decimal_comma",), f"of use for tables alone, and {option_of(name)} is none; leave it out"
        )
    if name != "lm_eval":
        return lambda: read_tracked(name, place, weights, problem, reading)
    if weights is None:
        raise click.UsageError("--lm-eval goes with --weights, the table of the mixtures")
    return lambda: read_lm_eval(weights, place, problem, reading)


def _of_study(given: Mapping[str, Any], study: Study, reading: Reading) -> Callable[[], Runs] | None:
    """What reads the runs of another study; None where none is named."""
    path: Path | None = given["other"]
    if path is None:
        if given["parts"]:
            raise click.UsageError("--domain goes with --study")
        return None
    refuse_unused(given, OF_TABLES, "of use for tables alone, and --study reads none; leave it out")

    def read() -> Runs:
        opened = Study.open(path)
        folder = opened.folder or path
        if study.folder is not None and folder.resolve() == study.folder.resolve():
            raise click.UsageError(f"--study {path} is the study that takes the runs in; name another one")
        records = tuple(opened.history.records)
        other = OtherStudy(folder, opened.problem.space.domains, opened.problem.metrics, records)
        domains = parsed_domains(given["parts"])
        return read_study(
            other,
            study.problem,
            domains,
            metrics=reading.mapping,
            prefix=reading.prefix,
            allow_partial=reading.allow_partial,
        )

    return read


def the_one_format(formats: Mapping[str, Callable[[], Runs] | None]) -> Callable[[], Runs]:
    """What reads the runs of the one format that was named.

    Args:
        formats: Option of each format to what reads its files; None where the option was not given.

    Raises:
        click.UsageError: None was named, or several.
    """
    named = {option: read for option, read in formats.items() if read is not None}
    if len(named) != 1:
        found = f"found {' and '.join(named)}" if named else "found none"
        raise click.UsageError(f"say with one of {', '.join(formats)} where the runs are; {found}")
    return next(iter(named.values()))


def _names(problem: Problem) -> list[str]:
    return [each.name for each in problem.scales]


def _named_scale(problem: Problem, texts: Sequence[str], params: int | None, tokens: int | None) -> Scale | None:
    """The scale of the runs that say none: one of the study's, by its name, or of these numbers; None where unknown."""
    named = [each for each in problem.scales if each.name in texts]
    if len(named) > 1 or (named and not (params is None and tokens is None)):
        given = " and ".join(f"--scale {each.name}" for each in named)
        given += "".join(
            f" and --{axis}" for axis, count in (("params", params), ("tokens", tokens)) if count is not None
        )
        raise_faults([Fault("--scale", f"{given} say it twice of the same runs; keep one")])
    if named:
        return named[0].scale
    return None if params is None and tokens is None else Scale(params, tokens)
