"""Commands that look and change nothing."""

from __future__ import annotations

import json

from click.testing import CliRunner

from bomix.cli.inspect import check, status


def test_looking_at_a_new_study_adds_nothing_to_it(tmp_path):
    (tmp_path / "study.yaml").write_text("domains: {code: {}, web: {}}\nmetrics: {loss: {}}\nbudget: {trials: 7}\n")
    found = CliRunner().invoke(status, [str(tmp_path), "--json"])
    assert found.exit_code == 0, found.output
    state = json.loads(found.output)
    assert state["completed"] == state["pending"] == state["failed"] == 0
    assert "no problems found" in CliRunner().invoke(check, [str(tmp_path)]).output
    assert not (tmp_path / "trials").exists() or not list((tmp_path / "trials").iterdir())
