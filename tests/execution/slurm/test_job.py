"""What a job runs, started as a node starts it."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from bomix.errors import EvaluationError
from bomix.execution.attempt import left_behind
from bomix.execution.attempt.evaluate import LOG_FILE
from bomix.execution.slurm import job_file
from bomix.execution.slurm.job import BROKEN, SECOND
from bomix.trial import Failure, Result
from tests.execution.slurm.fake import FakeSlurm
from tests.execution.slurm.studies import TRIALS, attempt, ends, started

ONE = TRIALS[0]


def test_it_trains_once_whoever_starts_it_again(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s")
    one, two = (attempt(tmp_path / "s", trial) for trial in TRIALS[:2])
    for each in (one, two):
        executor.submit(*each)
    executor.events(0.0)
    assert slurm.run("1_1") == 0
    assert slurm.run("1_1", SLURM_RESTART_COUNT="1") == SECOND
    (end,) = ends(executor.events(0.5))
    assert end.outcome == Result({"loss": 0.25}, cost=1.0)
    assert end.log_tail.startswith("evaluating trial 1")
    assert list(one[1].folder.glob("result.json")) == []


def test_an_error_of_the_trainer_is_told_with_the_end_of_its_log(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = started(tmp_path / "s", "error", workers=1)
    executor.submit(*attempt(tmp_path / "s", ONE))
    slurm.run("1")
    (end,) = ends(executor.events(0.5))
    assert isinstance(end.outcome, Failure)
    assert end.outcome.message == "the loss is not finite at step 2"
    assert "evaluating trial 0" in end.log_tail


def test_a_study_file_that_no_job_can_read_ends_the_run_and_is_forgotten_once_it_is_mended(
    slurm: FakeSlurm, tmp_path: Path
) -> None:
    executor = started(tmp_path / "s", workers=1)
    executor.submit(*(one := attempt(tmp_path / "s", ONE)))
    (tmp_path / "s/study.yaml").write_text("domains: {code: {}, web: {}}\nevaluator: {kind: 'nowhere:Gone'}\n")
    assert slurm.run("1") == BROKEN
    with pytest.raises(EvaluationError, match=r"cannot be loaded in a job of Slurm: [\s\S]*nowhere"):
        executor.events(0.5)
    assert started(tmp_path / "s").reattach([one]) == ()


def test_a_job_of_a_study_that_was_begun_anew_trains_nothing(slurm: FakeSlurm, tmp_path: Path) -> None:
    started(tmp_path / "s", workers=1).submit(*attempt(tmp_path / "s", ONE))
    (tmp_path / "s/trials").rename(tmp_path / "s/before")
    executor = started(tmp_path / "s", workers=1)
    executor.submit(*(new := attempt(tmp_path / "s", ONE)))
    assert slurm.run("1") == SECOND
    assert executor.events(0.0) == []
    assert not job_file.has_begun(new[1].folder)
    assert slurm.run("2") == 0
    assert [end.outcome for end in ends(executor.events(0.5))] == [Result({"loss": 0.25}, cost=1.0)]


@pytest.mark.parametrize("anew", [True, False])
def test_a_job_whose_study_is_begun_anew_while_it_trains_writes_nothing(
    slurm: FakeSlurm, tmp_path: Path, anew: bool
) -> None:
    module = "import dataclasses, time, pathlib, bomix\n@dataclasses.dataclass(frozen=True)\nclass Slow:\n"
    module += "    def evaluate(self, trial, workdir):\n"
    module += "        while not pathlib.Path(workdir.parents[3], 'go').exists(): time.sleep(0.02)\n"
    module += "        return bomix.Result({'loss': 9.0})\n"
    executor = started(tmp_path / "s", workers=1)
    executor.submit(*(old := attempt(tmp_path / "s", ONE)))
    (tmp_path / "s/slow.py").write_text(module)
    file = tmp_path / "s/study.yaml"
    text = file.read_text()
    file.write_text(text.replace("{kind: 'bomix.testing.endings:Ending', how: well}", "{kind: 'slow:Slow'}"))
    job = subprocess.Popen(["bash", str(old[1].folder / "submit.sh")], stderr=subprocess.DEVNULL)
    log = old[1].folder / "log.txt"
    while not log.exists():
        assert job.poll() is None
        time.sleep(0.02)
    file.write_text(text)
    (tmp_path / "s/trials").rename(tmp_path / "before")
    if anew:
        executor = started(tmp_path / "s", workers=1)
        executor.submit(*(new := attempt(tmp_path / "s", ONE)))
    (tmp_path / "s/go").touch()
    assert job.wait(60) == SECOND
    said = (tmp_path / "before/0000/attempts/1/log.txt").read_text()
    assert "nothing is recorded" in said
    assert "Traceback" not in said
    if anew:
        assert executor.events(0.0) == []
        assert sorted(path.name for path in new[1].folder.iterdir()) == ["job.json", "submit.sh"]
    else:
        assert not (tmp_path / "s/trials").exists()


def test_a_job_whose_folder_is_gone_says_so(slurm: FakeSlurm, tmp_path: Path) -> None:
    started(tmp_path / "s", workers=1).submit(*attempt(tmp_path / "s", ONE))
    shutil.rmtree(tmp_path / "s")
    done = subprocess.run(["bash", str(slurm.folder / "1.sh")], capture_output=True, text=True)
    assert done.returncode == BROKEN
    assert done.stderr.startswith("bomix: there is no job.json in ")
    assert "Traceback" not in done.stderr


def test_a_log_without_end_is_cut_while_the_job_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_behind, "LOG_LIMIT", 1000)
    monkeypatch.setattr(left_behind, "LOG_KEPT", 100)
    monkeypatch.setattr(left_behind, "CUT_EVERY_S", 0.01)
    log = tmp_path / LOG_FILE
    with left_behind.cutting_log(tmp_path), log.open("a") as file:
        patience = time.monotonic() + 20.0
        while not log.read_text().startswith("[bomix cut this log"):
            file.write("a warning\n")
            file.flush()
            assert time.monotonic() < patience
    assert log.stat().st_size < 3000
