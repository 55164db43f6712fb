"""What a process does with an attempt; the process itself is tested with the executors."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest

from bomix import progress
from bomix.errors import EvaluationError
from bomix.execution.attempt import evaluate as module
from bomix.execution.attempt.evaluate import ERROR_FILE, NO_MEMORY, RAISED, RESULT_FILE, evaluate, log_to
from bomix.progress import Progress
from bomix.testing.executors import trial
from bomix.trial import Result


class Reporting:
    def evaluate(self, trial, workdir):
        progress.report(Progress(1, 2))
        return Result({"loss": trial.weights["web"]})


class Raising:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def evaluate(self, trial, workdir):
        raise self.error


def run(evaluator, folder: Path, reports: list[Progress] | None = None) -> int:
    told: list[Progress] = [] if reports is None else reports
    return evaluate(evaluator, [(trial(), folder)], reported=told.append, finished=lambda trial: None)


def test_what_is_no_result_is_named():
    assert module._checked(Result({"loss": 1.0})) == Result({"loss": 1.0})
    with pytest.raises(EvaluationError, match="returned float"):
        module._checked(2.5)


def test_a_result_is_in_the_folder_and_reports_are_told(tmp_path: Path) -> None:
    reports: list[Progress] = []
    assert run(Reporting(), tmp_path, reports) == 0
    assert json.loads((tmp_path / RESULT_FILE).read_text())["losses"] == {"loss": 0.75}
    assert [report.step for report in reports] == [1]
    assert [path.name for path in tmp_path.iterdir()] == [RESULT_FILE]


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyError("weights"), RAISED, "KeyError: 'weights'"),
        (SystemExit(0), RAISED, "SystemExit: 0"),
        (EvaluationError("no loss at step 3"), RAISED, "no loss at step 3"),
        (MemoryError(), NO_MEMORY, "out of memory: the training process was given no more"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), NO_MEMORY, "RuntimeError: CUDA out of memory. Tried"),
    ],
)
def test_an_error_is_in_the_folder_and_the_status_says_of_what_kind(
    error: BaseException, code: int, said: str, tmp_path: Path
) -> None:
    assert run(Raising(error), tmp_path) == code
    assert (tmp_path / ERROR_FILE).read_text().startswith(said)
    assert not (tmp_path / RESULT_FILE).exists()


def test_the_first_end_of_an_attempt_stays(tmp_path: Path) -> None:
    (tmp_path / RESULT_FILE).write_text("the first")
    assert run(Reporting(), tmp_path) == RAISED
    assert (tmp_path / RESULT_FILE).read_text() == "the first"


def test_what_is_printed_goes_to_the_log_of_the_first_and_the_others_link_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    monkeypatch.setattr(logging, "basicConfig", lambda **options: None)
    kept = [os.dup(1), os.dup(2)]
    try:
        log_to(folders)
        os.write(1, b"said\n")
        os.write(2, b"complained\n")
    finally:
        for descriptor, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, descriptor)
            os.close(copy)
    assert (folders[1] / "log.txt").is_symlink()
    assert (folders[1] / "log.txt").read_text() == "said\ncomplained\n"
