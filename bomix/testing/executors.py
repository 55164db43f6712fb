"""What every executor owes to the loop that hands trials to it."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bomix.contracts.executor import Attempt, Ended, ExecutionTraits, Executor, Reported
from bomix.contracts.traits import traits
from bomix.errors import EvaluationError
from bomix.testing.base import CountsBattery
from bomix.testing.endings import ENDS_ITS_PROCESS, LAST_WORDS, LINES, PID, Ending, Unloadable, Way, lives, this_process
from bomix.trial import Failure, Result, Trial


def trial(number: int = 0, weight: float = 0.25) -> Trial:
    """A trial whose loss will be ``weight``."""
    return Trial(number, {"code": weight, "web": 1.0 - weight}, number, "sobol")


class ExecutorBattery(CountsBattery):
    """Tests of an executor: :class:`bomix.contracts.executor.Execution`, ``start(evaluator, *, folder) -> Executor``.

    An executor runs trials and tells how they end. Three lines test one of your own::

        class TestMine(ExecutorBattery):
            spec = MyExecution()

    One that runs trials in the driver's own process adds ``isolated = False``.

    What is tested, and why:

    * A trial that ends well comes back as a :class:`bomix.trial.Result` with absolute artifacts, after what it
      reported, in order.
    * One that fails in whatever way (an error, a bug, ``sys.exit``, an exit of the process, a signal, no result)
      comes back as a :class:`bomix.trial.Failure` that says how, with the tail of its log, and the next trial runs.
      Half of a night's trials must not be lost to one of them.
    * Logs of megabytes and reports of thousands of losses block nothing; of the log the last lines come back.
    * Trials run side by side and keep their outcomes apart; ``free`` counts the slots.
    * Asked for events while nothing happens it waits as long as it was told, 0 seconds included, no longer and no
      shorter: the loop asks again at once.
    * A trial that is cancelled ends, with all that it started, and its slot is free. Where an earlier driver left
      none, none are taken over.
    * Closed, it leaves no process behind, nor does a trial that has ended.
    * An evaluator that cannot be sent, or not be loaded there, is told as such.
    * It is a frozen dataclass that a study file can say, and whole numbers below zero are faults.

    One that is a :class:`bomix.contracts.executor.GroupExecutor` is put through
    :class:`bomix.testing.GroupExecutorBattery`.

    Attributes:
        spec: How trials run. A field ``workers`` says how many at a time; override :meth:`sized` where it has another.
        isolated: Whether each trial runs where its end does not end the driver, in a process of its own say. False
            leaves out what only such an executor can do: survive a trial that exits, is killed, never ends or leaves
            processes behind, and send the evaluator there.
        patience: Seconds after which a trial that should have ended has not.
        on_this_machine: Whether its processes can be looked at from here.
    """

    group = "executor"
    isolated: ClassVar[bool] = True
    patience: ClassVar[float] = 120.0
    on_this_machine: ClassVar[bool] = True

    def sized(self, workers: int) -> Any:
        """The spec with so many slots; as it is where it has no number of ``workers``."""
        if traits(self.spec, ExecutionTraits).workers is None:
            return self.spec
        return dataclasses.replace(self.spec, workers=workers)

    @contextmanager
    def executor(self, how: Way = "well", *, workers: int = 1) -> Iterator[Executor]:
        """An executor whose trials end in some way, closed at the end."""
        if how in ENDS_ITS_PROCESS:
            self._skip_in_the_driver(f"a trial that ends by '{how}' would take the driver with it")
        executor: Executor = self.sized(workers).start(Ending(how, this_process()), folder=None)
        try:
            yield executor
        finally:
            executor.close()

    def submit(self, executor: Executor, what: Trial, workdir: Path) -> None:
        """Start a trial in an empty folder."""
        executor.submit(what, Attempt(1, workdir))

    def until_ended(self, executor: Executor, count: int = 1) -> tuple[list[Reported], list[Ended]]:
        """What is reported, and what ended, until so many trials have.

        Returns:
            The reports and the ends, each in the order in which they came.
        """
        reports: list[Reported] = []
        ends: list[Ended] = []
        deadline = time.monotonic() + self.patience
        while len(ends) < count:
            assert time.monotonic() < deadline, f"{count - len(ends)} trials have not ended in {self.patience:g} s"
            for event in executor.events(0.5):
                if isinstance(event, Ended):
                    ends.append(event)
                else:
                    reports.append(event)
        return reports, ends

    def run(
        self, executor: Executor, folder: Path, trials: Sequence[Trial] = (trial(),)
    ) -> tuple[list[Reported], list[Ended]]:
        """Submit some trials, each with a folder of its own, and wait for their ends."""
        for each in trials:
            (workdir := folder / str(each.id)).mkdir()
            self.submit(executor, each, workdir)
        return self.until_ended(executor, len(trials))

    def test_a_trial_comes_back_with_its_result_after_its_reports(self, tmp_path: Path) -> None:
        """What the loop records, and what it shows meanwhile."""
        with self.executor() as executor:
            reports, (end,) = self.run(executor, tmp_path)
        assert end.trial == trial()
        assert isinstance(end.outcome, Result)
        assert dict(end.outcome.losses) == {"loss": 0.25}
        assert end.outcome.cost == 1.0
        assert [event.progress.step for event in reports] == [0, 1, 2]
        assert all(event.trial == trial() for event in reports)
        assert "evaluating trial 0" in end.log_tail

    def test_artifacts_come_back_with_absolute_paths(self, tmp_path: Path) -> None:
        """A later surrogate reads them from wherever it runs."""
        with self.executor("keeping") as executor:
            _, (end,) = self.run(executor, tmp_path)
        assert isinstance(end.outcome, Result)
        path = Path(end.outcome.artifacts["note"])
        assert path.is_absolute()
        assert path.read_text() == "kept"

    @pytest.mark.parametrize(
        ("how", "said"),
        [
            ("error", "the loss is not finite at step 2"),
            ("bug", "KeyError: 'weights'"),
            ("leaving", "no device left"),
            ("exit", "7"),
            ("killed", "signal 9"),
            ("nothing", "must return a bomix.Result"),
        ],
    )
    def test_however_a_trial_fails_it_is_told_and_the_next_one_runs(self, how: Way, said: str, tmp_path: Path) -> None:
        """One bad mixture, or a device that is full, must not end the study."""
        with self.executor(how) as executor:
            slots = executor.free
            for number in (0, 1):
                _, (end,) = self.run(executor, tmp_path, [trial(number)])
                assert end.trial == trial(number)
                assert isinstance(end.outcome, Failure)
                assert said in end.outcome.message
                assert f"evaluating trial {number}" in end.outcome.log_tail
            assert executor.free == slots

    def test_a_log_of_megabytes_blocks_nothing(self, tmp_path: Path) -> None:
        """Trainers write much; of the log the last lines are kept."""
        with self.executor("verbose") as executor:
            _, (end,) = self.run(executor, tmp_path)
        assert isinstance(end.outcome, Result)
        lines = end.log_tail.splitlines()
        assert lines[-1] == LAST_WORDS
        assert lines[-2].startswith(f"{LINES - 1}:")
        assert len(lines) < 1000

    def test_reports_of_thousands_of_losses_block_nothing(self, tmp_path: Path) -> None:
        """A validation set for each task is no reason to garble the messages."""
        with self.executor("wide") as executor:
            reports, (end,) = self.run(executor, tmp_path)
        assert isinstance(end.outcome, Result)
        assert [event.progress.step for event in reports] == [0, 1, 2]
        assert all(event.progress.losses["loss0"] == 0.0 for event in reports)

    def test_trials_side_by_side_keep_their_own_outcomes(self, tmp_path: Path) -> None:
        """Each end names its trial, whichever comes first."""
        trials = [trial(number, weight=0.1 * (number + 1)) for number in range(3)]
        with self.executor(workers=3) as executor:
            trials = trials[: executor.free]
            reports, ends = self.run(executor, tmp_path, trials)
        losses = {end.trial.id: end.outcome.losses["loss"] for end in ends if isinstance(end.outcome, Result)}
        assert losses == {each.id: each.weights["code"] for each in trials}
        for each in trials:
            assert [event.progress.step for event in reports if event.trial.id == each.id] == [0, 1, 2]

    def test_free_counts_the_slots(self, tmp_path: Path) -> None:
        """The loop asks for as many mixtures as there are free slots."""
        with self.executor(workers=2) as executor:
            assert (slots := executor.free) >= 1
            assert traits(self.spec, ExecutionTraits).workers is None or slots == 2
            (tmp_path / "a").mkdir()
            self.submit(executor, trial(), tmp_path / "a")
            assert executor.free == slots - 1
            self.until_ended(executor)
            assert executor.free == slots

    def test_it_waits_for_events_as_long_as_it_is_told(self) -> None:
        """The loop has other things to look after, and asks again at once: it would keep a core busy."""
        with self.executor() as executor:
            started, calls = time.monotonic(), 0
            assert not any(list(executor.events(0.0)) for _ in range(10)), "0 seconds are no time at all"
            while time.monotonic() < started + 1.0:
                assert list(executor.events(0.05)) == []
                calls += 1
            assert time.monotonic() < started + 10.0
            assert calls <= 40, f"{calls} calls that were to wait 0.05 s each came back within a second"

    def test_closing_ends_the_trials_that_run(self, tmp_path: Path) -> None:
        """Nobody waits for them any more, and they hold the device."""
        self._skip_elsewhere()
        with self.executor("waiting") as executor:
            (tmp_path / "a").mkdir()
            self.submit(executor, trial(), tmp_path / "a")
            pid = self._pid(tmp_path / "a", executor)
            assert lives(pid)
        self._assert_gone(pid)

    def test_a_trial_that_is_cancelled_ends_and_its_slot_is_free(self, tmp_path: Path) -> None:
        """A trial that cannot win any more gives its device to another."""
        with self.executor("waiting") as executor:
            slots = executor.free
            (tmp_path / "a").mkdir()
            self.submit(executor, trial(), tmp_path / "a")
            pid = self._pid(tmp_path / "a", executor)
            executor.cancel(trial())
            _, (end,) = self.until_ended(executor)
            assert isinstance(end.outcome, Failure)
            assert executor.free == slots
            if self.on_this_machine:
                self._assert_gone(pid)

    def test_trials_that_nobody_started_are_not_taken_over(self, tmp_path: Path) -> None:
        """A driver that was killed may have recorded a trial and not submitted it; that one is submitted again."""
        with self.executor() as executor:
            slots = executor.free
            (tmp_path / "a").mkdir()
            assert list(executor.reattach([])) == []
            assert list(executor.reattach([(trial(), Attempt(1, tmp_path / "a"))])) == []
            assert executor.free == slots

    def test_a_trial_leaves_no_process_behind(self, tmp_path: Path) -> None:
        """What it started would share the device with the next one."""
        self._skip_elsewhere()
        with self.executor("littering") as executor:
            _, (end,) = self.run(executor, tmp_path)
            assert isinstance(end.outcome, Result)
            self._assert_gone(int((tmp_path / "0" / PID).read_text()))

    def test_an_evaluator_that_cannot_be_sent_is_told_at_once(self) -> None:
        """Before the first mixture is chosen."""
        self._skip_in_the_driver("the evaluator is there")

        class Local(Ending):
            """Its class cannot be found in another process."""

        with pytest.raises(EvaluationError, match="Local"):
            self.spec.start(Local(), folder=None)

    def test_an_evaluator_that_cannot_be_loaded_there_is_told(self, tmp_path: Path) -> None:
        """Rather than as a trial that failed: every other one would fail alike."""
        self._skip_in_the_driver("the evaluator is there")
        with pytest.raises(EvaluationError, match="of_this_machine_alone"):  # noqa: PT012 - any of the calls may tell
            executor = self.spec.start(Unloadable(), folder=None)
            try:
                self.submit(executor, trial(), tmp_path)
                self.until_ended(executor)
            finally:
                executor.close()

    def _pid(self, workdir: Path, executor: Executor) -> int:
        """The process of a trial that runs, once it has noted it."""
        deadline = time.monotonic() + self.patience
        while not (workdir / PID).exists() or not (workdir / PID).read_text():
            assert time.monotonic() < deadline, "the trial has not begun"
            assert not [event for event in executor.events(0.1) if isinstance(event, Ended)]
        return int((workdir / PID).read_text())

    def _assert_gone(self, pid: int) -> None:
        deadline = time.monotonic() + self.patience
        while lives(pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        if lives(pid):
            os.kill(pid, signal.SIGKILL)  # a test that fails leaves none behind either
            pytest.fail(f"process {pid} still runs")

    def _skip_in_the_driver(self, reason: str) -> None:
        if not self.isolated:
            pytest.skip(f"trials run in the driver's own process: {reason}")

    def _skip_elsewhere(self) -> None:
        if not self.on_this_machine:
            pytest.skip("its processes run elsewhere")
