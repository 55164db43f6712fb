"""Executors of groups that would lose a part of them; they run nothing and make up what they tell."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

from bomix.contracts.executor import Ended, Reported
from bomix.progress import Progress
from bomix.testing import GroupExecutorBattery
from bomix.trial import Failure, Result


class MadeUp:
    """Every trial ends well at once, but for what ``how`` says."""

    def __init__(self, workers, how):
        self.workers, self.how, self.waiting = workers, how, []

    @property
    def free(self):
        return self.workers - sum(len(group) if self.how == "spread" else 1 for group in self.waiting)

    def reattach(self, pending):
        return ()

    def submit(self, trial, attempt):
        self.submit_together([(trial, attempt)])

    def submit_together(self, group):
        for _, attempt in group:
            (attempt.folder / "pid").write_text("1")
            (attempt.folder / "note.txt").write_text("kept")
        self.waiting.append(group)

    def events(self, timeout):
        groups, self.waiting = self.waiting, []
        for group in groups:
            for trial, attempt in group:
                yield from (
                    Reported(trial, Progress(step, 3, trial=trial.id if step == 3 else None)) for step in range(4)
                )
                folder = group[0][1].folder if self.how == "one_folder" else attempt.folder
                loss = group[0][0].weights["code"] if self.how == "mixed_up" else trial.weights["code"]
                result = Result({"loss": loss}, artifacts={"note": str((folder / "note.txt").absolute())})
                died = self.how == "blaming"
                outcome = Failure("the group died") if died else result
                yield Ended(trial, outcome, "evaluating trial 2", by_group=died)

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
        return MadeUp(self.workers, self.how)


class TestEverythingIsWell(GroupExecutorBattery):
    spec = Execution("well")
    patience = 1.0
    caught_by = (
        "test_a_trial_that_fails_by_itself_leaves_the_others_alone",
        "test_of_a_group_that_dies_what_came_back_is_kept",
        "test_a_trial_is_told_of_while_others_of_its_group_go_on",
        "test_a_trial_alone_never_ends_by_its_group",
    )


class TestSpread(GroupExecutorBattery):
    spec = Execution("spread")
    caught_by = ("test_a_group_takes_a_slot_and_each_comes_back_as_it_would_alone",)


class TestMixedUp(GroupExecutorBattery):
    spec = Execution("mixed_up")
    caught_by = ("test_a_group_takes_a_slot_and_each_comes_back_as_it_would_alone",)


class TestOneFolder(GroupExecutorBattery):
    spec = Execution("one_folder")
    caught_by = ("test_artifacts_of_a_group_lie_in_the_folders_of_their_attempts",)


class TestBlaming(GroupExecutorBattery):
    """It calls every failure one of the group."""

    spec = Execution("blaming")
    caught_by = (
        "test_a_trial_that_fails_by_itself_leaves_the_others_alone",
        "test_a_trial_alone_never_ends_by_its_group",
    )


class Leaving(MadeUp):
    """Its processes outlive it."""

    def submit_together(self, group):
        for _, attempt in group:
            sleep = [sys.executable, "-c", "import time; time.sleep(3)"]
            (attempt.folder / "pid").write_text(str(subprocess.Popen(sleep).pid))


@dataclass(frozen=True)
class LeavingExecution(Execution):
    def start(self, evaluator, *, folder):
        return Leaving(self.workers, self.how)


class TestLeavesProcesses(GroupExecutorBattery):
    spec = LeavingExecution()
    patience = 0.5
    caught_by = ("test_closing_ends_the_group_that_runs",)
