"""An evaluator per scale: which one trains, what is measured before, which trials are trained as one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bomix.contracts.evaluator import GroupEvaluator, ReweightingEvaluator, ScaledEvaluator
from bomix.contracts.preparation import DomainStats, Preparation
from bomix.errors import Fault, FaultsError
from bomix.evaluators.scaled import GroupScaled, scaled
from bomix.problem import Metric
from bomix.scale import Scale
from bomix.trial import Result, Reweighting, Trial

SMALL, LARGE = Scale(1, 10), Scale(2, 10)
HALF = {"a": 0.5, "b": 0.5}


@dataclasses.dataclass(frozen=True)
class Alone:
    """Measures a constant, and what it was told of its scale."""

    value: float
    metric: str = "loss"
    tokenizer: str = "one"
    wrong: str = ""
    preload: tuple[str, ...] = ("json",)
    told: str = ""

    def at_scale(self, name: str, scale: Scale) -> Alone:
        return dataclasses.replace(self, told=f"{name} of {scale.params}")

    def prepare(self, domains: Sequence[str]) -> Preparation:
        if self.wrong:
            raise FaultsError([Fault("evaluator.wrong", self.wrong)])
        stats = {name: DomainStats(int(self.value), 1, 4.0) for name in domains}
        provenance = {"tokenizer": self.tokenizer, "tokens": "same"}
        return Preparation((Metric(self.metric),), stats, SMALL, provenance, {"vocabulary": int(self.value)})

    def process_environment(self) -> dict[str, str]:
        return {"OF": str(self.value)}

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        return Result({self.metric: self.value}, info={"told": self.told})


@dataclasses.dataclass(frozen=True)
class Together(Alone):
    """The same, all trials at a time, as many as there are slots for."""

    def groups(self, trials: Sequence[Trial], slots: int) -> list[list[Trial]]:
        width = -(-len(trials) // slots)
        return [list(trials[first : first + width]) for first in range(0, len(trials), width)]

    def evaluate_together(self, attempts: Sequence[tuple[Trial, Path]]) -> Iterator[tuple[Trial, Result]]:
        for trial, _ in attempts:
            yield trial, Result({self.metric: self.value}, info={"width": len(attempts)})


def two(small: Any, large: Any, default: Scale = LARGE) -> Any:
    return scaled({"small": (SMALL, small), "large": (LARGE, large)}, default)


def trial(number: int, scale: Scale | None) -> Trial:
    return Trial(number, HALF, 0, "sobol", scale)


def test_a_trial_is_trained_by_the_evaluator_of_its_scale_and_others_by_the_usual_one() -> None:
    evaluator = two(Alone(1.0), Alone(2.0))
    found = {scale: evaluator.evaluate(trial(0, scale), Path()) for scale in (SMALL, LARGE, Scale(9, 9), None)}
    assert [result.losses["loss"] for result in found.values()] == [1.0, 2.0, 2.0, 2.0]
    assert found[SMALL].info["told"] == "small of 1"
    assert not isinstance(evaluator, GroupEvaluator)
    assert (evaluator.preload, evaluator.process_environment()) == (("json",), {"OF": "2.0"})


def test_what_was_measured_is_put_together_and_what_differs_is_told_by_scale() -> None:
    found = two(Alone(1.0, tokenizer="other"), Alone(2.0)).prepare(("a", "b"))
    assert found.provenance == {"small/tokenizer": "other", "large/tokenizer": "one", "tokens": "same"}
    assert (found.scale, found.domains["a"].tokens) == (LARGE, 2)
    assert found.info == {"vocabulary": 2, "scales": {"small": {"vocabulary": 1}, "large": {"vocabulary": 2}}}


def test_the_faults_of_all_scales_are_told_together_and_each_once() -> None:
    with pytest.raises(FaultsError) as caught:
        two(Alone(1.0, wrong="this"), Alone(2.0, wrong="that")).prepare(("a",))
    assert [fault.what for fault in caught.value.faults] == ["this", "that"]
    with pytest.raises(FaultsError) as caught:
        two(Alone(1.0, wrong="this"), Alone(2.0, wrong="this")).prepare(("a",))
    assert len(caught.value.faults) == 1
    with pytest.raises(FaultsError, match=r"scales\.small: it measures accuracy, and large loss"):
        two(Alone(1.0, "accuracy"), Alone(2.0)).prepare(("a",))


def test_trials_of_one_scale_are_trained_as_one_on_their_share_of_the_slots() -> None:
    evaluator = two(Together(1.0), Together(2.0))
    assert isinstance(evaluator, GroupScaled)
    assert isinstance(evaluator, GroupEvaluator)
    trials = [trial(number, SMALL if number % 4 else LARGE) for number in range(8)]
    groups = evaluator.groups(trials, 4)
    assert [[each.id for each in group] for group in groups] == [[0, 4], [1, 2], [3, 5], [6, 7]]
    found = list(evaluator.evaluate_together([(each, Path()) for each in groups[1]]))
    assert [(each.id, result.losses["loss"], result.info["width"]) for each, result in found] == [
        (1, 1.0, 2),
        (2, 1.0, 2),
    ]


def test_one_that_knows_no_groups_trains_its_trials_one_by_one() -> None:
    evaluator = two(Alone(1.0), Together(2.0))
    groups = evaluator.groups([trial(0, SMALL), trial(1, LARGE), trial(2, SMALL), trial(3, LARGE)], 2)
    assert [[each.id for each in group] for group in groups] == [[0], [1, 3], [2]]
    assert [result.losses["loss"] for _, result in evaluator.evaluate_together([(trial(0, SMALL), Path())])] == [1.0]


def test_it_trains_at_the_scales_of_its_parts_and_says_of_others_that_it_cannot() -> None:
    evaluator = two(Alone(1.0), Alone(2.0))
    assert isinstance(evaluator, ScaledEvaluator)
    assert evaluator.scale_faults(SMALL) == []
    assert (
        "is none of the scales that are trained (small: 1 params x 10 tokens"
        in evaluator.scale_faults(Scale(5, 5))[0].what
    )
    assert isinstance(evaluator, ReweightingEvaluator)
    assert "Alone cannot reweight" in evaluator.reweighting_faults(Reweighting({"kind": "odm"}))[0].what
