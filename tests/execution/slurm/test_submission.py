"""From trials to jobs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bomix.execution.slurm import job_file, submission
from bomix.execution.slurm.resources import Resources
from bomix.execution.slurm.submission import Submission, places, recorded
from tests.execution.slurm.studies import TRIALS, attempt


def test_a_long_design_is_several_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "_LONGEST_ARRAY", 3)
    waiting = Submission(Resources(), tmp_path, (), {})
    for trial in TRIALS:
        waiting.add([attempt(tmp_path, trial)])
    assert [[job.file.element for job in jobs] for jobs in waiting.arrays()] == [[0, 1, 2], [None]]
    assert len({jobs[0].file.name for jobs in waiting.arrays()}) == 2
    assert not list(tmp_path.rglob(job_file.FILE)), "nothing is written for a look"
    assert len(waiting.jobs()) == 4
    assert len(waiting) == 0
    assert len(list(tmp_path.rglob(job_file.FILE))) == 4
    assert len(list(tmp_path.rglob("submit.sh"))) == 2


def test_only_jobs_of_the_latest_attempts_are_recorded(tmp_path: Path) -> None:
    waiting = Submission(Resources(), tmp_path, (), {})
    group = [attempt(tmp_path, trial) for trial in TRIALS[:3]]
    waiting.add(group)
    waiting.jobs()
    again = attempt(tmp_path, TRIALS[1], 2)
    (job,) = recorded([group[0], again, group[2]])
    assert job.left == [0, 2]
    assert job.grouped


def test_folders_of_the_installation_are_left_to_the_job() -> None:
    assert not [place for place in places() if place.startswith(sys.prefix)]
