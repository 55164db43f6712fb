"""What a job runs, started as a node starts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.errors import EvaluationError
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
