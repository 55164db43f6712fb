"""`bomix cancel`, `optimize --detach` and `--dry-run`, and jobs in `bomix status`: studies in a cluster's queue."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bomix.cli import jobs
from bomix.contracts.queued import QueuedJob
from bomix.execution.attempt.position import Position
from bomix.execution.slurm.job import SECOND
from bomix.io.store import lock
from bomix.progress import Progress
from bomix.study.study import Study
from tests.cli.called import called
from tests.execution.slurm.fake import FakeSlurm

STUDY = """
domains: {code: {}, web: {}}
metrics: [loss]
evaluator: {kind: 'bomix.testing.endings:Ending'}
strategy: sobol
budget: {trials: 3}
execution: {kind: slurm, workers: 2, poll_s: 1}
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    (folder := tmp_path / "commands").mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return FakeSlurm(folder)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (folder := tmp_path / "study").mkdir()
    (folder / "study.yaml").write_text(STUDY)
    return folder


def said(*words: Any, code: int = 0) -> str:
    found, text = called(*words)
    assert found == code, text
    return text


def test_a_study_goes_on_by_commands_that_do_not_wait(slurm: FakeSlurm, study: Path) -> None:
    assert "2 pending; the same command goes on" in said("optimize", study, "--detach")
    assert slurm.jobs == {"1_0": "PENDING", "1_1": "PENDING"}
    assert "2 pending" in said("optimize", study, "--detach")
    assert len(slurm.jobs) == 2
    for job in ("1_0", "1_1"):
        slurm.run(job)
    assert "1 pending" in said("optimize", study, "--detach")
    assert slurm.jobs["2"] == "PENDING"
    slurm.run("2")
    assert "the budget of 3 trials is spent" in said("optimize", study, "--detach")
    assert len(Study.open(study).history.completed) == 3
    assert len(slurm.jobs) == 3


@pytest.mark.parametrize("waits", [True, False])
def test_a_trial_is_asked_for_ahead_by_a_driver_that_waits(slurm: FakeSlurm, study: Path, waits: bool) -> None:
    (study / "study.yaml").write_text(STUDY.replace("workers: 2", "workers: 1, ask_ahead: 1"))
    if not waits:
        said("optimize", study, "--detach")
        assert [record.trial.id for record in Study.open(study).history.pending] == [0]
        return
    opened = Study.open(study)
    driver = threading.Thread(target=opened.run)
    driver.start()
    for number in (1, 2, 3):
        until(lambda number=number: str(number) in slurm.jobs and len(opened.history.records) == min(3, number + 1))
        assert len(slurm.jobs) == number, "the next one waits in the driver"
        slurm.run(str(number))
    driver.join(60.0)
    assert len(opened.history.completed) == 3


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    patience = time.monotonic() + 60.0
    while not holds():
        assert time.monotonic() < patience
        time.sleep(0.05)


def test_a_dry_run_shows_the_script_and_records_nothing(slurm: FakeSlurm, study: Path) -> None:
    shown = said("optimize", study, "--dry-run")
    assert "#SBATCH --array=0-1\n" in shown
    assert f"{study.resolve()}/trials/0001/attempts/1" in shown
    assert "--array=0-4" in said("optimize", study, "--dry-run", "--workers", "5")
    assert sorted(path.name for path in study.iterdir()) == ["study.yaml"]
    assert slurm.calls("sbatch") == []


def test_status_shows_jobs_states_and_logs(slurm: FakeSlurm, study: Path) -> None:
    said("optimize", study, "--detach")
    slurm.set("1_1", "RUNNING")
    folder = study.resolve() / "trials/0001/attempts/1"
    Position(folder).note(Progress(30, 120, 14_000.0))
    asked = len(slurm.calls("squeue"))
    text = said("status", study)
    assert len(slurm.calls("squeue")) == asked + 1
    assert f"job 1_0 (trial 0): PENDING (Priority); log: {study.resolve()}/trials/0000/attempts/1/slurm-0.out" in text
    assert "job 1_1 (trial 1): RUNNING, step 30/120, 14,000 tokens/s; log:" in text
    data = json.loads(said("status", study, "--json"))["jobs"]
    assert [(job["trials"], job["job"], job["state"], job["step"]) for job in data] == [
        ([0], "1_0", "PENDING (Priority)", None),
        ([1], "1_1", "RUNNING", 30),
    ]


