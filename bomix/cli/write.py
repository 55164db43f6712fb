"""``bomix init`` and ``bomix restart``: how a study begins."""

from __future__ import annotations

import json
from importlib.resources import files as package_files
from pathlib import Path

import click

from bomix.cli.options import study_argument
from bomix.errors import ConfigError, StudyError
from bomix.io.store import files
from bomix.io.store.study_folder import STUDY_FILE


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option("--schema", is_flag=True, help="Print the JSON schema of study files instead, for an editor.")
def init(directory: Path | None, schema: bool) -> None:
    """Write a commented study file into DIRECTORY; it runs as it is."""
    if schema:
        from bomix.config.schema import json_schema
        from bomix.config.spec import StudySpec

        click.echo(json.dumps(json_schema(StudySpec), indent=1))
        return
    if directory is None:
        raise click.UsageError("Missing argument 'DIRECTORY'.")
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
