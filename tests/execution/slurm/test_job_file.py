"""What stands about a job in the folder of its attempt."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.errors import EvaluationError
from bomix.execution.slurm import job_file
from bomix.execution.slurm.job_file import JobFile
from bomix.io.store import records
from bomix.trial import Trial

TRIALS = [Trial(number, {"code": 0.25, "web": 0.75}, number, "sobol") for number in range(2)]


def made(tmp_path: Path) -> JobFile:
    folders = [tmp_path / str(trial.id) for trial in TRIALS]
    for folder in folders:
        folder.mkdir()
    attempts = tuple((records.trial_to_json(one), str(folder)) for one, folder in zip(TRIALS, folders, strict=True))
    return JobFile("name", "/study", attempts, "/out", ("/here",), {"A": "1"}, element=3, memory=100)


def test_every_attempt_of_a_group_leads_to_its_job(tmp_path: Path) -> None:
    job = made(tmp_path)
    job.write()
    assert [job_file.read(folder) for _, folder in job.trials()] == [job, job]
    assert [trial for trial, _ in job.trials()] == TRIALS
    assert job_file.read(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}', '{"schema": 1, "checksum": "0"}'])
def test_a_damaged_file_is_named_and_nothing_is_guessed(tmp_path: Path, text: str) -> None:
    (tmp_path / job_file.FILE).write_text(text)
    with pytest.raises(EvaluationError, match=r"job\.json cannot be read .*`squeue`"):
        job_file.read(tmp_path)


def test_a_name_says_which_study_trial_and_attempt(tmp_path: Path) -> None:
    (one := tmp_path / "a/my study").mkdir(parents=True)
    (other := tmp_path / "b/my study").mkdir(parents=True)
    name = job_file.name_of(one, 7, 2, "c4d0e8f1")
    assert name.startswith("bomix-my_study-")
    assert name.endswith("-0007-2-c4d0e8")
    assert job_file.name_of(other, 7, 2, "c4d0e8f1") != name
    assert len(job_file.name_of(tmp_path / ("x" * 200), 10**6, 10**3, "c4d0e8f1")) < 64


def test_an_attempt_is_begun_once(tmp_path: Path) -> None:
    assert not job_file.has_begun(tmp_path)
    assert job_file.begin(tmp_path, "job 7")
    assert not job_file.begin(tmp_path, "job 7, requeued")
    assert 'job 7"' in (tmp_path / job_file.BEGUN_FILE).read_text()


def test_the_status_is_known_once_the_process_has_said_that_it_is_over(tmp_path: Path) -> None:
    assert job_file.ended(tmp_path) is None
    job_file.end(tmp_path, 3)
    assert job_file.ended(tmp_path) == 3
    assert job_file.ended(tmp_path, "of another job") is None
    (tmp_path / job_file.ENDED_FILE).write_text("{}")
    assert job_file.ended(tmp_path) is None


def test_looking_anew_leaves_nothing_behind(tmp_path: Path) -> None:
    job_file.refresh(tmp_path)
    job_file.refresh(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []
