"""What is told is recorded as it can be read again, or refused with all that is wrong; no trainer ends a driver."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bomix.config.budget import BudgetSpec
from bomix.errors import EvaluationError, FaultsError, StoreError, StudyError
from bomix.execution.local.spec import LocalExecution
from bomix.io.store import records
from bomix.strategies.designs import Sobol
from bomix.study.study import Study
from bomix.trial import LOG_TAIL_LIMIT, MESSAGE_LIMIT, Curve, Failure, Result, Trial


def make(path: Path | None = None, **arguments: Any) -> Study:
    return Study(["code", "web"], ["loss"], path=path, **{"strategy": Sobol(), **arguments})


@pytest.mark.parametrize("where", ["folder", "memory"])
def test_notes_on_a_run_come_back_as_json_holds_them(tmp_path: Path, where: str) -> None:
    study = make(tmp_path if where == "folder" else None)
    info = {9: 1, 10: 2, "device": Path("cuda"), "seconds": np.float32(1.5), "steps": np.arange(2)}
    study.tell(study.ask(), Result({"loss": 2.0}, info=info, artifacts={"weights": Path("model.pt")}))
    kept = (Study.open(tmp_path) if where == "folder" else study).history.records[0].result
    assert kept.info == {"9": 1, "10": 2, "device": "cuda", "seconds": 1.5, "steps": [0, 1]}
    assert all(isinstance(path, str) for path in kept.artifacts.values())


deep: dict[str, Any] = {}
for _ in range(5000):
    deep = {"a": deep}


@pytest.mark.parametrize(
    ("outcome", "where"),
    [
        (Result({"loss": 2.0}, info={"deep": deep}), "info"),
        (Result({"loss": 2.0}, info={1: "a", "1": "b"}), "info"),
        (Result({"loss": 2.0}, info=3), "info"),  # type: ignore[arg-type]
        (Result({"loss": 2.0}, artifacts={"model": 3}), "artifacts.'model'"),  # type: ignore[dict-item]
        (Result({"loss": 2.0}, artifacts={1: "model"}), "artifacts.1"),  # type: ignore[dict-item]
        (Result({"loss": 2.0}, artifacts=["model"]), "artifacts"),  # type: ignore[arg-type]
        (Result({"loss": 2.0}, curve=[1, 2]), "curve"),  # type: ignore[arg-type]
        (Result({"loss": 2.0}, curve=Curve(np.array([2.0, 1.0]), {"loss": np.ones(2)})), "curve"),
        (Result({"loss": 2.0}, unmeasured="loss"), "losses.loss"),  # type: ignore[arg-type]
        (Result({"loss": 2.0}, unmeasured=3), "losses.3"),  # type: ignore[arg-type]
        (Result({"loss": True}), "losses.loss"),
        (Result({"loss": np.complex128(2.0)}), "losses.loss"),  # type: ignore[dict-item]
        (Result({"loss": 10**5000}), "losses.loss"),
        (Result({"loss": 2.0}, cost=np.True_), "cost"),  # type: ignore[arg-type]
        (Failure(b"bytes"), "message"),  # type: ignore[arg-type]
        (Failure("no", log_tail=None), "log_tail"),  # type: ignore[arg-type]
        (Failure("no", attempts=True), "attempts"),
        (Failure("no", attempts=0), "attempts"),
    ],
)
@pytest.mark.parametrize("place", ["folder", "memory"])
def test_an_outcome_that_could_not_be_read_again_is_refused(
    tmp_path: Path, outcome: Result | Failure, where: str, place: str
) -> None:
    study = make(tmp_path if place == "folder" else None)
    trial = study.ask()
    with pytest.raises(FaultsError) as caught:
        study.tell(trial, outcome)
    assert where in {fault.where for fault in caught.value.faults}
    assert len(str(caught.value)) < 1000
    study.tell(trial, {"loss": 2.0})
    assert [record.result.losses for record in study.history.completed] == [{"loss": 2.0}]


def test_what_would_not_be_read_again_is_not_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make(tmp_path)
    trial = study.ask()
    whole = records.sealed
    monkeypatch.setattr(records, "sealed", lambda body: whole(body)[:-9])
    with pytest.raises(StoreError, match="not an outcome"):
        study.tell(trial, {"loss": 2.0})
    assert not (tmp_path / "trials/0000/outcome.json").exists()


@pytest.mark.parametrize("where", ["folder", "memory"])
def test_a_trial_of_another_study_is_refused(tmp_path: Path, where: str) -> None:
    study, other = make(tmp_path if where == "folder" else None), make(seed=1)
    for each in (study, other):
        each.ask(), each.ask()
    theirs = other.history.records[1].trial
    with pytest.raises(StudyError, match="trial 1 of this study is another one"):
        study.tell(theirs, {"loss": 2.0})
    mine = study.history.records[1].trial
    rounded = {name: float(f"{weight:.12g}") for name, weight in mine.weights.items()}
    assert study.tell(dataclasses.replace(mine, weights=rounded), {"loss": 2.0}).status == "completed"


@pytest.mark.parametrize("number", [np.int64(0), np.uint8(0), 0])
def test_whole_numbers_of_any_library_name_a_trial(number: Any) -> None:
    study = make()
    study.ask()
    assert study.tell(number, {"loss": 2.0}).trial.id == 0


@pytest.mark.parametrize("wrong", [False, 0.0, "0", None, np.float64(0.0), np.True_])
def test_what_names_no_trial_is_refused(wrong: Any) -> None:
    study = make()
    study.ask()
    with pytest.raises(StudyError, match="expected a trial or its number"):
        study.tell(wrong, {"loss": 2.0})


@dataclasses.dataclass(frozen=True)
class Returning:
    """An evaluator that returns something that no study can use, by name."""

    what: str

    def evaluate(self, trial: Trial, workdir: Path) -> Any:
        return {
            "artifact": Result({"loss": 2.0}, artifacts={"model": 3}),  # type: ignore[dict-item]
            "info": Result({"loss": 2.0}, info={"a": object()}),
            "deep": Result({"loss": 2.0}, info={"deep": deep}),
            "curve": Result({"loss": 2.0}, curve=3),  # type: ignore[arg-type]
            "losses": Result(3),  # type: ignore[arg-type]
            "none": None,
            "mapping": {"loss": 2.0},
            "number": Result({"loss": object()}),  # type: ignore[dict-item]
            "overwritten": Overwriting(workdir).result(),
        }[self.what]


@dataclasses.dataclass(frozen=True)
class Overwriting:
    """Leaves a process behind that overwrites what bomix writes in the attempt's folder."""

    workdir: Path

    def result(self) -> Result:
        (self.workdir / "result.json").mkdir(exist_ok=True)
        return Result({"loss": 2.0})


