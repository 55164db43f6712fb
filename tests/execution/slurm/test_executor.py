"""The executor of Slurm over commands that need no daemons; tests/engines has the real ones."""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from itertools import pairwise
from pathlib import Path

import pytest

from bomix.contracts.executor import Ended, Reported
from bomix.errors import EvaluationError, SetupError
from bomix.execution.attempt.evaluate import LOG_FILE, NO_MEMORY, RAISED
from bomix.execution.attempt.reports import Reports
from bomix.execution.slurm import commands, job_file, jobs
from bomix.execution.slurm import executor as module
from bomix.execution.slurm.evaluator import check
from bomix.execution.slurm.job import SECOND
from bomix.execution.slurm.spec import SlurmExecution
from bomix.progress import Progress
from bomix.testing.endings import Ending
from bomix.trial import Failure, Result
from tests.execution.slurm.fake import FakeSlurm
from tests.execution.slurm.studies import TRIALS, attempt, ended, ends, started, study, trained

ONE, TWO, THREE, FOUR = TRIALS


def test_trials_that_are_submitted_together_are_one_array(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s")
    for trial in TRIALS:
        executor.submit(*attempt(tmp_path / "s", trial))
    assert executor.free == 0
    assert slurm.jobs == dict.fromkeys(("1_0", "1_1", "1_2", "1_3"), "PENDING")
    assert len(slurm.calls("sbatch")) == 1


def test_without_arrays_each_is_a_job(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s", array=False)
    for trial in TRIALS:
        executor.submit(*attempt(tmp_path / "s", trial))
    assert list(slurm.jobs) == ["1", "2", "3", "4"]


def test_the_id_is_written_down_and_the_job_before_that(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s", workers=1)
    _, one = attempt(tmp_path / "s", ONE)
    slurm.down("sbatch", why="invalid account")
    with pytest.raises(EvaluationError, match="invalid account"):
        executor.submit(ONE, one)
    file = job_file.read(one.folder)
    assert file is not None
    assert file.job is None
    slurm.down()
    assert executor.free == 1
    _, two = attempt(tmp_path / "s", TWO)
    executor.submit(TWO, two)
    file = job_file.read(two.folder)
    assert file is not None
    assert (file.job, file.name) == ("1", job_file.name_of(tmp_path / "s", 1, 1, file.token))


def test_what_a_job_writes_is_told_without_asking_slurm(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s", workers=1)
    executor.submit(*(begun := attempt(tmp_path / "s", ONE)))
    executor.events(0.0)
    executor._next_call = time.monotonic() + 100.0
    asked = len(slurm.calls("squeue"))
    Reports(begun[1].folder).report(Progress(1, 2))
    assert executor.events(0.0) == [Reported(ONE, Progress(1, 2))]
    trained(begun[1].folder)
    assert executor.events(0.0) == [Ended(ONE, Result({"loss": 1.0}))]
    assert executor.free == 1
    assert len(slurm.calls("squeue")) == asked


def test_slurm_is_asked_once_in_so_many_seconds_however_many_jobs_there_are(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s", workers=40)
    executor._poll_s = 1.0
    for number in range(40):
        executor.submit(*attempt(tmp_path / "s", TRIALS[0].__class__(number, TRIALS[0].weights, 0, "sobol")))
    until = time.monotonic() + 3.5
    while time.monotonic() < until:
        executor.events(0.5)
    times = [when for when, _ in slurm.calls("squeue")]
    assert 3 <= len(times) <= 4
    # A call is noted when the command has started, which takes a while on a busy machine.
    assert all(later - earlier > 0.6 for earlier, later in pairwise(times))


@pytest.mark.parametrize(
    ("state", "status", "lost", "said"),
    [
        ("PREEMPTED", 15, True, "preempted by the cluster (job 1)"),
        ("NODE_FAIL", 0, True, "its node failed (job 1)"),
        ("CANCELLED", 15, False, "job 1 was cancelled in the cluster's queue"),
        ("OUT_OF_MEMORY", 9, False, "out of memory: the cluster ended the job at its limit (execution.memory)"),
        ("FAILED", 9, False, "killed by signal 9 (SIGKILL), as the system does to a process where memory runs out"),
    ],
)
def test_a_job_that_dies_without_a_word_is_lost_or_has_failed(
    slurm: FakeSlurm, tmp_path: Path, state: str, status: int, lost: bool, said: str
) -> None:
    executor = started(tmp_path / "s", workers=1)
    executor.submit(*(begun := attempt(tmp_path / "s", ONE)))
    job_file.begin(begun[1].folder, "job 1")
    slurm.set("1", state, status=status)
    (end,) = ends(executor.events(0.0))
    assert end.outcome == Failure(said)
    assert end.lost is lost
    assert executor.free == 1


@pytest.mark.parametrize("kept", [True, False])
def test_a_trial_that_is_cut_off_is_lost_only_where_it_left_a_checkpoint(
    slurm: FakeSlurm, tmp_path: Path, kept: bool
) -> None:
    """Else the next attempt would begin anew, and be cut off as well."""
    executor = started(tmp_path / "s", workers=1)
    executor._scratch = ("state-*.pt",)
    executor.submit(*(begun := attempt(tmp_path / "s", ONE)))
    job_file.begin(begun[1].folder, "job 1")
    if kept:
        (begun[1].folder / "state-7.pt").touch()
    slurm.set("1", "TIMEOUT", status=15)
    (end,) = ends(executor.events(0.0))
    assert isinstance(end.outcome, Failure)
    assert end.lost is kept
    assert end.outcome.message.startswith("cut off by the cluster's time limit (execution.time) ")
    assert ("before it left a checkpoint behind" in end.outcome.message) is not kept


def aged(folder: Path, seconds: float) -> None:
    """Have what a job wrote be so old."""
    for name in (job_file.BEGUN_FILE, LOG_FILE):
        then = (folder / name).stat().st_mtime - seconds
        os.utime(folder / name, (then, then))


def test_a_job_that_says_nothing_for_too_long_is_cancelled_and_has_failed(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s", workers=1, silence_s=60.0)
    executor.submit(*(begun := attempt(tmp_path / "s", ONE)))
    assert executor.events(0.0) == [], "one that waits in the queue is not silent"
    slurm.set("1", "RUNNING")
    job_file.begin(folder := begun[1].folder, "job 1")
    (folder / LOG_FILE).write_text("step 1\n")
    aged(folder, 61.0)
    (folder / LOG_FILE).write_text("step 2\n")
    assert executor.events(0.0) == [], "its log has something new"
    aged(folder, 61.0)
    slurm.down("scancel")
    assert executor.events(0.0) == []
    assert slurm.jobs == {"1": "RUNNING"}, "the controller is away"
    slurm.down()
    executor.close()
    # The driver that finds it again has no such limit: what an earlier one wanted is done.
    executor = started(tmp_path / "s", workers=1, silence_s=None)
    assert executor.reattach([begun]) == (ONE,)
    for _ in range(2):
        found = ends(executor.events(0.0))
    assert slurm.jobs == {"1": "CANCELLED"}
    ((end),) = found
    assert isinstance(end.outcome, Failure)
    assert end.outcome.message.startswith("no progress and nothing new in its log for 60 s (execution.silence_s)")
    assert not end.lost


def test_a_result_that_came_before_its_job_was_cancelled_for_silence_counts(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s", workers=1)
    executor.submit(*(begun := attempt(tmp_path / "s", ONE)))
    trained(begun[1].folder)
    job_file.say_overdue(begun[1].folder, "no progress")
    assert [end.outcome for end in ends(executor.events(0.0))] == [Result({"loss": 1.0})]


@pytest.mark.parametrize("state", ["PREEMPTED", "NODE_FAIL", "CANCELLED", "FAILED"])
def test_a_whole_result_counts_however_its_job_ended(slurm: FakeSlurm, tmp_path: Path, state: str) -> None:
    executor = started(tmp_path / "s", workers=1)
    executor.submit(*(begun := attempt(tmp_path / "s", ONE)))
    trained(begun[1].folder)
    (begun[1].folder / job_file.ENDED_FILE).unlink()
    slurm.set("1", state, status=15)
    (end,) = ends(executor.events(0.0))
    assert end.outcome == Result({"loss": 1.0})


def test_an_error_is_a_failure_and_half_a_result_is_one(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s")
    one, two = attempt(tmp_path / "s", ONE), attempt(tmp_path / "s", TWO)
    executor.submit(*one)
    executor.submit(*two)
    executor.events(0.0)
    trained(one[1].folder, loss=None, error="diverged", code=RAISED)
    trained(two[1].folder)
    (two[1].folder / "result.json").write_text('{"losses": {"lo')
    first, second = ends(executor.events(0.0))
    assert (first.outcome, first.lost, first.by_group) == (Failure("diverged"), False, False)
    assert isinstance(second.outcome, Failure)
    assert "is not what bomix wrote there" in second.outcome.message


def test_what_is_not_in_sight_yet_is_waited_for(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LAG_S", 5.0)
    executor = started(tmp_path / "s", workers=1)
    executor.submit(*(begun := attempt(tmp_path / "s", ONE)))
    slurm.set("1", "COMPLETED")
    assert executor.events(0.0) == []
    trained(begun[1].folder)
    assert [end.outcome for end in ends(executor.events(0.0))] == [Result({"loss": 1.0})]
    executor.submit(*attempt(tmp_path / "s", TWO))
    slurm.set("2", "COMPLETED")
    assert executor.events(0.0) == []
    monkeypatch.setattr(jobs, "LAG_S", 0.0)
    (end,) = ends(executor.events(0.0))
    assert isinstance(end.outcome, Failure)
    assert "before the training began" in end.outcome.message


@pytest.mark.parametrize("state", ["PREEMPTED", "TIMEOUT", "CANCELLED", "FAILED"])
def test_results_of_a_group_that_come_into_sight_late_count(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(jobs, "LAG_S", 5.0)
    refreshed: list[Path] = []
    monkeypatch.setattr(job_file, "refresh", refreshed.append)
    executor = started(tmp_path / "s", workers=1)
    group = [attempt(tmp_path / "s", trial) for trial in (ONE, TWO)]
    executor.submit_together(group)
    slurm.set("1", state, status=15)
    assert executor.events(0.0) == []
    assert set(refreshed) == {each.folder for _, each in group}
    for _, each in group:
        trained(each.folder)
        (each.folder / job_file.ENDED_FILE).unlink()
    assert [end.outcome for end in ends(executor.events(0.0))] == [Result({"loss": 1.0})] * 2


def test_a_job_that_is_requeued_after_it_had_begun_is_lost_and_cancelled(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s", workers=1)
    executor.submit(*(begun := attempt(tmp_path / "s", ONE)))
    slurm.set("1", "PENDING", restarts=1, reason="BeginTime")
    assert executor.events(0.0) == []  # it never began, and will
    job_file.begin(begun[1].folder, "job 1")
    (end,) = ends(executor.events(0.0))
    assert end.lost
    assert slurm.jobs == {"1": "CANCELLED"}


def test_a_job_that_slurm_cancelled_as_its_node_could_not_start_it_is_lost(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s", workers=1)
    executor.submit(*attempt(tmp_path / "s", ONE))
    slurm.set("1", "CANCELLED", nodes="node7")
    (end,) = ends(executor.events(0.0))
    assert end.lost
    assert isinstance(end.outcome, Failure)
    assert end.outcome.message == "the cluster could not start it on its node (job 1)"


def test_a_second_copy_that_found_the_first_is_a_loss(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s", workers=1)
    executor.submit(*(begun := attempt(tmp_path / "s", ONE)))
    job_file.begin(begun[1].folder, "job 1")
    slurm.set("1", "FAILED", status=SECOND << 8, restarts=1)
    (end,) = ends(executor.events(0.0))
    assert end.lost


@pytest.mark.parametrize(
    ("history", "lost", "said"),
    [("FAILED|137:0", False, "exit status 137"), ("PREEMPTED|0:15", True, "preempted"), ("", True, "does not know")],
)
def test_a_job_that_slurm_forgot_is_never_waited_for(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, history: str, lost: bool, said: str
) -> None:
    monkeypatch.setattr(jobs, "LAG_S", 0.0)
    executor = started(tmp_path / "s", workers=1)
    executor.submit(*(begun := attempt(tmp_path / "s", ONE)))
    job_file.begin(begun[1].folder, "job 1")
    executor.events(0.0)
    slurm.forget("1", history)
    found = [end for _ in range(module.MISSED + 1) for end in ends(executor.events(0.0))]
    (end,) = found
    assert isinstance(end.outcome, Failure)
    assert said in end.outcome.message
    assert end.lost is lost


def test_while_history_does_not_answer_the_queue_is_asked(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s", array=False)
    one, two = attempt(tmp_path / "s", ONE), attempt(tmp_path / "s", TWO)
    for each in (one, two):
        executor.submit(*each)
    executor.events(0.0)
    slurm.forget("1")
    slurm.down("sacct", why="slurmdbd: connection refused")
    for _ in range(4):
        assert executor.events(0.0) == []
    slurm.set("2", "PREEMPTED", status=15)
    assert [end.trial for _ in range(2) for end in ends(executor.events(0.0))] == [TWO]
    asked = len(slurm.calls("sacct"))
    slurm.down()
    assert [end.trial for _ in range(2) for end in ends(executor.events(0.0))] == [ONE]
    assert len(slurm.calls("sacct")) == asked + 2, "accounting, and the file of completed jobs"


def test_a_job_that_cannot_load_the_evaluator_costs_no_other_end(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s", array=False)
    one, two, three = (attempt(tmp_path / "s", trial) for trial in (ONE, TWO, THREE))
    for each in (one, two, three):
        executor.submit(*each)
    executor.events(0.0)
    job_file.say_broken(two[1].folder, "no module")
    ended(two[1].folder, 78)
    trained(one[1].folder, loss=None, error="diverged", code=RAISED)
    trained(three[1].folder)
    assert [end.trial for end in ends(executor.events(0.0))] == [ONE, THREE]
    with pytest.raises(EvaluationError, match="cannot be loaded in a job of Slurm: no module"):
        executor.events(0.0)


def test_a_job_that_began_without_an_id_is_lost_and_never_handed_in(slurm: FakeSlurm, tmp_path: Path) -> None:
    first = started(tmp_path / "s")
    one, two = attempt(tmp_path / "s", ONE), attempt(tmp_path / "s", TWO)
    for each in (one, two):
        first.submit(*each)
    first.events(0.0)
    file = job_file.read(two[1].folder)
    assert file is not None
    dataclasses.replace(file, job=None).write()
    job_file.begin(two[1].folder, "job 1_1")
    slurm.forget("1_1")
    second = started(tmp_path / "s")
    assert second.reattach([one, two]) == (ONE, TWO)
    (end,) = ends(second.events(0.0))
    assert (end.trial, end.lost) == (TWO, True)
    assert second.events(0.0) == []
    assert len(slurm.calls("sbatch")) == 1


def test_a_job_whose_submission_was_not_answered_and_that_is_over_is_lost(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s", workers=1)
    slurm.down("sbatch", "squeue", why="Socket timed out on send/recv operation")
    executor.submit(*(begun := attempt(tmp_path / "s", ONE)))
    job_file.begin(begun[1].folder, "job 1")
    slurm.down()
    assert [end.lost for _ in range(2) for end in ends(executor.events(0.0))] == [True]
    assert len(slurm.calls("sbatch")) == 1


def test_a_controller_that_is_down_is_waited_for(
    slurm: FakeSlurm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    executor = started(tmp_path / "s")
    executor.submit(*attempt(tmp_path / "s", ONE))
    slurm.down("sbatch", "squeue")
    executor.submit(*(attempt(tmp_path / "s", TWO)))
    assert [executor.events(0.0) for _ in range(3)] == [[], [], []]
    assert slurm.jobs == {}
    slurm.down()
    executor.events(0.0)
    assert slurm.jobs == {"1_0": "PENDING", "1_1": "PENDING"}
    said = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(said) == 2
    assert "does not answer" in said[0]
    assert "answers again" in said[1]


def test_a_job_whose_submission_was_not_answered_is_found_by_its_name(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s", workers=1)
    slurm.down("sbatch", why="Socket timed out on send/recv operation")
    executor.submit(*(begun := attempt(tmp_path / "s", ONE)))
    slurm.down()
    # The controller took it all the same.
    commands.submit(begun[1].folder / "submit.sh")
    executor.events(0.0)
    file = job_file.read(begun[1].folder)
    assert file is not None
    assert file.job == "1"
    assert len(slurm.jobs) == 1


def test_a_queue_that_is_full_is_waited_for_while_something_runs(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s", array=False)
    executor.submit(*attempt(tmp_path / "s", ONE))
    slurm.down("sbatch", why="Job violates accounting/QOS policy (job submit limit)")
    executor.submit(*attempt(tmp_path / "s", TWO))
    assert executor.events(0.0) == []
    slurm.down()
    executor.events(0.0)
    assert list(slurm.jobs) == ["1", "2"]


def test_a_queue_that_others_filled_is_waited_for_as_well(
    slurm: FakeSlurm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    executor = started(tmp_path / "s", workers=1)
    slurm.down("sbatch", why="Job violates accounting/QOS policy (job submit limit)")
    executor.submit(*attempt(tmp_path / "s", ONE))
    assert [executor.events(0.0) for _ in range(3)] == [[], [], []]
    assert len(slurm.calls("sbatch")) == 4
    (said,) = caplog.messages
    assert "takes no more jobs for now" in said
    slurm.down()
    executor.events(0.0)
    assert slurm.jobs == {"1": "PENDING"}


def test_a_job_that_waits_for_ever_is_told_of_once(
    slurm: FakeSlurm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    executor = started(tmp_path / "s", workers=1)
    executor.submit(*attempt(tmp_path / "s", ONE))
    executor.events(0.0)
    assert caplog.messages == []
    slurm.set("1", "PENDING", reason="PartitionTimeLimit")
    for _ in range(3):
        executor.events(0.0)
    assert caplog.messages == ["job 1 waits and will not start by itself (PartitionTimeLimit)"]


def test_a_cancelled_trial_ends_whether_it_was_submitted_or_not(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s")
    executor.submit(*attempt(tmp_path / "s", ONE))
    executor.events(0.0)
    executor.cancel(ONE)
    assert slurm.jobs == {"1": "CANCELLED"}
    assert [end.outcome for end in ends(executor.events(0.0))] == [Failure("cancelled")]
    slurm.down("sbatch", "squeue")
    executor.submit(*(two := attempt(tmp_path / "s", TWO)))
    executor.cancel(TWO)
    assert [end.outcome for end in ends(executor.events(0.0))] == [Failure("cancelled")]
    assert not job_file.begin(two[1].folder, "a job that the controller took all the same")


def test_memory_grows_with_each_attempt_that_ran_out_of_it(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s", memory="1G", memory_factor=1.5, attempts=3)
    asked = []
    for number, code in ((1, NO_MEMORY), (2, RAISED), (3, NO_MEMORY), (4, 0)):
        executor.submit(*(begun := attempt(tmp_path / "s", ONE, number)))
        executor.events(0.0)
        file = job_file.read(begun[1].folder)
        assert file is not None
        asked.append(file.memory)
        trained(begun[1].folder, loss=None, error="out of memory", code=code)
        executor.events(0.0)
    assert asked == [1024, 1536, 1536, 2304]


def test_jobs_go_on_when_their_driver_ends_and_the_next_one_takes_them_over(
    slurm: FakeSlurm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = started(tmp_path / "s")
    tried = [attempt(tmp_path / "s", trial) for trial in TRIALS]
    for each in tried:
        first.submit(*each)
    first.events(0.0)
    first.close()
    assert "trial 0 (1_0), trial 1 (1_1), trial 2 (1_2), trial 3 (1_3)" in caplog.text
    slurm.set("1_0", "RUNNING")
    trained(tried[1][1].folder)  # ended unseen
    slurm.set("1_2", "PREEMPTED", status=15)
    second = started(tmp_path / "s")
    assert second.reattach(tried) == tuple(TRIALS)
    assert second.free == 0
    found = {end.trial.id: end for end in ends(second.events(0.0))}
    assert found[1].outcome == Result({"loss": 1.0})
    assert found[2].lost
    assert second.free == 2
    assert len(slurm.calls("sbatch")) == 1


def test_a_driver_that_died_before_it_knew_the_id_is_followed_by_one_that_finds_the_job(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = started(tmp_path / "s")
    one, two, three = (attempt(tmp_path / "s", trial) for trial in (ONE, TWO, THREE))
    submit = commands.submit

    def dying(script: Path) -> str:
        submit(script)
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "submit", dying)
    first.submit(*one)
    with pytest.raises(KeyboardInterrupt):
        first.events(0.0)
    monkeypatch.setattr(commands, "submit", lambda script: (_ for _ in ()).throw(KeyboardInterrupt))
    first.submit(*two)
    with pytest.raises(KeyboardInterrupt):
        first.events(0.0)  # this one never reached Slurm
    monkeypatch.undo()
    monkeypatch.setenv("PATH", f"{slurm.folder}:/usr/bin:/bin")
    second = started(tmp_path / "s")
    assert second.reattach([one, two, three]) == (ONE,)
    file = job_file.read(one[1].folder)
    assert file is not None
    assert file.job == "1"
    assert not job_file.begin(two[1].folder, "a job that comes into the queue late trains nothing")
    assert not job_file.has_begun(three[1].folder)


def test_a_result_that_was_told_and_not_recorded_is_told_again(slurm: FakeSlurm, tmp_path: Path) -> None:
    first = started(tmp_path / "s")
    one, two = attempt(tmp_path / "s", ONE), attempt(tmp_path / "s", TWO)
    for each in (one, two):
        first.submit(*each)
    first.events(0.0)
    trained(one[1].folder)
    trained(two[1].folder, loss=None, error="diverged", code=RAISED)
    assert len(ends(first.events(0.0))) == 2  # and the driver is killed before it records them
    second = started(tmp_path / "s")
    assert second.reattach([one, two]) == (ONE,)
    assert [end.outcome for end in ends(second.events(0.0))] == [Result({"loss": 1.0})]


def test_where_it_cannot_be_known_what_still_runs_nothing_is_submitted(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = started(tmp_path / "s", workers=1)
    first.submit(*(one := attempt(tmp_path / "s", ONE)))
    slurm.down("squeue")
    monkeypatch.setattr(module, "_STARTING_S", 0.0)
    with pytest.raises(EvaluationError, match="nobody knows what still runs"):
        started(tmp_path / "s").reattach([one])


def test_without_slurms_commands_there_is_no_executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nothing is asked for that could not be submitted."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SetupError, match=r"no command 'sbatch' and no 'squeue' and no 'scancel' here; .* login node"):
        started(tmp_path / "s")


def test_an_evaluator_that_the_folder_does_not_say_is_refused(tmp_path: Path) -> None:
    folder = study(tmp_path / "s", "error")
    check(Ending("error"), folder)
    with pytest.raises(EvaluationError, match="not the Ending that this study was given"):
        SlurmExecution().start(Ending("well"), folder=folder)
    (folder / "study.yaml").write_text("domains: {code: {}, web: {}}\nmetrics: [loss]\n")
    with pytest.raises(EvaluationError, match="has no evaluator"):
        SlurmExecution().start(Ending("well"), folder=folder)


def test_a_group_is_one_job_and_what_came_back_of_it_is_kept(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s")
    group = [attempt(tmp_path / "s", trial) for trial in (ONE, TWO, THREE)]
    executor.submit_together(group)
    executor.events(0.0)
    assert list(slurm.jobs) == ["1"]
    assert executor.free == 3
    first = group[0][1].folder
    job_file.begin(first, "job 1")
    reports = Reports(first)
    (group[1][1].folder / "error.txt").write_text("diverged")
    reports.finished(TWO)
    (end,) = ends(executor.events(0.0))
    assert (end.trial, end.outcome, end.by_group) == (TWO, Failure("diverged"), False)
    slurm.set("1", "FAILED", status=9)
    assert [(end.trial, end.by_group, end.lost) for end in ends(executor.events(0.0))] == [
        (ONE, True, False),
        (THREE, True, False),
    ]


def test_a_group_that_the_cluster_ends_is_lost_and_made_no_smaller(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s")
    group = [attempt(tmp_path / "s", trial) for trial in (ONE, TWO)]
    executor.submit_together(group)
    executor.events(0.0)
    slurm.set("1", "PREEMPTED", status=15)
    assert [(end.by_group, end.lost) for end in ends(executor.events(0.0))] == [(False, True)] * 2


def test_a_group_that_was_cancelled_is_made_no_smaller(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s")
    group = [attempt(tmp_path / "s", trial) for trial in (ONE, TWO)]
    executor.submit_together(group)
    executor.events(0.0)
    job_file.begin(group[0][1].folder, "job 1")
    slurm.set("1", "CANCELLED", status=15)
    assert [(end.by_group, end.lost) for end in ends(executor.events(0.0))] == [(False, False)] * 2


def test_what_was_never_submitted_does_not_go_on(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = attempt(tmp_path / "s", ONE)
    first, second = (started(tmp_path / "s", workers=1) for _ in range(2))
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(EvaluationError, match="there is no command 'sbatch'"):
        first.submit(*one)
    first.close()
    with pytest.raises(EvaluationError, match="there is no command 'squeue'"):
        second.reattach([one])
    second.close()
    assert caplog.messages == []


def test_a_fault_before_the_training_that_repeats_ends_the_run(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s", workers=1, python="/nowhere/python")
    executor.submit(*attempt(tmp_path / "s", ONE))
    slurm.run("1")
    assert [end.trial for end in ends(executor.events(0.0))] == [ONE]
    executor.submit(*(two := attempt(tmp_path / "s", TWO)))
    slurm.run("2")
    with pytest.raises(EvaluationError, match=r"exit status 127 before the training begins[\s\S]*stay pending"):
        executor.events(0.0)
    assert started(tmp_path / "s").reattach([two]) == (), "it is tried again"


def test_a_fault_before_the_training_of_all_trials_at_once_fails_none(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s", array=False)
    tried = [attempt(tmp_path / "s", trial) for trial in (ONE, TWO)]
    for each in tried:
        executor.submit(*each)
    for job in ("1", "2"):
        slurm.set(job, "FAILED", status=127 << 8)
    with pytest.raises(EvaluationError, match="exit status 127 before the training begins"):
        executor.events(0.0)
    assert started(tmp_path / "s").reattach(tried) == ()


def test_faults_before_the_training_that_differ_are_the_trials_own(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s", array=False)
    for trial in (ONE, TWO, THREE):
        executor.submit(*attempt(tmp_path / "s", trial))
    for job, status in (("1", 127), ("2", 1), ("3", 127)):
        slurm.set(job, "FAILED", status=status << 8)
    assert [end.trial for end in ends(executor.events(0.0))] == [ONE, TWO, THREE]
