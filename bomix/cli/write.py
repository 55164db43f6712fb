"""``bomix init`` and ``bomix restart``: how a study begins."""

from __future__ import annotations

import json
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import click

from bomix.cli.options import study_argument
from bomix.cli.reading_options import (
    FILE,
    SOURCES,
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
from bomix.errors import ConfigError, StudyError
from bomix.io.store import files
from bomix.io.store.study_folder import STUDY_FILE

TABLES = "--from-tables"
"""The option that takes one file or two."""


class _Init(click.Command):
    """A command whose option ``--from-tables`` takes one file or two."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give each file its own option, as click counts what an option takes beforehand."""
        given = list(args)
        if TABLES in given and (at := given.index(TABLES) + 1) < len(given):
            named = [each for each in given[at : at + 2] if not each.startswith("-")]
            rest = given[at + len(named) :]
            given = [*given[: at - 1], *(word for each in named for word in (TABLES, each)), *rest]
        return super().parse_args(ctx, given)


@click.command(cls=_Init)
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option("--schema", is_flag=True, help="Print the JSON schema of study files instead, for an editor.")
@click.option(
    TABLES,
    "tables",
    type=FILE,
    multiple=True,
    metavar="WEIGHTS [LOSSES]",
    help="Write the study file of runs that are there: of the table of their weights, and that of their losses.",
)
@click.option(
    "--target", callback=count, metavar="TOKENS", help="With tables: training tokens of the run to be decided about."
)
@source_options
@reading_options
def init(
    directory: Path | None,
    schema: bool,
    tables: tuple[Path, ...],
    target: int | None,
    **reading: Any,
) -> None:
    """Write a commented study file into DIRECTORY; it runs as it is.

    With `--from-tables WEIGHTS [LOSSES]` it is that of runs made earlier: domains are the columns whose rows sum to
    one (or a hundred), metrics those of losses and scores, and the command that records the runs is printed. Both may
    stand in one table, or what was measured in results of an evaluation harness, or both with a tracker. Where names
    do not say it, `--map 'PREFIX*=weights.*'` and `--map 'PREFIX*=losses.*'` do. The other options are those of
    `bomix import`.
    """
    if schema:
        from bomix.config.schema import json_schema
        from bomix.config.spec import StudySpec

        click.echo(json.dumps(json_schema(StudySpec), indent=1))
        return
    if directory is None:
        raise click.UsageError("Missing argument 'DIRECTORY'.")
    if tables or any(reading[name] is not None for name in SOURCES):
        _begin_from(directory, tables, target, reading)
        return
    if target is not None or any(reading.values()):
        raise click.UsageError(f"--target, and options that say how tables are read, go with {TABLES}")
    path = directory / STUDY_FILE
    text = package_files("bomix.cli").joinpath("template.yaml").read_text(encoding="utf-8")
    directory.mkdir(parents=True, exist_ok=True)
    try:
        files.write_new(path, text)
    except FileExistsError:
        raise ConfigError(f"{path} is there already; edit it, or choose another folder") from None
    click.echo(
        f"wrote {path}\n\n  bomix check {directory}       every problem at once\n  bomix optimize {directory}    run it"
    )


def _begin_from(directory: Path, tables: tuple[Path, ...], target: int | None, given: dict[str, Any]) -> None:
    """Write the study file of tables; ``given`` are the options that say how they are read."""
    from bomix.cli.from_tables import Brought, begin
    from bomix.io.imports.columns import Reading

    if len(tables) > 2:
        raise click.UsageError(f"{TABLES} takes a table of weights and one of losses")
    source = source_of(given)
    if source is not None and len(tables) > 1:
        raise click.UsageError(f"{option_of(source[0])} and a second table both say what was measured; name one")
    if source is not None and not tables:
        refuse_unused(
            given, ("decimal_comma",), f"of use for tables alone, and {option_of(source[0])} is none; leave it out"
        )
    reading = Reading(
        given["key"],
        mapping_of(given["mapping"], given["map_file"]),
        where=chosen_rows(given["where"]),
        step=given["step"],
        scale_from=scale_columns_of(given["scale_from"]),
        unit=unit_of(percent=given["percent"], rescale=given["rescale"]),
        decimal_comma=given["decimal_comma"],
    )
    names = {"key": "--id", "mapping": "--map", "scale_from": "--scale"}
    options = {names.get(name, option_of(name)): value for name, value in given.items() if name not in SOURCES}
    weights, losses = (*tables, None, None)[:2]
    brought = Brought(weights, losses, source, options, reading)
    begin(directory, brought, tokens=target)


@click.command()
@study_argument
def restart(study: Path) -> None:
    """Begin anew a study whose trials have no result yet, as its file is now; what was asked is kept aside."""
    from bomix.cli import jobs
    from bomix.study import repair
    from bomix.study.study import Study

    opened = Study.open(study)
    assert opened.folder is not None
    left = jobs.left(opened)
    if live := [job for job in left if job.live]:
        what = f"jobs of this study run or wait in the queue: {jobs.listed(live)}"
        raise StudyError(f"{what}; end them first (`bomix cancel {study}`)")
    if left:
        what = f"the queue does not answer, and jobs may still run or wait there: {jobs.listed(left)}"
        click.echo(f"warning: {what}; nothing that they write is recorded", err=True)
    kept = repair.restart(opened.folder)
    click.echo("nothing was asked for yet" if kept is None else f"begun anew; the trials asked for are kept in {kept}")
