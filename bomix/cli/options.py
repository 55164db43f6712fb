"""Options and arguments that several commands share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

REPORT_SUFFIXES = (".md", ".csv", ".png")
"""Endings of the files that a command writes of what it shows, all of one name."""

study_argument = click.argument("study", type=click.Path(path_type=Path))


def log_to_stderr(verbose: int) -> None:
    """Show bomix's own log: warnings, with ``-v`` what it does, with ``-vv`` everything."""
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)
    logging.basicConfig(format="%(name)s: %(message)s")
    logging.getLogger("bomix").setLevel(level)


def out_option(name: str) -> Callable[[Any], Any]:
    """The option ``--out`` of a command that writes files of a name, see :func:`write_report`."""
    return click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        help=f"Folder for {', '.join(_report_files(name))}; else the study's, none with --json.",
    )


def write_report(folder: Path, name: str, contents: Sequence[str | bytes]) -> None:
    """Write a text, a table and a figure into a folder, which is made where it is missing."""
    from bomix.io.store import files

    folder.mkdir(parents=True, exist_ok=True)
    for file, content in zip(_report_files(name), contents, strict=True):
        files.replace(folder / file, content)


def where_written(folder: Path, name: str) -> str:
    """A line that names what :func:`write_report` wrote."""
    return f"all pairs: {', '.join(str(folder / file) for file in _report_files(name))}"


def _report_files(name: str) -> list[str]:
    return [f"{name}{suffix}" for suffix in REPORT_SUFFIXES]
