"""Evaluators of groups whose results depend on who shares the group, or get lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bomix.progress import Progress, report
from bomix.testing import GroupEvaluatorBattery
from bomix.trial import Result


@dataclass(frozen=True)
class Alone:
    """Trains each trial by itself."""

    how: str = ""
    may_change: ClassVar[tuple[str, ...]] = ()

    def evaluate(self, trial, workdir):
        return Result({"loss": trial.weights["web"]})

    def evaluate_together(self, attempts):
        for trial, workdir in attempts:
            yield trial, self.evaluate(trial, workdir)


@dataclass(frozen=True)
class Wrong(Alone):
    def groups(self, trials, slots):
        match self.how:
            case "greedy":
                return [list(trials)]
            case "losing":
                return [[trial] for trial in trials[:2]]
            case "shuffled":
                return [[trial] for trial in trials[::-1]]
        return [[trial] for trial in trials]

    def evaluate_together(self, attempts):
        losses = [trial.weights["web"] for trial, _ in attempts]
        for step in (2, 1) if self.how == "backwards" else (1, 2):
            report(Progress(step, 3))
        for (trial, _), loss in zip(attempts, losses, strict=True):
            found = {"loss": loss}
            match self.how:
                case "averaging":
                    found = {"loss": sum(losses) / len(losses)}
                case "counting":
                    found = {"loss": loss + (len(losses) - 4)}
                case "nameless":
                    found = {"other": loss}
            yield trial, Result(found)
        if self.how == "twice":
            yield attempts[0][0], Result({"loss": losses[0]})


class TestGroupsAreMissing(GroupEvaluatorBattery):
    spec = Alone()
    metrics = ("loss",)
    caught_by = ("test_it_is_a_group_evaluator",)


class TestGreedy(GroupEvaluatorBattery):
    """It leaves slots free."""

    spec = Wrong("greedy")
    metrics = ("loss",)
    caught_by = ("test_its_groups_hold_every_trial_once_and_fill_the_slots",)


class TestLosing(GroupEvaluatorBattery):
    spec = Wrong("losing")
    metrics = ("loss",)
    caught_by = ("test_its_groups_hold_every_trial_once_and_fill_the_slots",)


class TestShuffled(GroupEvaluatorBattery):
    spec = Wrong("shuffled")
    metrics = ("loss",)
    caught_by = ("test_its_groups_hold_every_trial_once_and_fill_the_slots",)


class TestAveraging(GroupEvaluatorBattery):
    spec = Wrong("averaging")
    metrics = ("loss",)
    caught_by = ("test_each_has_the_losses_that_it_has_alone",)


class TestCounting(GroupEvaluatorBattery):
    """A loss depends on how many share the group."""

    spec = Wrong("counting")
    metrics = ("loss",)
    caught_by = ("test_which_others_share_the_group_changes_nothing",)


class TestNameless(GroupEvaluatorBattery):
    spec = Wrong("nameless")
    metrics = ("loss",)
    caught_by = ("test_each_of_a_group_can_be_recorded",)


class TestTwice(GroupEvaluatorBattery):
    spec = Wrong("twice")
    metrics = ("loss",)
    caught_by = ("test_which_others_share_the_group_changes_nothing", "test_progress_of_a_group_is_told_in_order")


class TestBackwards(GroupEvaluatorBattery):
    spec = Wrong("backwards")
    metrics = ("loss",)
    caught_by = ("test_progress_of_a_group_is_told_in_order",)
