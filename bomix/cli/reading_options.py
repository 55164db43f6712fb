"""Options that say how tables of runs are read, shared by ``bomix import`` and ``bomix init --from-tables``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from bomix.config.build import number
from bomix.errors import Fault, raise_faults
from bomix.io.imports.mapping import pattern_faults, read_mapping
from bomix.io.imports.scales import AXES
from bomix.io.tables.sums import Unit

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(path_type=Path, dir_okay=False)
PLACE = click.Path(path_type=Path)

_OPTIONS = (
    click.option("--id", "key", help="Column that identifies a run in both; run, run_id, index or id unless given."),
    click.option(
        "--map",
        "mapping",
        multiple=True,
        metavar="COLUMN=NAME",
        help="What a column is, or all that fit a pattern, 'config.mix.*=*'; may be repeated.",
    ),
    click.option("--map-file", type=FILE, help="A file of them, YAML or JSON, a line `COLUMN: NAME` each."),
    click.option("--percent", is_flag=True, help="Weights are percent, in cells without a sign too."),
    click.option("--rescale", is_flag=True, help="Divide the weights of each row by their sum: they are counts."),
    click.option("--decimal-comma", is_flag=True, help="A quarter is written 0,25."),
    click.option("--where", "where", multiple=True, metavar="COLUMN=VALUE", help="Rows to read; may be repeated."),
    click.option("--step", metavar="last|N|COLUMN", help="Which checkpoint of each run counts; also COLUMN=N."),
    click.option(
        "--scale",
        "scale_from",
        multiple=True,
        metavar="NAME|COLUMN",
        help="One of the study's scales; or a column of their names, or of parameters; tokens=COLUMN.",
    ),
)


_SOURCES = (
    click.option("--lm-eval", type=PLACE, help="Folder of results of lm-evaluation-harness, for runs of a table."),
    click.option("--wandb", type=PLACE, help="Folder of runs that wandb made offline; mixtures in their settings."),
    click.option("--trackio", type=PLACE, help="A project of trackio, NAME.db; mixtures in the settings of its runs."),
    click.option("--tensorboard", type=PLACE, help="Folder of TensorBoard's logs, for runs of a table."),
)
SOURCES = ("lm_eval", "wandb", "trackio", "tensorboard")
"""Parameters of the options that name where results are which stand in no table."""


OF_TABLES = (
    *("key", "percent", "rescale", "decimal_comma", "where", "step", "scale_from"),
    *("ignore_unknown", "params", "tokens"),
)
"""Parameters of the options that say how tables are read."""


def source_options(command: Command) -> Command:
    """A command with the options of :data:`SOURCES`."""
    for option in reversed(_SOURCES):
        command = option(command)
    return command


def source_of(given: Mapping[str, Any]) -> tuple[str, Path] | None:
    """The one source of results that was named, and where it is; None where none was.

    Raises:
        click.UsageError: Several were named.
    """
    named = [(name, given[name]) for name in SOURCES if given[name] is not None]
    if len(named) > 1:
        raise click.UsageError(f"{' and '.join(option_of(name) for name, _ in named)}: name one of them")
    return named[0] if named else None


def refuse_unused(given: Mapping[str, Any], names: Sequence[str], what: str) -> None:
    """Raise click.UsageError where options were given that say nothing of what is read.

    Args:
        given: Parameter to what was given.
        names: Parameters that say nothing here.
        what: What is read, and what they go with.
    """
    options = {"key": "--id", "scale_from": "--scale"}
    if found := [options.get(name, option_of(name)) for name in names if given.get(name) not in (None, False, (), "")]:
        raise click.UsageError(f"{', '.join(found)}: {what}")


def option_of(parameter: str) -> str:
    """The option of a parameter, ``--lm-eval``."""
    return f"--{parameter.replace('_', '-')}"


def reading_options(command: Command) -> Command:
    """A command with the options that both commands have, in their order."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def count(ctx: click.Context, param: click.Parameter, text: str | None) -> int | None:
    """A positive whole number as study files write it, ``50M``."""
    if text is None:
        return None
    try:
        found = number(text)
    except ValueError:
        found = 0.0
    if found <= 0 or not found.is_integer():
        raise click.BadParameter(f"'{text}' is no positive whole number; write 50000000 or 50M", ctx, param)
    return int(found)


def mapping_of(texts: Sequence[str], file: Path | None) -> dict[str, str]:
    """Column to name, those of the file first."""
    parsed: dict[str, str] = {} if file is None else read_mapping(file)
    faults = [] if file is None else pattern_faults(parsed, str(file))
    for text in texts:
        column, name = divided(text, "--map", "COLUMN=NAME")
        if parsed.get(column, name) != name:
            faults.append(Fault("--map", f"column '{column}' is both '{parsed[column]}' and '{name}'; keep one"))
        faults += pattern_faults({column: name}, "--map")
        parsed[column] = name
    raise_faults(faults)
    return parsed


def unit_of(*, percent: bool, rescale: bool) -> Unit | None:
    """What weights are written in; None where it is for the table to tell.

    Raises:
        FaultsError: Both were said.
    """
    if percent and rescale:
        raise_faults([Fault("--percent", "weights are percent or counts; leave --rescale or --percent out")])
    return "percent" if percent else "parts" if rescale else None


def chosen_rows(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Column and value of the rows to read."""
    return tuple(divided(text, "--where", "COLUMN=VALUE") for text in texts)


def divided(text: str, option: str, form: str) -> tuple[str, str]:
    """Both sides of the last ``=``, as columns of some trackers have it in their names.

    Raises:
        FaultsError: A side is missing.
    """
    column, divider, value = text.rpartition("=")
    if not (divider and column and value):
        raise_faults([Fault(option, f"expected {form}, found '{text}'")])
    return column, value


def scale_columns_of(texts: Sequence[str]) -> dict[str, str]:
    """``params`` or ``tokens`` to the column that holds them; a column alone holds parameters."""
    found: dict[str, str] = {}
    for text in texts:
        axis, divider, column = text.partition("=")
        if not divider or axis not in AXES:
            axis, column = AXES[0], text
        found[axis] = column
    return found