@pytest.mark.parametrize(
    "what", ["artifact", "info", "deep", "curve", "losses", "none", "mapping", "number", "overwritten"]
)
def test_whatever_a_trainer_returns_is_an_outcome_or_a_recorded_failure(
    tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    budget, execution = BudgetSpec(trials=1), LocalExecution(max_failures=1)
    study = make(tmp_path, evaluator=Returning(what), budget=budget, execution=execution)
    with pytest.raises(EvaluationError, match="1 trial failed"):
        study.run()
    (record,) = Study(["code", "web"], ["loss"], path=tmp_path, evaluator=Returning(what)).history.records
    assert isinstance(record.outcome, Failure)
    assert record.outcome.message
    assert "Traceback" not in record.outcome.message


def test_words_that_no_file_can_hold_are_spelt_out_and_the_study_goes_on(tmp_path: Path) -> None:
    study = Study(["a", "b"], ["loss"], path=tmp_path)
    for _ in range(3):
        study.ask()
    study.tell(0, {"loss": 1.0})
    assert study.tell(1, Failure("\udcff" + "x" * 20_000, "\udcff" * 20_000)).outcome.message.startswith("\\udcffxxx")
    assert study.withdraw(0, why="\udcff").withdrawn == "\\udcff"
    study.tell(2, {"loss": 1.0})
    again = Study.open(tmp_path)
    failure = again.history.failed[0].outcome
    assert isinstance(failure, Failure)
    assert (len(failure.message), len(failure.log_tail)) == (MESSAGE_LIMIT, LOG_TAIL_LIMIT)
    assert again.dataset.withdrawn.values.tolist() == ["\\udcff", "", ""]