def test_what_is_cancelled_stays_pending_and_is_submitted_again(slurm: FakeSlurm, study: Path) -> None:
    said("optimize", study, "--detach")
    left = "no driver runs: pending trials stay so, and the next `bomix optimize` submits them again\n"
    assert said("cancel", study, 1) == f"job 1_1 is cancelled (trial 1)\n{left}"
    assert said("cancel", study) == f"job 1_0 is cancelled (trial 0)\n{left}"
    assert said("cancel", study).startswith("nothing to cancel")
    assert set(slurm.jobs.values()) == {"CANCELLED"}
    assert "2 pending" in said("optimize", study, "--detach")
    assert slurm.jobs["2_0"] == slurm.jobs["2_1"] == "PENDING"
    assert Study.open(study).history.failed == ()


def test_what_cannot_be_cancelled_is_told(slurm: FakeSlurm, study: Path) -> None:
    assert "trial 7 has no job" in said("cancel", study, 7, code=2)
    said("optimize", study, "--detach")
    with lock.holding(study):
        assert "stop it first (Ctrl-C leaves the jobs alone)" in said("cancel", study, code=2)
        shown = said("cancel", study, 0)
        assert shown == "job 1_0 is cancelled (trial 0)\na driver runs: each trial counts as an attempt that failed\n"
    slurm.down("squeue")
    assert "does not answer" in said("cancel", study, code=1)


def test_a_study_is_not_begun_anew_while_its_jobs_run(slurm: FakeSlurm, study: Path) -> None:
    said("optimize", study, "--detach")
    said("withdraw", study, 1, "--why", "wrong data")
    refused = said("restart", study, code=2)
    assert "run or wait in the queue: 1_0 (trial 0), 1_1 (trial 1); end them first" in refused
    slurm.down("squeue")
    warned = said("restart", study)
    assert "warning: the queue does not answer, and jobs may still run or wait there: 1_0 (trial 0)" in warned
    slurm.down()
    assert "2 pending" in said("optimize", study, "--detach")
    assert slurm.run("1_0") == SECOND
    assert "2 pending" in said("optimize", study, "--detach")
    said("cancel", study)
    assert "begun anew" in said("restart", study)


@pytest.mark.parametrize("named", [True, False])
def test_the_job_of_a_withdrawn_trial_is_shown_and_cancelled(slurm: FakeSlurm, study: Path, named: bool) -> None:
    said("optimize", study, "--detach")
    end = f"job 1_0 (trial 0) goes on in the queue: `bomix cancel {study} 0` ends it"
    assert end in said("withdraw", study, 0, "--why", "wrong data")
    assert "job 1_0 (trial 0): PENDING" in said("status", study)
    assert said("cancel", study, *([0] if named else [])).startswith("job 1_0 is cancelled (trial 0)\n")
    assert slurm.jobs["1_0"] == "CANCELLED"
    assert slurm.jobs["1_1"] == ("PENDING" if named else "CANCELLED")
    assert "job 1_0" not in said("status", study)


@pytest.mark.parametrize("words", [("optimize", "--detach"), ("optimize", "--dry-run"), ("cancel",)])
def test_trials_that_end_with_their_driver_have_no_queue(study: Path, words: tuple[str, ...]) -> None:
    (study / "study.yaml").write_text(STUDY.replace("kind: slurm, workers: 2, poll_s: 1", "workers: 2"))
    command, *options = words
    assert "those of 'local' do not (slurm's do)" in said(command, study, *options, code=2)


def test_a_line_names_all_trials_of_a_job(study: Path) -> None:
    opened = Study.open(study)
    for _ in range(2):
        opened.ask()
    job = QueuedJob((0, 1), "17", "RUNNING", study, study / "log.txt")
    assert jobs.line(opened, job) == f"job 17 (trials 0-1 (2 as one)): RUNNING; log: {study}/log.txt"
