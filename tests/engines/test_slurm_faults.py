"""Faults on a real Slurm of one node: nothing runs twice by mistake, nothing is lost, nothing waits for ever.

The table of docs/reliability.md says what becomes of each.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from bomix.execution.slurm import job_file
from bomix.io.store import lock
from bomix.trial import Failure, Result
from tests.engines.evaluators import runs
from tests.engines.slurm_daemons import Cluster
from tests.engines.studies import BOMIX, finish, nothing_ran_twice, optimize, records, start, until_begun, write

pytestmark = [pytest.mark.engines, pytest.mark.usefixtures("cluster")]

SLURM = {"kind": "slurm", "poll_s": 1}
KILLS = 30


def job_of(study: Path, trial: int = 0, attempt: int = 1) -> str:
    """The id of the job of an attempt, once its driver has noted it."""
    folder = study / "trials" / f"{trial:04d}" / "attempts" / str(attempt)
    deadline = time.monotonic() + 120.0
    while (file := job_file.read(folder) if folder.is_dir() else None) is None or file.job is None:
        assert time.monotonic() < deadline, f"{folder} has no job"
        time.sleep(0.05)
    return file.job


def filled(cluster: Cluster, partition: str = "main") -> str:
    """Have a job of somebody else take the whole node; its id."""
    script = ["sbatch", "--parsable", f"--partition={partition}", "--exclusive", "--output=/dev/null"]
    number = cluster.ask(*script, "--wrap=sleep 600").strip()
    cluster.until(lambda: "RUNNING" in cluster.ask("squeue", "-h", "-j", number, "-o", "%T"), "it does not run")
    return number


def state(cluster: Cluster, job: str) -> str:
    return cluster.ask("squeue", "-h", "-t", "all", "-j", job, "-o", "%T").strip()


def test_one_slot_asks_what_local_processes_ask(tmp_path: Path) -> None:
    studies = [write(tmp_path / kind, {"kind": kind}, trials=5, seconds=0.1) for kind in ("local", "slurm")]
    for study in studies:
        text = (study / "study.yaml").read_text().replace("strategy: sobol", "strategy: {kind: bayesian, n_init: 3}")
        (study / "study.yaml").write_text(text)
        optimize(study)
    local, slurm = map(records, studies)
    assert [each.trial for each in local] == [each.trial for each in slurm]
    assert [each.result.losses for each in local] == [each.result.losses for each in slurm]


def test_a_driver_killed_at_random_moments_loses_nothing_and_runs_nothing_twice(tmp_path: Path) -> None:
    disturbed = write(tmp_path / "disturbed", SLURM, trials=1000, seconds=1.0)
    rng = np.random.default_rng(20240229)
    told: dict[int, str] = {}
    for kill in range(KILLS):
        driver = start(disturbed)
        while kill % 5 and not lock.is_held(disturbed):  # every fifth may hit the imports
            time.sleep(0.02)
        time.sleep(rng.uniform(0.0, 5.0))
        assert driver.poll() is None, driver.communicate()[0]
        driver.kill()
        said = driver.communicate()[0]
        told |= {int(number): loss for number, loss in re.findall(r"^trial (\d+) objective ([\d.]+)", said, re.M)}
    count = len(records(disturbed))
    optimize(disturbed, "--trials", str(count))
    undisturbed = write(tmp_path / "undisturbed", {"kind": "local"}, trials=count, seconds=0.0)
    optimize(undisturbed)
    ours, theirs = records(disturbed), records(undisturbed)
    assert [each.trial for each in ours] == [each.trial for each in theirs]
    assert [each.result.losses for each in ours] == [each.result.losses for each in theirs]
    assert told.keys() <= {each.trial.id for each in ours}
    print(f"killed {KILLS} times; said to be recorded: {len(told)} of {count}")
    began = [trial for what, trial, _ in runs(disturbed) if what == "began"]
    assert sorted(began) == list(range(count)), "a trial was trained twice, or never"


@pytest.mark.parametrize("running", [True, False])
def test_a_job_cancelled_by_somebody_is_a_failure_and_never_waited_for(
    cluster: Cluster, tmp_path: Path, running: bool
) -> None:
    study = write(tmp_path, SLURM, seconds=60.0)
    blocker = None if running else filled(cluster)
    driver = start(study)
    try:
        job = job_of(study)
        if running:
            until_begun(study)
        cluster.ask("scancel", job)
        # The failed trial counts as none of the budget; the next one is asked for.
        job_of(study, trial=1)
        driver.send_signal(signal.SIGTERM)  # where tests run in the background of a shell, SIGINT is ignored
        said = finish(driver, code=130)
        assert "jobs go on in the cluster: trial 1" in said
        (first, second) = records(study)
        assert isinstance(first.outcome, Failure)
        assert first.outcome.message == f"job {job} was cancelled in the cluster's queue"
        assert second.outcome is None
    finally:
        for number in filter(None, (blocker, job_of(study, trial=1))):
            cluster.ask("scancel", number)


def test_a_job_cut_off_by_its_limit_is_run_again_where_it_can_go_on(tmp_path: Path) -> None:
    study = write(tmp_path, {**SLURM, "time": "1", "max_failures": 1}, first=200.0, seconds=0.1, keeps=True)
    said = optimize(study)
    assert "was lost, and is run again: cut off by the cluster's time limit (execution.time)" in said
    (record,) = records(study)
    assert isinstance(record.outcome, Result)
    assert runs(study) == [("began", 0, 1), ("began", 0, 2), ("ended", 0, 2)]


def test_a_job_cut_off_by_its_limit_that_would_begin_anew_has_failed(tmp_path: Path) -> None:
    study = write(tmp_path, {**SLURM, "time": "1", "max_failures": 1}, first=200.0, seconds=0.1)
    optimize(study, code=1)
    (record,) = records(study)
    assert isinstance(record.outcome, Failure)
    assert "before it left a checkpoint behind" in record.outcome.message
    assert runs(study) == [("began", 0, 1)]


def test_a_job_that_says_nothing_is_cancelled_and_has_failed(cluster: Cluster, tmp_path: Path) -> None:
    study = write(
        tmp_path, {**SLURM, "silence_s": 5, "max_failures": 1}, seconds=8.0, trials=2, failing=[1], how="silent"
    )
    optimize(study, code=1)
    well, silent = records(study)
    assert isinstance(well.outcome, Result), "its reports are signs of life"
    assert isinstance(silent.outcome, Failure)
    assert "for 5 s (execution.silence_s)" in silent.outcome.message
    assert state(cluster, job_of(study, trial=1)) == "CANCELLED"
    nothing_ran_twice(study)


def test_check_says_what_the_cluster_would_not_take(tmp_path: Path) -> None:
    told = []
    for name, more in (("well", {}), ("ill", {"partition": "nowhere"}), ("wide", {"cpus": 4000})):
        study = write(tmp_path / name, {**SLURM, **more})
        done = subprocess.run([*BOMIX, "check", str(study)], capture_output=True, text=True, check=True)
        told.append(done.stdout.splitlines()[-2:])
    assert told[0][-1] == "no problems found"
    assert "invalid partition" in told[1][0].lower()
    assert "not available" in told[2][0].lower() or "cpu" in told[2][0].lower()


def test_a_preempted_job_is_run_again(cluster: Cluster, tmp_path: Path) -> None:
    study = write(tmp_path, {**SLURM, "max_failures": 1}, first=200.0, seconds=0.1)
    driver = start(study)
    until_begun(study)
    other = filled(cluster, "high")
    job_of(study, attempt=2)
    cluster.ask("scancel", other)
    assert "was lost, and is run again: preempted by the cluster" in finish(driver)
    (record,) = records(study)
    assert isinstance(record.outcome, Result)
    assert runs(study) == [("began", 0, 1), ("began", 0, 2), ("ended", 0, 2)]


def test_a_job_requeued_while_it_runs_is_run_again_in_a_folder_of_its_own(cluster: Cluster, tmp_path: Path) -> None:
    study = write(tmp_path, {**SLURM, "max_failures": 1}, first=200.0, seconds=0.1)
    driver = start(study)
    until_begun(study)
    job = job_of(study)
    cluster.ask("scontrol", "update", f"JobId={job}", "Requeue=1")
    cluster.ask("scontrol", "requeue", job)
    assert "was lost, and is run again: requeued by the cluster" in finish(driver)
    assert state(cluster, job) == "CANCELLED"
    nothing_ran_twice(study)
    assert runs(study) == [("began", 0, 1), ("began", 0, 2), ("ended", 0, 2)]


def test_a_job_requeued_after_it_had_finished_trains_nothing(cluster: Cluster, tmp_path: Path) -> None:
    study = write(tmp_path, SLURM, seconds=5.0)
    driver = start(study)
    until_begun(study)
    job = job_of(study)
    cluster.ask("scontrol", "update", f"JobId={job}", "Requeue=1")  # as bomix submits it, nobody can requeue it later
    finish(driver)
    result = study / "trials/0000/attempts/1/result.json"
    before = result.read_bytes(), result.stat().st_mtime_ns
    cluster.until(lambda: state(cluster, job) == "COMPLETED", "it has not ended")
    cluster.ask("scontrol", "requeue", job)
    cluster.until(lambda: state(cluster, job) == "PENDING", "it is not requeued")
    cluster.ask("scontrol", "update", f"JobId={job}", "StartTime=now")
    cluster.until(lambda: state(cluster, job) == "FAILED", "the second copy has not ended")
    assert runs(study) == [("began", 0, 1), ("ended", 0, 1)]
    assert (result.read_bytes(), result.stat().st_mtime_ns) == before
    assert "nothing is trained" in (result.parent / "slurm.out").read_text()


def test_a_node_that_dies_and_returns_costs_a_run_and_two_copies_keep_apart(cluster: Cluster, tmp_path: Path) -> None:
    study = write(tmp_path, {**SLURM, "max_failures": 1}, first=45.0, seconds=0.1)
    driver = start(study)
    until_begun(study)
    cluster.kill("slurmd")
    job_of(study, attempt=2)  # the controller has given the node up, while the first copy still runs
    began = [each for each in runs(study) if each[0] == "ended"]
    assert began == []
    cluster.start_node()
    assert "was lost, and is run again: its node failed" in finish(driver)
    (record,) = records(study)
    assert isinstance(record.outcome, Result)
    nothing_ran_twice(study)


@pytest.mark.parametrize("killed", [False, True])
def test_a_controller_that_is_down_for_a_minute_costs_no_trial(cluster: Cluster, tmp_path: Path, killed: bool) -> None:
    """One that is killed comes back without what began lately: it starts that again, and drains the node over it."""
    study = write(tmp_path, {**SLURM, "workers": 2, "max_failures": 1}, trials=4, seconds=25.0)
    driver = start(study)
    until_begun(study, trial=1)
    cluster.kill("slurmctld", signal.SIGKILL if killed else signal.SIGTERM)
    time.sleep(60.0)
    assert driver.poll() is None
    ended = {trial for what, trial, _ in runs(study) if what == "ended"}
    assert {each.trial.id for each in records(study) if each.outcome is not None} == ended == {0, 1}
    cluster.start_controller()
    while driver.poll() is None:
        if killed and "drain" in cluster.ask("sinfo", "-h", "-o", "%T"):
            cluster.ask("scontrol", "update", f"NodeName={cluster.host}", "State=RESUME")
        time.sleep(1.0)
    said = finish(driver)
    assert "Slurm's controller does not answer" in said
    assert "Slurm's controller answers again" in said
    assert all(isinstance(each.outcome, Result) for each in records(study))
    nothing_ran_twice(study)
    if not killed:
        assert sorted(trial for what, trial, _ in runs(study) if what == "began") == [0, 1, 2, 3]


def test_half_a_result_is_none(tmp_path: Path) -> None:
    study = write(tmp_path, {**SLURM, "max_failures": 1}, seconds=0.1, failing=[0], how="half")
    assert "killed by signal 9" in optimize(study, code=1)
    assert isinstance(records(study)[0].outcome, Failure)


def test_elements_of_an_array_that_fail_one_by_one_leave_the_others_alone(tmp_path: Path) -> None:
    failing = [1, 3, 4]
    how = {**SLURM, "workers": 8, "attempts": 2, "max_failures": 9}
    study = write(tmp_path, how, trials=5, seconds=0.5, failing=failing, how="exit")
    said = optimize(study)
    assert said.count("failed, trying again") == 3
    found = records(study)
    assert [each.trial.id for each in found if isinstance(each.outcome, Failure)] == failing
    assert sum(isinstance(each.outcome, Result) for each in found) == 5
    first = {job_of(study, trial).partition("_")[0] for trial in range(5)}
    assert len(first) == 1, "the design was no array"
    nothing_ran_twice(study)


def test_memory_grows_where_it_ran_out(tmp_path: Path) -> None:
    how = {**SLURM, "attempts": 2, "max_failures": 1, "memory": "100M", "memory_factor": 2}
    study = write(tmp_path, how, seconds=0.1, failing=[0], how="hungry")
    assert "out of memory" in optimize(study, code=1)
    scripts = [(study / f"trials/0000/attempts/{number}/submit.sh").read_text() for number in (1, 2)]
    assert ["--mem=100M" in scripts[0], "--mem=200M" in scripts[1]] == [True, True]


def test_jobs_that_slurm_forgot_meanwhile_are_not_waited_for(tmp_path: Path) -> None:
    """The driver was away for longer than the controller remembers; the file of completed jobs still knows."""
    with pytest.MonkeyPatch.context() as patch:
        (tmp_path / "slurm").mkdir()
        own = Cluster(tmp_path / "slurm", min_job_age=2)
        patch.setenv("SLURM_CONF", own.environment["SLURM_CONF"])
        own.start()
        try:
            how = {**SLURM, "workers": 2, "max_failures": 9, "array": False}  # that file has no elements of arrays
            study = write(tmp_path / "study", how, trials=2, seconds=20.0)
            driver = start(study)
            for trial in (0, 1):
                until_begun(study, trial)
            driver.kill()
            driver.communicate()
            kill_attempt(study, trial=1)
            own.until(lambda: own.ask("squeue", "-h", "-t", "all").strip() == "", "Slurm remembers", patience=120.0)
            optimize(study)
            first, second, *_ = records(study)
            assert isinstance(first.outcome, Result)
            assert isinstance(second.outcome, Failure)
            assert "signal 9" in second.outcome.message
        finally:
            own.stop()


def fill(file: Path) -> None:
    """Write a file until its file system is full."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as filling:
        while True:
            filling.write(b"0" * 512)


