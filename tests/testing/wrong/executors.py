"""Executors that would lose a night's trials; they run nothing and make up what they tell."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from dataclasses import dataclass

from bomix.contracts.executor import Ended, Reported
from bomix.errors import EvaluationError, count_faults
from bomix.progress import Progress
from bomix.testing import ExecutorBattery
from bomix.testing.endings import PID
from bomix.trial import Failure, Result


class MadeUp:
    """Every trial ends well at once, but for what ``how`` says."""

    def __init__(self, evaluator, workers, how):
        self.workers, self.how, self.waiting = workers, how, []

    @property
    def free(self):
        return self.workers if self.how == "free" else self.workers - len(self.waiting)

    def reattach(self, pending):
        return [trial for trial, _ in pending]

    def submit(self, trial, attempt):
        workdir = attempt.folder
        if self.how == "leaves":
            sleep = [sys.executable, "-c", "import time; time.sleep(3)"]
            (workdir / PID).write_text(str(subprocess.Popen(sleep).pid))
        (workdir / "note.txt").write_text("kept")
        self.waiting.append((trial, workdir))

    def events(self, timeout):
        if self.how == "restless":
            yield Reported(None, Progress(0, 1))
        for trial, _ in self.waiting:
            if self.how == "mixed_up":
                trial = self.waiting[-1][0]
            steps = (2, 1, 0) if self.how == "unordered" else (0, 1, 2)
            for step in steps[: 1 if self.how == "silent" else 3]:
                yield Reported(trial, Progress(step, 3, 0.0, {"loss0": 0.0}))
            artifacts = {"note": "note.txt"}
            result = Result({"loss": trial.weights["code"]}, cost=1.0, artifacts=artifacts)
            yield Ended(trial, result, f"evaluating trial {trial.id}")
        self.waiting.clear()

    def cancel(self, trial):
        pass

    def close(self):
        pass


@dataclass(frozen=True)
class Execution:
    how: str = "well"
    workers: int = 1
    attempts: int = 1
    max_failures: int = 3

    def start(self, evaluator, *, folder):
        return MadeUp(evaluator, self.workers, self.how)


class TestEverythingIsWell(ExecutorBattery):
    spec = Execution("well")
    caught_by = (
        "test_however_a_trial_fails_it_is_told_and_the_next_one_runs",
        "test_artifacts_come_back_with_absolute_paths",
        "test_a_log_of_megabytes_blocks_nothing",
        "test_an_evaluator_that_cannot_be_sent_is_told_at_once",
        "test_an_evaluator_that_cannot_be_loaded_there_is_told",
        "test_trials_that_nobody_started_are_not_taken_over",
        "test_a_trial_that_is_cancelled_ends_and_its_slot_is_free",
    )


class TestUnordered(ExecutorBattery):
    spec = Execution("unordered")
    caught_by = ("test_a_trial_comes_back_with_its_result_after_its_reports",)


class TestSilent(ExecutorBattery):
    spec = Execution("silent")
    caught_by = ("test_reports_of_thousands_of_losses_block_nothing",)


class TestMixedUp(ExecutorBattery):
    spec = Execution("mixed_up")
    caught_by = ("test_trials_side_by_side_keep_their_own_outcomes",)


class TestNeverFull(ExecutorBattery):
    spec = Execution("free")
    caught_by = ("test_free_counts_the_slots",)


class TestRestless(ExecutorBattery):
    spec = Execution("restless")
    caught_by = ("test_it_waits_for_events_as_long_as_it_is_told",)


class TestBusy(ExecutorBattery):
    """It comes back at once where nothing happens."""

    spec = Execution("well")
    caught_by = ("test_it_waits_for_events_as_long_as_it_is_told",)


@dataclass(frozen=True)
class Here:
    """Trials in the process of the driver, which a bug in one of them ends."""

    guarded: bool = False
    attempts: int = 1
    max_failures: int = 3

    def faults(self):
        return count_faults(1, attempts=self.attempts, max_failures=self.max_failures)

    def start(self, evaluator, *, folder):
        return Running(evaluator, self.guarded)


class Running(MadeUp):
    def __init__(self, evaluator, guarded):
        super().__init__(evaluator, 1, "well")
        self.evaluator, self.caught = evaluator, Exception if guarded else EvaluationError

    def events(self, timeout):
        if not self.waiting:
            time.sleep(timeout)
        for trial, workdir in self.waiting:
            try:
                outcome = self.evaluator.evaluate(trial, workdir)
                outcome = outcome and dataclasses.replace(outcome, artifacts={})
            except self.caught as error:
                outcome = Failure(str(error))
            yield Ended(trial, outcome)
        self.waiting.clear()


class TestABugEndsTheDriver(ExecutorBattery):
    spec = Here()
    isolated = False
    caught_by = ("test_however_a_trial_fails_it_is_told_and_the_next_one_runs",)


class TestTrialsThatEndTheDriver(ExecutorBattery):
    """The battery itself lives on: a trial says so instead of taking the process with it."""

    spec = Here(guarded=True)
    caught_by = (
        "test_however_a_trial_fails_it_is_told_and_the_next_one_runs",
        "test_closing_ends_the_trials_that_run",
        "test_a_trial_that_is_cancelled_ends_and_its_slot_is_free",
        "test_a_trial_leaves_no_process_behind",
        "test_an_evaluator_that_cannot_be_sent_is_told_at_once",
        "test_an_evaluator_that_cannot_be_loaded_there_is_told",
    )


class TestLeavesProcesses(ExecutorBattery):
    spec = Execution("leaves")
    patience = 0.5
    caught_by = ("test_closing_ends_the_trials_that_run", "test_a_trial_leaves_no_process_behind")
