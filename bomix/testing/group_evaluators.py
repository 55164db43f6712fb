"""What an evaluator owes to the driver where it trains several trials as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bomix.contracts.evaluator import GroupEvaluator
from bomix.contracts.preparation import Preparation
from bomix.io.store.incoming import accepted
from bomix.progress import Progress, reporting_to
from bomix.testing.evaluators import SEED, EvaluatorBattery
from bomix.trial import Result, Trial

Ready = tuple[Any, Preparation | None]


class GroupEvaluatorBattery(EvaluatorBattery):
    """Tests of an evaluator that can train several trials as one, :class:`bomix.contracts.evaluator.GroupEvaluator`.

    They are all of :class:`bomix.testing.EvaluatorBattery`, and those of groups. Three lines test one of your own::

        class TestMine(GroupEvaluatorBattery):
            spec = MyEvaluator()

    What is tested beside what that one names, and why:

    * Its groups hold every trial once, in order, and take as many slots as are free: none is lost, none idles.
    * They are the same when asked for again, and asking trains nothing: the driver asks at every step.
    * Each trial is yielded once, with a result that can be recorded, its artifacts in the folder of its own attempt.
    * A trial has the losses that it has alone, and whichever others share its group: groups change from run to run.
    * Progress of a group is told in order.

    Attributes:
        together: Largest difference between a loss alone and in a group, relative where losses are above one: rounding.
    """

    together: ClassVar[float] = 1e-5

    def trials(self) -> list[Trial]:
        """A few trials that can be trained as one: all domains alike, and each domain foremost."""
        count, largest = len(self.domains), 0.7
        rest = (1.0 - largest) / (count - 1)
        mixtures = [{name: largest if name == first else rest for name in self.domains} for first in self.domains[:3]]
        even = dict.fromkeys(self.domains, 1.0 / count)
        return [Trial(number, weights, SEED + number, "sobol") for number, weights in enumerate([even, *mixtures])]

    def evaluated_together(self, evaluator: Any, trials: Sequence[Trial], folder: Path) -> dict[int, Result]:
        """Trial to result, of trials that are trained as one, each in a folder below ``folder``."""
        attempts = []
        for each in trials:
            (workdir := folder / str(each.id)).mkdir(parents=True)
            attempts.append((each, workdir))
        found: dict[int, Result] = {}
        for each, outcome in evaluator.evaluate_together(attempts):
            assert each in trials, "it yields what it was not given"
            assert each.id not in found, f"it yields trial {each.id} twice"
            assert isinstance(outcome, Result), f"trial {each.id}: {outcome}"
            found[each.id] = outcome
        assert sorted(found) == sorted(each.id for each in trials), "it leaves trials out"
        return found

    @pytest.fixture
    def grouped(self, ready: Ready, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[int, Result], Path]:
        """The results of all trials in one group, and the folder above those of their attempts; made once."""

        def evaluated() -> tuple[dict[int, Result], Path]:
            folder = tmp_path_factory.mktemp("group")
            return self.evaluated_together(ready[0], self.trials(), folder), folder

        return self.once("grouped", evaluated)

    def test_it_is_a_group_evaluator(self, ready: Ready) -> None:
        """With one of the two methods alone, each trial would be trained by itself."""
        assert isinstance(ready[0], GroupEvaluator)

    @pytest.mark.parametrize("slots", [1, 2, 8])
    def test_its_groups_hold_every_trial_once_and_fill_the_slots(self, ready: Ready, slots: int) -> None:
        """In order; no slot is free that a trial could have."""
        trials = self.trials()
        groups = ready[0].groups(trials, slots)
        assert [each for group in groups for each in group] == trials
        assert all(groups)
        assert len(groups) >= min(slots, len(trials))
        assert ready[0].groups(trials, slots) == groups
        assert ready[0].groups(trials[:1], slots) == [trials[:1]]

    def test_each_of_a_group_can_be_recorded(self, ready: Ready, grouped: tuple[dict[int, Result], Path]) -> None:
        """Every metric named, losses finite, artifacts in the folder of the attempt that they are of."""
        results, folder = grouped
        for number, result in results.items():
            accepted(result, self.names(ready[1]), self.domains, title="the result cannot be recorded")
            workdir = (folder / str(number)).resolve()
            for path in result.artifacts.values():
                assert not Path(path).is_absolute()
                assert (workdir / path).resolve().is_relative_to(workdir)
                assert (workdir / path).exists()

    def test_each_has_the_losses_that_it_has_alone(
        self, ready: Ready, grouped: tuple[dict[int, Result], Path], tmp_path: Path
    ) -> None:
        """A record does not depend on what could be started together."""
        if not self.same_again:
            pytest.skip("it does not promise the same losses again")
        for each in self.trials():
            (workdir := tmp_path / str(each.id)).mkdir()
            self._assert_same(ready[0].evaluate(each, workdir), grouped[0][each.id])

    def test_which_others_share_the_group_changes_nothing(
        self, ready: Ready, grouped: tuple[dict[int, Result], Path], tmp_path: Path
    ) -> None:
        """A group that was killed is trained again without those that came back, in whatever order."""
        if not self.same_again:
            pytest.skip("it does not promise the same losses again")
        others = self.trials()[:0:-1]
        for number, result in self.evaluated_together(ready[0], others, tmp_path).items():
            self._assert_same(result, grouped[0][number])

    def test_progress_of_a_group_is_told_in_order(self, ready: Ready, tmp_path: Path) -> None:
        """Of all, and of each: steps only grow, and reports name trials of the group."""
        seen: list[Progress] = []
        trials = self.trials()
        with reporting_to(seen.append):
            self.evaluated_together(ready[0], trials, tmp_path)
        for told in (None, *(each.id for each in trials)):
            steps = [progress.step for progress in seen if progress.trial == told]
            assert steps == sorted(steps)
        assert all(0 <= progress.step <= progress.steps for progress in seen)
        assert {progress.trial for progress in seen} <= {None, *(each.id for each in trials)}

    def _assert_same(self, one: Result, other: Result) -> None:
        assert set(one.losses) == set(other.losses)
        for name, loss in one.losses.items():
            assert other.losses[name] == pytest.approx(loss, rel=self.together, abs=self.together), name
