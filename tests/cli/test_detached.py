"""Asking and telling by hand."""

from __future__ import annotations

import json

from click.testing import CliRunner

from bomix.cli.detached import ask, tell
from bomix.study.study import Study

STUDY = "domains: {code: {}, web: {}}\nmetrics: {loss: {}, other: {}}\nstrategy: sobol\n"


def test_what_is_asked_can_be_told_and_gaps_are_named(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    asked = CliRunner().invoke(ask, [str(tmp_path), "-n", "2", "--out", str(tmp_path / "out")])
    assert asked.exit_code == 0, asked.output
    files = [json.loads((tmp_path / "out" / f"{number}.json").read_text()) for number in range(2)]
    assert [data["trial"] for data in files] == [0, 1]
    assert all(abs(sum(data["weights"].values()) - 1.0) < 1e-9 for data in files)
    (tmp_path / "result.json").write_text('{"losses": {"loss": 2.5, "other": null}}')
    told = CliRunner().invoke(tell, [str(tmp_path), "1", str(tmp_path / "result.json")])
    assert told.exit_code == 0, told.output
    assert "(not measured: other)" in told.output
    history = Study.open(tmp_path).history
    assert [record.trial.id for record in history.pending] == [0]
    assert dict(history.records[1].result.losses) == {"loss": 2.5}
