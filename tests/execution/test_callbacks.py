"""Callbacks are told of trials whose outcome is durable, and none of them can lose one or end the run."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import pytest

import bomix
from bomix.contracts.callback import Callback
from bomix.errors import Fault, FaultsError
from bomix.study.watching import unready
from tests.execution.inline import Inline

pytestmark = pytest.mark.usefixtures("short_chains")


@dataclass(frozen=True)
class Bowl:
    fails: int = -1

    def evaluate(self, trial: Any, workdir: Any) -> Any:
        if trial.id == self.fails:
            raise ValueError("no luck")
        return bomix.Result({"loss": 2.0 + trial.weights["code"]})


@dataclass(frozen=True)
class Recording:
    """Remembers everything that it is told."""

    heard: list[Any] = field(default_factory=list, compare=False)

    def began(self, study: Any, pending: Any) -> None:
        self.heard.append(("began", [trial.id for trial in pending]))

    def started(self, trial: Any) -> None:
        self.heard.append(("started", trial.id))

    def ended(self, study: Any, record: Any) -> None:
        # What it is told of is in the record that others read.
        assert any(known.trial.id == record.trial.id and known.outcome for known in study.history.records)
        self.heard.append(("ended", record.trial.id, str(record.status)))

    def stopped(self, reason: str) -> None:
        self.heard.append(("stopped", reason))

    def closed(self) -> None:
        self.heard.append(("closed",))


@dataclass(frozen=True)
class Raising:
    """Raises in every call, or in one."""

    only: str = ""

    def began(self, study: Any, pending: Any) -> None:
        self._raise("began")

    def ended(self, study: Any, record: Any) -> None:
        self._raise("ended")

    def closed(self) -> None:
        self._raise("closed")

    def _raise(self, place: str) -> None:
        if self.only in ("", place):
            raise OSError(f"no network in {place}")


@dataclass(frozen=True)
class Lacking:
    def unready(self) -> list[Fault]:
        return [Fault("", "the package 'sink' is not installed")]

    def ended(self, study: Any, record: Any) -> None:
        raise AssertionError("nothing runs")


def study(**options: Any) -> bomix.Study:
    """A study that trains in this process, two trials of a Sobol sequence."""
    given: dict[str, Any] = {"evaluator": Bowl(), "strategy": "sobol", "budget": {"trials": 2}, **options}
    return bomix.Study(["code", "web"], ["loss"], execution=Inline(), **given)


def test_a_callback_hears_of_a_run_in_order() -> None:
    heard = Recording()
    assert isinstance(heard, Callback)
    assert unready([heard]) == []
    study().run(callbacks=[heard])
    said = [event[:2] for event in heard.heard]
    assert said == [
        ("began", []),
        *[("started", 0), ("ended", 0), ("started", 1), ("ended", 1)],
        ("closed",),
    ]


def test_a_failure_is_told_as_one() -> None:
    heard = Recording()
    study(evaluator=Bowl(fails=0)).run(callbacks=[heard])
    assert ("ended", 0, "failed") in heard.heard


def test_a_function_is_called_with_study_and_record() -> None:
    found: list[float] = []
    study().run(callbacks=[lambda study, record: found.append(study.problem.value(record.result.losses))])
    assert len(found) == 2


@pytest.mark.parametrize("only", ["", "began", "ended", "closed"])
def test_one_that_raises_loses_no_trial_and_is_named_once(only: str, caplog: pytest.LogCaptureFixture) -> None:
    heard, run = Recording(), study()
    with caplog.at_level(logging.WARNING, logger="bomix"):
        run.run(callbacks=[Raising(only), heard])
    assert len(run.history.completed) == 2
    assert heard.heard[-1] == ("closed",), "others are told as ever"
    traced = [record for record in caplog.records if record.exc_info]
    assert len(traced) == 1
    assert "the callback Raising raised" in traced[0].message
    # What could not begin is told nothing more; the others of every trial, and how often they raised at the end.
    assert ("raised 2 times" in caplog.text) == (only == "ended")


def test_a_function_that_raises_is_named(caplog: pytest.LogCaptureFixture) -> None:
    def tells_nobody(study: Any, record: Any) -> None:
        raise OSError("no network")

    study().run(callbacks=[tells_nobody])
    assert "the callback tells_nobody raised; the record is whole" in caplog.text
    assert "the callback tells_nobody raised 2 times" in caplog.text


def test_an_interrupt_in_a_callback_ends_the_run_and_the_trial_is_recorded() -> None:
    def interrupt(study: Any, record: Any) -> None:
        raise KeyboardInterrupt

    run = study()
    with pytest.raises(KeyboardInterrupt):
        run.run(callbacks=[interrupt])
    assert len(run.history.completed) == 1


@pytest.mark.parametrize(
    ("callbacks", "said"),
    [
        (["wnadb"], "callbacks[0].kind: unknown callback kind 'wnadb'; did you mean 'wandb'?"),
        ([{"kind": "wandb", "projet": "a"}], "callbacks[0].projet: unknown key 'projet'; did you mean 'project'?"),
        ([3], "callbacks[0]: expected a callback, found 3"),
        ([Recording], "callbacks[0]: Recording is a class"),
        ("wandb", "callbacks: expected a list of callbacks, found 'wandb'"),
        ([Lacking()], "callbacks[0]: the package 'sink' is not installed"),
    ],
)
def test_what_is_no_callback_is_refused_before_anything_runs(callbacks: Any, said: str) -> None:
    run = study()
    with pytest.raises(FaultsError) as caught:
        run.run(callbacks=callbacks)
    assert said in str(caught.value)
    assert not run.history.records
