"""What an executor owes to the loop where several trials are trained as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from bomix.contracts.executor import Attempt, Ended, Executor, GroupExecutor
from bomix.testing.endings import ENDS_ITS_PROCESS, PID, GroupEnding, Way, lives, this_process
from bomix.testing.executors import ExecutorBattery, trial
from bomix.trial import Failure, Result

TRIALS = [trial(number, weight=0.1 * (number + 1)) for number in range(4)]
THIRD = 2
"""The trial of a group that ends as a test says, two before it and one after it end well."""


class GroupExecutorBattery(ExecutorBattery):
    """Tests of an executor that can have several trials trained as one: all of its battery, and those of groups.

    Three lines test one of your own::

        class TestMine(GroupExecutorBattery):
            spec = MyExecution()

    What is tested beside what :class:`bomix.testing.ExecutorBattery` names, and why:

    * A group takes one slot, and each of its trials comes back with what it would have alone.
    * A trial that fails by itself is told as any failure, and the others come back.
    * Where a group dies, what had come back is kept, and the others are told as having ended by it.
    * A trial is told of as soon as it is finished, while others of its group go on.
    * Cancelled together, a group ends; one that is cancelled leaves the others alone.
    * Closed, no process of a group is left.
    """

    @contextmanager
    def group_executor(self, how: Way = "well", trials: Sequence[int] = (THIRD,)) -> Iterator[GroupExecutor]:
        """An executor of groups some of whose trials end in some way, closed at the end."""
        if how in ENDS_ITS_PROCESS:
            self._skip_in_the_driver(f"a group that ends by '{how}' would take the driver with it")
        evaluator = GroupEnding(how, this_process(), trials=tuple(trials))
        executor: Executor = self.sized(2).start(evaluator, folder=None)
        try:
            assert isinstance(executor, GroupExecutor), "it has no `submit_together`: give it to ExecutorBattery"
            yield executor
        finally:
            executor.close()

    def submit_all(self, executor: GroupExecutor, folder: Path) -> None:
        """Start a group of four, each with an empty folder."""
        for each in TRIALS:
            (folder / str(each.id)).mkdir()
        executor.submit_together([(each, Attempt(1, folder / str(each.id))) for each in TRIALS])

    def test_a_group_takes_a_slot_and_each_comes_back_as_it_would_alone(self, tmp_path: Path) -> None:
        """Its own loss, its own end; reports of all reach each, and a report of one that one alone."""
        with self.group_executor() as executor:
            slots = executor.free
            self.submit_all(executor, tmp_path)
            assert executor.free == slots - 1
            reports, ends = self.until_ended(executor, len(TRIALS))
            assert executor.free == slots
        assert [end.trial for end in ends] == TRIALS
        assert not any(end.by_group for end in ends)
        losses = [end.outcome.losses["loss"] for end in ends if isinstance(end.outcome, Result)]
        assert losses == [each.weights["code"] for each in TRIALS]
        for each in TRIALS:
            told = [event.progress for event in reports if event.trial == each]
            assert [progress.step for progress in told] == [0, 1, 2, 3]
            assert [progress.trial for progress in told] == [None, None, None, each.id]
        if self.isolated and self.on_this_machine:
            assert len({(tmp_path / str(each.id) / PID).read_text() for each in TRIALS}) == 1

    def test_artifacts_of_a_group_lie_in_the_folders_of_their_attempts(self, tmp_path: Path) -> None:
        """Each has its own."""
        with self.group_executor("keeping", trials=range(4)) as executor:
            self.submit_all(executor, tmp_path)
            _, ends = self.until_ended(executor, len(TRIALS))
        for end in ends:
            assert isinstance(end.outcome, Result)
            path = Path(end.outcome.artifacts["note"])
            assert path.is_absolute()
            assert path.parent.resolve() == (tmp_path / str(end.trial.id)).resolve()
            assert path.read_text() == "kept"

    @pytest.mark.parametrize(
        ("how", "said"), [("error", "the loss is not finite at step 2"), ("nothing", "must return a bomix.Result")]
    )
    def test_a_trial_that_fails_by_itself_leaves_the_others_alone(self, how: Way, said: str, tmp_path: Path) -> None:
        """One bad mixture costs one trial."""
        with self.group_executor(how) as executor:
            self.submit_all(executor, tmp_path)
            _, ends = self.until_ended(executor, len(TRIALS))
        assert not any(end.by_group for end in ends)
        failed = [end for end in ends if isinstance(end.outcome, Failure)]
        assert [end.trial.id for end in failed] == [THIRD]
        assert isinstance(failed[0].outcome, Failure)
        assert said in failed[0].outcome.message
        assert "evaluating trial" in failed[0].log_tail

    @pytest.mark.parametrize(
        ("how", "said"),
        [("bug", "KeyError: 'weights'"), ("leaving", "no device left"), ("exit", "7"), ("killed", "signal 9")],
    )
    def test_of_a_group_that_dies_what_came_back_is_kept(self, how: Way, said: str, tmp_path: Path) -> None:
        """The others are none the worse for it: the loop tries them again, in smaller groups."""
        with self.group_executor(how) as executor:
            slots = executor.free
            self.submit_all(executor, tmp_path)
            _, ends = self.until_ended(executor, len(TRIALS))
            assert executor.free == slots
        assert [isinstance(end.outcome, Result) for end in ends] == [True, True, False, False]
        assert [end.by_group for end in ends] == [False, False, True, True]
        for end in ends[THIRD:]:
            assert isinstance(end.outcome, Failure)
            assert said in end.outcome.message
            assert "evaluating trial 2" in end.log_tail

    def test_a_trial_alone_never_ends_by_its_group(self, tmp_path: Path) -> None:
        """Its failure is its own."""
        with self.group_executor("bug", trials=(0,)) as executor:
            _, (end,) = self.run(executor, tmp_path)
        assert isinstance(end.outcome, Failure)
        assert not end.by_group

    def test_a_trial_is_told_of_while_others_of_its_group_go_on(self, tmp_path: Path) -> None:
        """It is recorded then, whatever becomes of the others; cancelled together, these end."""
        with self.group_executor("waiting") as executor:
            slots = executor.free
            self.submit_all(executor, tmp_path)
            _, ends = self.until_ended(executor, THIRD)
            assert all(isinstance(end.outcome, Result) for end in ends)
            assert executor.free == slots - 1
            pid = self._pid(tmp_path / str(THIRD), executor)
            executor.cancel(TRIALS[3])
            assert not [event for event in executor.events(0.2) if isinstance(event, Ended)]
            executor.cancel(TRIALS[THIRD])
            _, ends = self.until_ended(executor, 2)
            assert [end.trial for end in ends] == TRIALS[THIRD:]
            assert all(isinstance(end.outcome, Failure) for end in ends)
            assert executor.free == slots
            if self.on_this_machine:
                self._assert_gone(pid)

    def test_closing_ends_the_group_that_runs(self, tmp_path: Path) -> None:
        """Nobody waits for it any more."""
        self._skip_elsewhere()
        with self.group_executor("waiting", trials=(0,)) as executor:
            self.submit_all(executor, tmp_path)
            pid = self._pid(tmp_path / "0", executor)
            assert lives(pid)
        self._assert_gone(pid)
