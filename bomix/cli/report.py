"""``bomix report``."""

from __future__ import annotations

from pathlib import Path

import click

from bomix.cli.options import log_to_stderr, study_argument

IMAGE_FORMATS = ("png", "svg", "pdf")


@click.command()
@study_argument
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The file; else report.html of the study.")
@click.option(
    "--figures", type=click.Path(file_okay=False, path_type=Path), help="Folder for the figures as files as well."
)
@click.option("--format", "kind", type=click.Choice(IMAGE_FORMATS), default="png", help="What files they are.")
@click.option("-v", "--verbose", count=True, help="Say more; twice for everything.")
def report(study: Path, out: Path | None, figures: Path | None, kind: str, verbose: int) -> None:
    """Write the page of a study: the answer in words, figures, and sliders that predict.

    One HTML file that needs no network. The figures as images need the extra `images` and a Chromium.
    """
    from bomix.cli.predict import check_folder
    from bomix.cli.spinner import working
    from bomix.errors import StudyError
    from bomix.study.reporting import REPORT_FILE, findings
    from bomix.study.study import Study

    log_to_stderr(verbose)
    if out is not None:
        check_folder(out, "--out")
    opened = Study.open(study)
    path = out or (None if opened.folder is None else opened.folder / REPORT_FILE)
    if path is None:
        raise StudyError("the study is kept in memory; name a file with --out")
    with working("fitting the model, and drawing"):
        from bomix.io.store import files
        from bomix.report.html import page

        found = findings(opened.records)
        files.replace(path, page(found))
    click.echo(f"page: {path}")
    if figures is not None:
        from bomix.report.images import save

        with working("drawing the figures as files"):
            written = save(found, figures, kind)
        click.echo(f"figures: {', '.join(str(each) for each in written)}")
