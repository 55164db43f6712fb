"""An evaluator travels as values that anything can carry, and one that cannot travel says so."""

from __future__ import annotations

import base64
import json
import pickle
import sys
from pathlib import Path

import pytest

from bomix.contracts.executor import Attempt, Ended
from bomix.errors import EvaluationError
from bomix.evaluators.command import Command
from bomix.execution.attempt.parcel import Parcel
from bomix.execution.local.executor import LocalExecutor
from bomix.testing.executors import trial
from bomix.trial import Result
from tests.execution.evaluators import Ending


def test_a_parcel_goes_through_json_unchanged() -> None:
    parcel = Parcel.of(Command(("true",), metrics=("loss",), environment={"TOKEN": "a secret value"}))
    assert Parcel.from_data(json.loads(json.dumps(parcel.to_data()))) == parcel
    assert parcel.secrets == {"a secret value"}
    assert list(parcel.sys_path) == sys.path
    assert pickle.loads(base64.b64decode(parcel.evaluator)).argv == ("true",)


def test_what_a_parcel_shows_holds_no_secret() -> None:
    parcel = Parcel.of(Command(("true",), metrics=("loss",), environment={"TOKEN": "a secret value"}))
    assert "secret" not in repr(parcel)


def test_a_parcel_is_run_without_being_loaded_here(tmp_path: Path) -> None:
    """The process that forwards it may lack what the evaluator imports."""
    executor = LocalExecutor(Parcel.of(Ending("well")), workers=1)
    try:
        executor.submit(trial(), Attempt(1, tmp_path))
        ends: list[Ended] = []
        while not ends:
            ends = [event for event in executor.events(1.0) if isinstance(event, Ended)]
    finally:
        executor.close()
    assert isinstance(ends[0].outcome, Result)


def test_an_evaluator_that_cannot_be_pickled_says_what_to_do() -> None:
    class Local(Ending):
        """Nobody finds it by its name."""

    with pytest.raises(EvaluationError, match="define its class at the top of a module"):
        Parcel.of(Local("well"))
