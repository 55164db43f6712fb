"""The example of a Slurm array of one's own, on a real Slurm: what it does with jobs, ``bomix tell`` bears."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from bomix.study.study import Study
from bomix.trial import Failure
from tests.engines.slurm_daemons import Cluster
from tests.test_examples import lines_of, prepared, shell

pytestmark = pytest.mark.engines

PATIENCE_S = 120.0
"""Seconds for eight jobs of a second each, on a machine that is busy with other things."""


def until_idle() -> None:
    """Wait until no job is pending or running."""
    patience = time.monotonic() + PATIENCE_S
    while subprocess.run(["squeue", "--noheader"], capture_output=True, text=True, check=True).stdout.strip():
        assert time.monotonic() < patience, "jobs go on for ever"
        time.sleep(0.5)


def test_the_readme_runs_and_what_was_cancelled_or_run_twice_does_no_harm(cluster: Cluster, tmp_path: Path) -> None:
    folder = prepared(tmp_path)
    lines = lines_of(folder)
    sbatch = next(line for line in lines if line.startswith("sbatch")).replace("sbatch", "sbatch --parsable", 1)
    assert shell(lines[1], folder).returncode == 0
    # One trial is cancelled before it begins, as an impatient colleague does; one whose trainer cannot read it fails.
    asked = (folder / "asked/6.json").read_text()
    (folder / "asked/6.json").write_text(asked.replace('"tokens"', '"tokenz"', 1))
    done = shell(sbatch.replace("0-7%4", "5") + " --hold && " + sbatch.replace("0-7%4", "0-4,6-7%4"), folder)
    assert done.returncode == 0, done.stderr
    held, array = done.stdout.split()
    subprocess.run(["scancel", held], check=True)
    told = shell("bomix tell . asked", folder)
    assert told.returncode == 0, told.stdout + told.stderr
    until_idle()
    # A job that had ended is requeued: it runs a second time and finds its result there.
    before = (folder / "asked/0.result.json").stat()  # all but when it was last read
    subprocess.run(["scontrol", "requeue", f"{array}_0"], check=True, capture_output=True)
    subprocess.run(["scontrol", "update", f"JobId={array}_0", "StartTime=now"], check=False, capture_output=True)
    (folder / "asked/6.json").write_text(asked)
    told = shell("bomix tell . asked", folder)
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.splitlines()[-1].endswith("1 still pending (5)")
    until_idle()
    after = (folder / "asked/0.result.json").stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_size) == (before.st_ino, before.st_mtime_ns, before.st_size)
    assert shell(sbatch.replace("0-7%4", "5"), folder).returncode == 0
    until_idle()
    told = shell("bomix tell . asked", folder)
    assert told.stdout.splitlines()[-1] == "1 told, 7 told before; none pending", told.stdout + told.stderr
    history = Study.open(folder).history
    assert [record.trial.id for record in history.failed] == [6]
    failure = history.failed[0].outcome
    assert isinstance(failure, Failure)
    assert failure.message == "KeyError: 'tokens'"
    assert len(history.completed) == 7
