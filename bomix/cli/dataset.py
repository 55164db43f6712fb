"""``bomix dataset``."""

from __future__ import annotations

from pathlib import Path

import click

from bomix.cli.options import study_argument
from bomix.errors import StudyError


@click.command()
@study_argument
def dataset(study: Path) -> None:
    """Write the record as one file for other programs, results.nc in the study's folder, and print its path.

    It is netCDF, as xarray and many others read it. The file is removed as soon as a result is recorded that it lacks:
    one that is there holds every result.
    """
    from bomix.io.store.results_file import RESULTS_FILE
    from bomix.study.study import Study

    opened = Study.open(study)
    assert opened.folder is not None, "it was opened from a folder"
    opened.records.save_results()
    path = opened.folder / RESULTS_FILE
    if not path.is_file():
        raise StudyError(f"{path} was not written, or a result was told meanwhile; call it again")
    click.echo(str(path))
