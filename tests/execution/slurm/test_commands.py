"""What the four commands say, and what is made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.errors import EvaluationError
from bomix.execution.slurm import commands
from bomix.execution.slurm.commands import FullError, UnreachableError
from bomix.execution.slurm.states import Seen
from tests.execution.slurm.fake import FakeSlurm


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (found := tmp_path / "submit.sh").write_text("#SBATCH --job-name=bomix-x\n#SBATCH --array=0-1\n")
    return found


def test_jobs_of_the_queue_have_their_state_and_status(slurm: FakeSlurm, script: Path) -> None:
    assert commands.submit(script) == "1"
    slurm.set("1_1", "FAILED", status=9, restarts=2, reason="a reason of several words")
    assert commands.queue() == [
        Seen("1_0", "bomix-x", "PENDING", 0, 0, "Priority"),
        Seen("1_1", "bomix-x", "FAILED", 9, 2, "a reason of several words"),
    ]
    assert commands.queue()[1].code == -9


def test_what_was_forgotten_is_found_in_the_file_of_completed_jobs(slurm: FakeSlurm, script: Path) -> None:
    commands.submit(script)
    slurm.forget("1_0", "CANCELLED by 0|0:0")
    slurm.forget("1_1", "FAILED|137:0")
    found = commands.ended(["1_0", "1_1", "5"])
    assert {job: (seen.state, seen.code) for job, seen in found.items()} == {
        "1_0": ("CANCELLED", 0),
        "1_1": ("FAILED", 137),
    }


@pytest.mark.parametrize(
    ("why", "error"),
    [
        ("Unable to contact slurm controller (connect failure)", UnreachableError),
        ("Batch job submission failed: Socket timed out on send/recv operation", UnreachableError),
        ("Slurm temporarily unable to accept job", UnreachableError),
        ("Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)", FullError),
        ("invalid partition specified: gpus", EvaluationError),
    ],
)
def test_what_passes_is_told_from_what_does_not(
    slurm: FakeSlurm, script: Path, why: str, error: type[Exception]
) -> None:
    slurm.down("sbatch", why=why)
    with pytest.raises(error, match=why[:20].replace("(", r"\(")):
        commands.submit(script)


def test_a_machine_without_slurm_says_so(monkeypatch: pytest.MonkeyPatch, slurm: FakeSlurm) -> None:
    slurm.down("squeue", why="fatal: Could not establish a configuration source")
    with pytest.raises(EvaluationError, match="SLURM_CONF"):
        commands.queue()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EvaluationError, match=r"no command 'squeue' here; .* login node"):
        commands.queue()


def test_cancelling_what_has_ended_is_no_error(slurm: FakeSlurm, script: Path) -> None:
    commands.submit(script)
    commands.cancel(["1_0", "99"])
    assert slurm.jobs == {"1_0": "CANCELLED", "1_1": "PENDING"}
    slurm.down("scancel", why="Kill job error on job id 1: Invalid job id specified")
    commands.cancel(["1_0"])
    slurm.down("scancel", why="Access/permission denied")
    with pytest.raises(EvaluationError, match="permission"):
        commands.cancel(["1_0"])


def test_a_job_of_another_cluster_is_refused_and_cancelled(
    monkeypatch: pytest.MonkeyPatch, slurm: FakeSlurm, script: Path
) -> None:
    (slurm.folder / "sbatch").write_text('#!/bin/sh\necho "17;${SBATCH_CLUSTERS:-other}"\n')
    monkeypatch.setenv("SBATCH_CLUSTERS", "elsewhere")  # no call knows of it
    with pytest.raises(EvaluationError, match="job 17 to the cluster 'other'"):
        commands.submit(script)
    assert [words for _, words in slurm.calls("scancel")] == [["--clusters=other", "17"]]
