"""A group of trials in one process: one log, limits for all of it, and messages that block nothing."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bomix.config.build import SECRET
from bomix.contracts.executor import Attempt, Ended, GroupExecutor
from bomix.execution.attempt import left_behind
from bomix.execution.attempt.redaction import MASK
from bomix.execution.local.executor import LocalExecutor
from bomix.execution.local.job import Job
from bomix.execution.local.spec import LocalExecution
from bomix.progress import Progress, report
from bomix.testing.endings import GroupEnding
from bomix.trial import Failure, Outcome, Result, Trial

TRIALS = [Trial(number, {"code": 0.1 * (number + 1), "web": 0.9 - 0.1 * number}, 0, "sobol") for number in range(3)]
SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class Telling(GroupEnding):
    """Says what must not be read in a log, and flooding reports where it should.

    Attributes:
        environment: Names of secrets to what it says.
        reports: Number of reports before anything ends.
    """

    environment: Mapping[str, str] = dataclasses.field(default_factory=dict, metadata={SECRET: True})
    reports: int = 0

    def evaluate_together(self, attempts: Sequence[tuple[Trial, Path]]) -> Iterator[tuple[Trial, Outcome]]:
        for number in range(self.reports):
            report(Progress(number, self.reports))
        for trial, outcome in super().evaluate_together(attempts):
            said = " ".join(self.environment.values())
            print(f"the password is {said}", flush=True)
            yield trial, Failure(f"no access with {said}") if trial.id == 1 else outcome


def started(evaluator: object, folder: Path, *, trials: Sequence[Trial] = TRIALS, **limits: Any) -> LocalExecutor:
    """An executor that runs a group."""
    executor = LocalExecution(**limits).start(evaluator)  # type: ignore[arg-type]
    submit(executor, folder, trials)
    return executor


def submit(executor: LocalExecutor, folder: Path, trials: Sequence[Trial] = TRIALS) -> None:
    for trial in trials:
        (folder / str(trial.id) / "1").mkdir(parents=True)
    executor.submit_together([(trial, Attempt(1, folder / str(trial.id) / "1")) for trial in trials])


def ends(executor: LocalExecutor, count: int) -> list[Ended]:
    found: list[Ended] = []
    deadline = time.monotonic() + SECONDS
    while len(found) < count:
        assert time.monotonic() < deadline, "waited too long"
        found += [event for event in executor.events(0.1) if isinstance(event, Ended)]
    return found


def test_it_is_an_executor_of_groups(tmp_path: Path) -> None:
    executor = started(GroupEnding(), tmp_path)
    assert isinstance(executor, GroupExecutor)
    executor.close()


def test_a_group_has_one_log_that_is_found_from_every_attempt_wherever_the_folder_moves(tmp_path: Path) -> None:
    executor = started(GroupEnding(), tmp_path / "a")
    ends(executor, 3)
    executor.close()
    (tmp_path / "a").rename(tmp_path / "b")
    logs = [(tmp_path / f"b/{trial.id}/1/log.txt").read_text() for trial in TRIALS]
    assert logs == [logs[0]] * 3
    assert [f"evaluating trial {trial.id}" in logs[0] for trial in TRIALS] == [True] * 3


def test_secrets_are_in_no_log_and_no_outcome_of_a_group(tmp_path: Path) -> None:
    executor = started(Telling(environment={"PASSWORD": "correct horse"}), tmp_path)
    found = ends(executor, 3)
    executor.close()
    assert "correct horse" not in repr(found)
    outcome = found[1].outcome
    assert isinstance(outcome, Failure)
    assert outcome.message == f"no access with {MASK}"
    assert not found[1].by_group
    for trial in TRIALS:
        assert (tmp_path / f"{trial.id}/1/log.txt").read_text().count(MASK) >= 3


def test_secrets_are_in_no_log_of_what_ends_with_its_driver(tmp_path: Path) -> None:
    executor = started(
        Telling("waiting", trials=(1,), environment={"PASSWORD": "correct horse"}), tmp_path, grace_s=1.0
    )
    logs = [tmp_path / f"{trial.id}/1/log.txt" for trial in TRIALS]
    while not (logs[0].exists() and "correct horse" in logs[0].read_text()):
        list(executor.events(0.1))
    executor.close()
    assert all("correct horse" not in log.read_text() and MASK in log.read_text() for log in logs)


def test_a_group_that_hangs_is_ended_and_says_why(tmp_path: Path) -> None:
    executor = started(GroupEnding("waiting", trials=(1,)), tmp_path, silence_s=1.0)
    found = ends(executor, 3)
    executor.close()
    assert [end.by_group for end in found] == [False, True, True]
    for end in found[1:]:
        assert isinstance(end.outcome, Failure)
        assert end.outcome.message.startswith("no progress and nothing new in its log for 1 s")


def test_a_group_may_take_as_long_as_its_trials_one_after_the_other(tmp_path: Path) -> None:
    job = Job({trial.id: (trial, tmp_path) for trial in TRIALS}, [0, 1, 2], 0, started=0.0, alive=100.0)
    assert not job.ends(149.0, timeout_s=50.0, silence_s=60.0)
    assert job.ends(151.0, timeout_s=50.0, silence_s=60.0)
    assert job.overdue == "took longer than 50 s for each of 3 trials that are trained as one (execution.timeout_s)"
    assert not job.ends(152.0, timeout_s=50.0, silence_s=60.0)
    alone = Job({0: (TRIALS[0], tmp_path)}, [0], 0, started=0.0, alive=100.0)
    assert alone.ends(51.0, timeout_s=50.0, silence_s=None)
    assert alone.overdue == "took longer than 50 s (execution.timeout_s)"


def test_groups_of_any_size_are_sent_while_reports_pile_up(tmp_path: Path) -> None:
    """A pipe holds 64 KiB each way: neither side may wait for the other."""
    wide = {f"a domain of a long name {number:04d}": 1.0 / 400 for number in range(400)}
    trials = [Trial(number, wide, 0, "sobol") for number in range(20)]
    executor = started(Telling(reports=3000), tmp_path / "first", workers=2)
    time.sleep(1.0)  # the pipe is full of reports by then
    for trial in TRIALS:
        executor.cancel(trial)
    time.sleep(0.5)  # and the server waits to say that the group has ended
    submit(executor, tmp_path / "second", trials)
    assert len(ends(executor, 23)) == 23
    executor.close()


def test_a_result_that_was_written_before_its_process_died_counts_in_a_group(tmp_path: Path) -> None:
    executor = started(GroupEnding(), tmp_path)
    ends(executor, 3)
    executor.close()
    assert isinstance(left_behind.outcome(tmp_path / "1/1", -9, "", grouped=True), Result)
    assert isinstance(left_behind.outcome(tmp_path / "1/1", -9, ""), Failure)


def test_what_was_finished_unheard_is_taken_over_unless_it_left_artifacts(tmp_path: Path) -> None:
    executor = started(GroupEnding("keeping", trials=(1,)), tmp_path)
    ends(executor, 3)
    executor.close()
    (tmp_path / "2/1/result.json").unlink()
    executor = LocalExecution().start(GroupEnding())
    pending = [(trial, Attempt(1, tmp_path / str(trial.id) / "1")) for trial in TRIALS]
    assert executor.reattach(pending) == (TRIALS[0],)
    assert executor.free == 0
    (end,) = executor.events(0.0)
    assert isinstance(end, Ended)
    assert isinstance(end.outcome, Result)
    assert end.outcome.losses == {"loss": 0.1}
    assert executor.free == 1
    executor.close()


@dataclasses.dataclass(frozen=True)
class Careless(GroupEnding):
    """Yields what it should not.

    Attributes:
        slip: What it does: yields a trial ``twice``, or a ``stranger``, or ``stops`` early.
    """

    slip: str = "twice"

    def evaluate_together(self, attempts: Sequence[tuple[Trial, Path]]) -> Iterator[tuple[Trial, Outcome]]:
        (first, workdir), *_ = attempts
        yield first, self.evaluate(first, workdir)
        if self.slip == "twice":
            yield first, Result({"loss": 1.0})
        if self.slip == "stranger":
            yield Trial(99, first.weights, 0, "sobol"), Result({"loss": 1.0})


@pytest.mark.parametrize(
    ("slip", "said"),
    [
        ("twice", "evaluate_together yielded trial 0, which is not of the group, or twice"),
        ("stranger", "evaluate_together yielded trial 99, which is not of the group, or twice"),
        ("stops", "evaluate_together came to its end without trials 1, 2"),
    ],
)
def test_what_an_evaluator_yields_wrongly_is_named(tmp_path: Path, slip: str, said: str) -> None:
    executor = started(Careless(slip=slip), tmp_path)
    found = ends(executor, 3)
    executor.close()
    assert [end.by_group for end in found] == [False, True, True]
    assert [end.outcome.message for end in found if isinstance(end.outcome, Failure)] == [said, said]
