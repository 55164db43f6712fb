"""What `bomix status` tells of attempts: how far those are that run, and where the logs of failed ones lie."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bomix.cli import attempts
from bomix.execution.attempt.evaluate import LOG_FILE
from bomix.execution.attempt.position import Position
from bomix.io.store import lock
from bomix.progress import Progress
from bomix.study.study import Study
from bomix.trial import Failure
from tests.cli.called import called


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Three pending trials, the first two with one log, and one that failed."""
    found = Study(["code", "web"], ["loss"], path=tmp_path / "study")
    trials = [found.ask() for _ in range(4)]
    folders = [found.records.store.new_attempt(trial.id)[1] for trial in trials]
    for folder in (folders[0], folders[2], folders[3]):
        (folder / LOG_FILE).write_text("log\n")
    (folders[1] / LOG_FILE).symlink_to(Path("../../../0000/attempts/1") / LOG_FILE)
    Position(folders[0]).note(Progress(30, 120, 14_000.0))
    found.tell(trials[3], Failure("diverged"))
    return found


def said(study: Study, *options: str) -> str:
    code, text = called("status", study.folder, *options)
    assert code == 0, text
    return text


def test_trials_that_run_as_one_stand_together_with_their_progress(study: Study) -> None:
    assert study.folder is not None
    with lock.holding(study.folder):
        found = attempts.running(study)
        text, data = said(study), json.loads(said(study, "--json"))
    assert [[trial.id for trial in each.trials] for each in found] == [[0, 1], [2]]
    assert "running: trials 0-1 (2 as one): step 30/120, 14,000 tokens/s" in text
    assert "running: trial 2: starting, or it does not say how far it is" in text
    assert data["running"][0] == {"trials": [0, 1], "step": 30, "steps": 120, "tokens_per_second": 14_000.0}


def test_without_a_driver_nothing_runs(study: Study) -> None:
    assert attempts.running(study) == []
    assert "running:" not in said(study)


def test_logs_of_failed_trials_are_named(study: Study) -> None:
    (path,) = attempts.failed_logs(study).values()
    assert path.read_text() == "log\n"
    assert f"log of trial 3, which failed: {path}" in said(study)
    assert attempts.log_lines(study) == [f"log of trial 3, which failed: {path}"]


def test_of_many_logs_the_last_ones_are_named(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MOST_LOGS", 1)
    monkeypatch.setattr(attempts, "failed_logs", lambda _: {3: Path("a"), 5: Path("b")})
    assert attempts.log_lines(study) == ["1 more trials failed and have logs", "log of trial 5, which failed: b"]
