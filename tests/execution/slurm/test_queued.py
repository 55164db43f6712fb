"""Jobs as commands see them that do not wait."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from bomix.contracts.queued import LeavingError, QueuedExecution
from bomix.errors import EvaluationError
from bomix.execution.slurm import job_file, jobs, queued
from bomix.execution.slurm.spec import SlurmExecution
from bomix.testing.endings import Ending
from bomix.trial import Failure, Result
from tests.execution.slurm.fake import FakeSlurm
from tests.execution.slurm.studies import TRIALS, attempt, ends, started, study, trained

SPEC = SlurmExecution(workers=2)


def test_where_jobs_stand_is_one_call(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s")
    tried = [attempt(tmp_path / "s", trial) for trial in TRIALS]
    for each in tried[:3]:
        executor.submit(*each)
    assert SPEC.jobs(tried) == []
    executor.events(0.0)
    slurm.set("1_1", "RUNNING")
    (tried[1][1].folder / "log.txt").write_text("log")
    asked = len(slurm.calls("squeue"))
    found = SPEC.jobs(tried)
    assert [(job.trials, job.name, job.state) for job in found] == [
        ((0,), "1_0", "PENDING (Priority)"),
        ((1,), "1_1", "RUNNING"),
        ((2,), "1_2", "PENDING (Priority)"),
    ]
    assert [job.log.name for job in found] == ["slurm-0.out", "log.txt", "slurm-2.out"]
    assert len(slurm.calls("squeue")) == asked + 1
    slurm.down("squeue")
    assert {job.state for job in SPEC.jobs(tried)} == {queued.NO_ANSWER}


def test_what_is_cancelled_is_submitted_again_and_no_failure(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s")
    tried = [attempt(tmp_path / "s", trial) for trial in TRIALS[:2]]
    for each in tried:
        executor.submit(*each)
    executor.events(0.0)
    executor.close()
    assert [job.name for job in SPEC.cancel(tried[:1])] == ["1_0"]
    assert slurm.jobs == {"1_0": "CANCELLED", "1_1": "PENDING"}
    assert SPEC.cancel(tried[:1]) == []
    assert started(tmp_path / "s").reattach(tried) == (TRIALS[1],)


def test_what_could_not_be_cancelled_can_be_the_next_time(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s")
    tried = [attempt(tmp_path / "s", trial) for trial in TRIALS[:2]]
    for each in tried:
        executor.submit(*each)
    executor.events(0.0)
    slurm.down("scancel")
    with pytest.raises(EvaluationError, match="give the same command again"):
        SPEC.cancel(tried)
    slurm.down()
    assert started(tmp_path / "s").reattach(tried) == tuple(TRIALS[:2]), "both still run"
    slurm.set("1_1", "CANCELLED")  # Slurm did it, and did not say so
    assert [job.name for job in SPEC.cancel(tried)] == ["1_0", "1_1"]
    assert set(slurm.jobs.values()) == {"CANCELLED"}
    assert started(tmp_path / "s").reattach(tried) == ()


def test_where_jobs_stand_is_not_written_down(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s", workers=1)
    executor.submit(*(one := attempt(tmp_path / "s", TRIALS[0])))
    file = job_file.read(one[1].folder)
    assert file is not None
    dataclasses.replace(file, job=None).write()
    assert [job.name for job in SPEC.jobs([one])] == ["1"]
    assert job_file.read(one[1].folder) == dataclasses.replace(file, job=None)
    assert [job.name for job in SPEC.cancel([one])] == ["1"]


def test_a_job_of_several_trials_is_cancelled_as_a_whole(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s")
    tried = [attempt(tmp_path / "s", trial) for trial in TRIALS[:2]]
    executor.submit_together(tried)
    executor.events(0.0)
    with pytest.raises(EvaluationError, match="trials 0, 1 are one job, 1; cancel all of them"):
        SPEC.cancel(tried[:1])
    slurm.down("squeue")
    with pytest.raises(EvaluationError, match="does not answer"):
        SPEC.cancel(tried)
    slurm.down()
    assert [job.trials for job in SPEC.cancel(tried)] == [(0, 1)]


def test_a_preview_is_what_would_be_submitted_and_writes_nothing(slurm: FakeSlurm, tmp_path: Path) -> None:
    folder = study(tmp_path / "s")
    tried = [attempt(folder, trial) for trial in TRIALS]
    (shown,) = SPEC.preview(tried, folder=folder)
    executor = started(folder)
    assert not list(folder.rglob(job_file.FILE))
    for each in tried:
        executor.submit(*each)
    file = job_file.read(tried[0][1].folder)
    assert file is not None
    text = (tried[0][1].folder / "submit.sh").read_text()
    assert text.replace(file.token, "0" * 16).replace(file.token[:6], "0" * 6) == shown


def test_a_driver_that_does_not_wait_is_told_to_leave(slurm: FakeSlurm, tmp_path: Path) -> None:
    assert isinstance(SPEC, QueuedExecution)
    leaving = SPEC.leaving()
    assert (leaving.attempts, leaving.max_failures, leaving.max_lost) == (1, 3, 10)
    executor = leaving.start(Ending(), folder=study(tmp_path / "s"))
    executor.submit(*attempt(tmp_path / "s", TRIALS[0]))
    with pytest.raises(LeavingError):
        executor.events(10.0)
    assert len(slurm.jobs) == 1


@pytest.mark.parametrize(("history", "said"), [("PREEMPTED|0:15", "preempted"), ("", "does not know the job")])
def test_a_driver_that_does_not_wait_asks_for_what_the_queue_forgot(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, history: str, said: str
) -> None:
    monkeypatch.setattr(jobs, "LAG_S", 0.1)
    first = started(tmp_path / "s", workers=1)
    first.submit(*(one := attempt(tmp_path / "s", TRIALS[0])))
    job_file.begin(one[1].folder, "job 1")
    slurm.forget("1", history)
    second = SPEC.leaving().start(Ending(), folder=tmp_path / "s")
    assert second.reattach([one]) == (TRIALS[0],)
    (end,) = ends(second.events(10.0))
    assert isinstance(end.outcome, Failure)
    assert end.lost
    assert said in end.outcome.message
    with pytest.raises(LeavingError):
        second.events(10.0)


def test_a_driver_that_does_not_wait_leaves_where_history_does_not_answer(slurm: FakeSlurm, tmp_path: Path) -> None:
    first = started(tmp_path / "s", workers=1)
    first.submit(*(one := attempt(tmp_path / "s", TRIALS[0])))
    slurm.forget("1")
    slurm.down("sacct")
    second = SPEC.leaving().start(Ending(), folder=tmp_path / "s")
    assert second.reattach([one]) == (TRIALS[0],)
    with pytest.raises(LeavingError):
        second.events(10.0)


def test_a_driver_that_does_not_wait_waits_for_what_comes_into_sight(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LAG_S", 5.0)
    first = started(tmp_path / "s", workers=1)
    first.submit(*(one := attempt(tmp_path / "s", TRIALS[0])))
    slurm.set("1", "COMPLETED")
    second = SPEC.leaving().start(Ending(), folder=tmp_path / "s")
    second.reattach([one])
    assert second.events(0.0) == []
    trained(one[1].folder)
    assert [end.outcome for end in ends(second.events(0.0))] == [Result({"loss": 1.0})]


def test_check_asks_slurm_whether_it_would_take_a_job(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SPEC.lacks(tmp_path) == []
    assert slurm.calls("sbatch")[-1][1][0] == "--test-only"
    assert slurm.jobs == {}
    slurm.down("sbatch", why="Batch job submission failed: Invalid account")
    (said,) = SPEC.lacks(tmp_path)
    assert said.startswith("Slurm would take no job as the keys 'execution' ask for it: ")
    assert "Invalid account" in said
    slurm.down("sbatch")
    assert SPEC.lacks(tmp_path)[0].startswith("Slurm's controller does not answer just now")
    monkeypatch.setenv("PATH", str(tmp_path))
    (said,) = SPEC.lacks(None)
    assert said.startswith("there is no command 'sbatch' and no 'squeue' and no 'scancel' here; ")
    assert not list(tmp_path.glob("trials"))
