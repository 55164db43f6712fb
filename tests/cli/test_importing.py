"""Tables of earlier runs, recorded once."""

from __future__ import annotations

from click.testing import CliRunner

from bomix.cli.importing import import_tables
from bomix.study.study import Study


def test_runs_are_recorded_once(tmp_path):
    (tmp_path / "study.yaml").write_text("domains: {code: {}, web: {}}\nmetrics: {loss: {}}\n")
    (tmp_path / "runs.csv").write_text("run,code,web,loss\na,0.25,0.75,2.5\nb,0.5,0.5,2.25\n")
    arguments = [str(tmp_path), "--weights", str(tmp_path / "runs.csv")]
    first, second = (CliRunner().invoke(import_tables, arguments) for _ in range(2))
    assert "imported 2 runs (2 domains, 1 metrics), 0 already there" in first.output
    assert "imported 0 runs (2 domains, 1 metrics), 2 already there" in second.output
    assert len(Study.open(tmp_path).history.completed) == 2