def kill_attempt(study: Path, trial: int) -> None:
    """Kill the process that trains."""
    lines = map(json.loads, (study / "trials" / "runs.log").read_text().splitlines())
    (pid,) = (line[4] for line in lines if line[0] == "began" and line[1] == trial)
    os.kill(pid, signal.SIGKILL)


def test_a_full_spool_costs_an_attempt_that_had_not_begun(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(spool)], check=False).returncode:
        pytest.skip("no file system of a few kilobytes can be mounted here")
    try:
        with pytest.MonkeyPatch.context() as patch:
            (tmp_path / "slurm").mkdir()
            own = Cluster(tmp_path / "slurm", spool=spool)
            patch.setenv("SLURM_CONF", own.environment["SLURM_CONF"])
            own.start()
            try:
                fill(spool / "filling")
                study = write(tmp_path / "study", {**SLURM, "max_failures": 1}, seconds=0.1)
                driver = start(study)
                job_of(study, attempt=2)
                (spool / "filling").unlink()
                own.ask("scontrol", "update", f"NodeName={own.host}", "State=RESUME")
                assert "was lost, and is run again: the cluster could not start it on its node" in finish(driver)
                assert isinstance(records(study)[0].outcome, Result)
                assert runs(study) == [("began", 0, 2), ("ended", 0, 2)]
            finally:
                own.stop()
    finally:
        subprocess.run(["umount", "-l", str(spool)], check=False)
