"""What is said where a run ends because its trials fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.config.budget import BudgetSpec
from bomix.errors import EvaluationError, StudyError
from bomix.execution.failures import too_many
from bomix.strategies.baselines.reweighted import DoReMi
from bomix.strategies.designs import Sobol
from bomix.study.running import RunningStudy
from bomix.study.study import Study
from bomix.trial import Failure, Record, Result
from tests.cli.called import called
from tests.execution.evaluators import Ending
from tests.execution.inline import Inline


def failing(path: Path | None, strategy: object, count: int) -> tuple[Study, list[Record]]:
    """A study of which so many trials were asked for, one after the other, and failed."""
    made = Study(["code", "web"], ["loss"], strategy=strategy, path=path)  # type: ignore[arg-type]
    return made, [made.tell(made.ask(), Failure("the loss is nan", "last words")) for _ in range(count)]


def test_the_last_failure_its_log_and_the_cure_are_named(tmp_path: Path) -> None:
    made, failed = failing(tmp_path, Sobol(anchors=False), 3)
    said = str(too_many(RunningStudy(made.records), failed, useless=False))
    assert said.startswith("3 trials failed, and execution.max_failures is 3; the last one, trial 2: the loss is nan")
    assert f"(log below {tmp_path / 'trials'})\nlast words\n" in said
    assert said.endswith("mend the cause and run the same command again")


def test_references_that_failed_are_named_with_what_has_them_asked_for_again(tmp_path: Path) -> None:
    made, failed = failing(tmp_path, Sobol(), 1)
    said = str(too_many(RunningStudy(made.records), failed, useless=False))
    assert said.endswith("again; trial 0 is a reference, and what failed counts as tried: `bomix restart` begins anew")
    made.tell(made.ask(), {"loss": 1.0})
    assert str(too_many(RunningStudy(made.records), failed, useless=True)).endswith(
        "`bomix withdraw` has it asked for anew"
    )


def test_a_start_that_diverged_and_was_mended_begins_anew_as_the_message_says(tmp_path: Path) -> None:
    made, _ = failing(tmp_path, DoReMi(), 3)
    with pytest.raises(StudyError, match=r"\(trials 0, 1, 2\).*begin anew \(`bomix restart`\)"):
        made.ask()
    assert called("restart", tmp_path)[0] == 0
    again = Study(["code", "web"], ["loss"], strategy=DoReMi(), path=tmp_path)
    assert (again.ask().origin, again.history.failed) == ("reference", ())


def test_a_run_that_keeps_failing_behind_its_reference_is_asked_for_again_once_one_is_withdrawn(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    made = Study(["code", "web"], ["loss"], strategy=DoReMi(), path=tmp_path / "study")
    made.tell(made.ask(), Result({"loss": 2.0}, artifacts={"model": str(tmp_path / "model")}))
    for _ in range(3):
        made.tell(made.ask(), Failure("the loss is nan"))
    with pytest.raises(StudyError, match=r"\(trials 1, 2, 3\).*withdraw one of them \(`bomix withdraw`\)"):
        made.ask()
    made.withdraw(1, why="the rate was too high")
    assert made.ask().origin == "reweighting"


def test_a_driver_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOMIX_SLOT", "0")
    options = {"strategy": Sobol(), "budget": BudgetSpec(4), "execution": Inline(max_failures=1)}
    study = Study(["code", "web"], evaluator=Ending("error"), path=tmp_path, **options)  # type: ignore[arg-type]
    with pytest.raises(EvaluationError, match=r"(?s)1 trial failed, .*`bomix restart` begins anew"):
        study.run()
