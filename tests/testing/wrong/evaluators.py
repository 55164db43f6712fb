"""Evaluators whose results a study could not keep."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bomix.contracts.preparation import Preparation
from bomix.problem import Metric
from bomix.progress import Progress, report
from bomix.testing import EvaluatorBattery
from bomix.trial import Result

CALLS = []


@dataclass(frozen=True)
class Wrong:
    how: str = ""
    may_change: ClassVar[tuple[str, ...]] = ()

    def prepare(self, domains):
        names = ("loss", "loss") if self.how == "twice" else ("loss",)
        return Preparation(metrics=tuple(map(Metric, names)))

    def evaluate(self, trial, workdir):
        weight = trial.weights["web"] if self.how != "lenient" else trial.weights.get("web", 0.0)
        artifacts = {}
        match self.how:
            case "nameless":
                return Result({"other": 1.0})
            case "infinite":
                return Result({"loss": float("inf")})
            case "absolute":
                (workdir / "note.txt").write_text("kept")
                artifacts = {"note": str(workdir / "note.txt")}
            case "littering":
                Path("note.txt").write_text("here")
            case "random":
                CALLS.append(trial)
                weight = weight + len(CALLS)
            case "dividing":
                weight = 1.0 / weight
            case "backwards":
                report(Progress(2, 3))
                report(Progress(1, 3))
        return Result({"loss": weight}, artifacts=artifacts)


@dataclass(frozen=True)
class Locked(Wrong):
    def __post_init__(self):
        object.__setattr__(self, "lock", threading.Lock())


@dataclass(frozen=True)
class Misspelt(Wrong):
    may_change: ClassVar[tuple[str, ...]] = ("hwo",)


class TestTwice(EvaluatorBattery):
    spec = Wrong("twice")
    caught_by = ("test_its_preparation_names_the_metrics",)


class TestAnotherMetric(EvaluatorBattery):
    spec = Wrong("nameless")
    caught_by = ("test_a_result_can_be_recorded",)


class TestInfinite(EvaluatorBattery):
    spec = Wrong("infinite")
    caught_by = ("test_a_result_can_be_recorded",)


class TestAbsoluteArtifacts(EvaluatorBattery):
    spec = Wrong("absolute")
    caught_by = ("test_artifacts_lie_in_the_folder_of_the_attempt",)


class TestWritesWhereTheUserStands(EvaluatorBattery):
    spec = Wrong("littering")
    caught_by = ("test_it_writes_into_the_folder_of_the_attempt_alone",)


class TestCannotTravel(EvaluatorBattery):
    spec = Locked()
    caught_by = ("test_a_pickled_copy_measures_the_same",)


class TestRandom(EvaluatorBattery):
    spec = Wrong("random")
    caught_by = ("test_the_same_weights_and_seed_give_the_same_losses",)


class TestNoZeros(EvaluatorBattery):
    spec = Wrong("dividing")
    caught_by = ("test_every_domain_alone_can_be_trained",)


class TestLenient(EvaluatorBattery):
    spec = Wrong("lenient")
    caught_by = ("test_a_mixture_of_other_domains_is_an_error_that_names_one",)


class TestBackwards(EvaluatorBattery):
    spec = Wrong("backwards")
    caught_by = ("test_progress_is_told_in_order",)


class TestMisspelt(EvaluatorBattery):
    spec = Misspelt()
    caught_by = ("test_what_it_declares_has_its_form",)
