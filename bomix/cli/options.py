"""Options and arguments that several commands share."""

from __future__ import annotations

import logging
from pathlib import Path

import click

study_argument = click.argument("study", type=click.Path(path_type=Path))


def log_to_stderr(verbose: int) -> None:
    """Show bomix's own log: warnings, with ``-v`` what it does, with ``-vv`` everything."""
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)
    logging.basicConfig(format="%(name)s: %(message)s")
    logging.getLogger("bomix").setLevel(level)
