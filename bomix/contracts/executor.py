r"""What runs trials: on this machine, on a cluster, in somebody's pool of workers.

An :class:`Execution` is the part of a study file that says how; it starts an :class:`Executor`, the running thing that
a driver hands trials to and hears from. The driver counts attempts and failures, so an executor runs what it is given
once and tells how that ended::

    executor = execution.start(evaluator, folder=folder)
    executor.reattach(pending)                     # those of an earlier driver that still run, before all else
    executor.submit(trial, attempt)                # while executor.free
    for event in executor.events(timeout): ...     # Reported, any number; then Ended, once for each trial
    executor.cancel(trial)                         # of those that were taken over, what is no longer wanted
    executor.close()

What an executor owes to the driver:

* Each trial runs where its end does not end the driver: a process of its own outlives ``sys.exit``, a signal and an
  endless loop. One that trains in the driver's process says so in its docstring, and to its battery of tests by
  ``isolated = False``.
* Whatever an evaluation raises becomes a :class:`~bomix.trial.Failure` with the tail of the log, and so does a return
  value that is no :class:`~bomix.trial.Result`. The driver guards nothing: an error that leaves :meth:`Executor.events`
  ends the run of the study.
* Artifacts come relative to the attempt's folder, and are handed on as absolute paths.

One that can have an evaluator train several trials as one (:class:`~bomix.contracts.evaluator.GroupEvaluator`) is a
:class:`GroupExecutor`; others are given one trial at a time.

Write a frozen dataclass with :meth:`Execution.start`, and the class of what it starts:

>>> import contextlib, io, time
>>> from dataclasses import dataclass, replace
>>> from bomix.errors import count_faults
>>> from bomix.progress import reporting_to
>>> from bomix.trial import Failure, Result
>>> @dataclass(frozen=True)
... class Here:
...     '''Trains in the process of the driver, one trial after the other; a trial that ends the process ends both.'''
...     attempts: int = 1
...     max_failures: int = 3
...     def faults(self):
...         return count_faults(1, attempts=self.attempts, max_failures=self.max_failures)
...     def start(self, evaluator, *, folder):
...         return Running(evaluator)
>>> class Running:
...     def __init__(self, evaluator):
...         self.evaluator, self.submitted = evaluator, []
...     @property
...     def free(self):
...         return 1 - len(self.submitted)
...     def reattach(self, pending):
...         return ()
...     def submit(self, trial, attempt):
...         self.submitted.append((trial, attempt))
...     def events(self, timeout):
...         if not self.submitted:
...             time.sleep(timeout)
...         while self.submitted:
...             trial, attempt = self.submitted[0]
...             log, reports = io.StringIO(), []
...             with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log), reporting_to(reports.append):
...                 outcome = self.outcome(trial, attempt.folder)
...             yield from (Reported(trial, progress) for progress in reports)
...             tail = "\n".join(log.getvalue().splitlines()[-20:])
...             self.submitted.pop(0)
...             yield Ended(trial, replace(outcome, log_tail=tail) if isinstance(outcome, Failure) else outcome, tail)
...     def outcome(self, trial, folder):
...         try:
...             result = self.evaluator.evaluate(trial, folder)
...         except (Exception, SystemExit) as error:
...             return Failure(f"{type(error).__name__}: {error}")
...         if not isinstance(result, Result):
...             return Failure(f"evaluate returned {type(result).__name__}; it must return a bomix.Result")
...         return replace(result, artifacts={k: str((folder / p).absolute()) for k, p in result.artifacts.items()})
...     def cancel(self, trial):
...         '''Too late: who could ask for it waits for the trial.'''
...     def close(self):
...         self.submitted.clear()

>>> from bomix.trial import Trial
>>> class Bowl:
...     def evaluate(self, trial, workdir):
...         return Result({"loss": trial.weights["web"] ** 2})
>>> executor = Here().start(Bowl(), folder=None)
>>> executor.submit(Trial(0, {"code": 0.5, "web": 0.5}, 0, "sobol"), Attempt(1, Path("work")))
>>> executor.free
0
>>> [event.outcome.losses for event in executor.events(0.5)], executor.free
([{'loss': 0.25}], 1)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from bomix.contracts.traits import ComponentTraits

if TYPE_CHECKING:
    from bomix.contracts.evaluator import Evaluator
    from bomix.progress import Progress
    from bomix.trial import Outcome, Trial


@dataclass(frozen=True)
class Attempt:
    """One try at a trial.

    Attributes:
        number: From 1, over all drivers of a study folder; with the trial's id it names the try for good.
        folder: The try's own work folder, made by the driver: what the evaluator writes, and the log, go there.
    """

    number: int
    folder: Path


@dataclass(frozen=True)
class Reported:
    """A running trial says how far it is."""

    trial: Trial
    progress: Progress


@dataclass(frozen=True)
class Ended:
    """An attempt is over, and its slot is free again once all trials that share it have ended.

    Attributes:
        trial: Which trial.
        outcome: What came back, paths of artifacts made absolute from the attempt's folder, or how the attempt failed.
        log_tail: The last lines of its log.
        by_group: Whether it failed since the group that it was trained with ended before it did, which says little of
            the trial itself: it is tried again in a smaller group, and at last alone, before that counts as a failure.
        raised: Whether an error of the evaluator ended that group, and not the end of its process or a lack of memory.
            Such an error may well meet each trial alone: one is tried alone before the others are trained again.
        lost: Whether it failed through no fault of the trial: preempted, cut off by the cluster's own limit, its node
            gone. The trial is run again with the same weights and seed, in the folder of a new attempt, and that
            counts neither as a failure nor among ``execution.attempts``.
    """

    trial: Trial
    outcome: Outcome
    log_tail: str = ""
    by_group: bool = False
    raised: bool = False
    lost: bool = False


Event = Reported | Ended


class Executor(Protocol):
    """Runs trials side by side."""

    @property
    def free(self) -> int:
        """Slots without a trial: how many more trials, or groups of them, may be submitted now."""
        ...

    def reattach(self, pending: Sequence[tuple[Trial, Attempt]]) -> Sequence[Trial]:
        """Take over trials that an earlier driver submitted, before anything new is.

        It is called once, after the start, where there are such trials at all.

        Args:
            pending: All trials of the study without an outcome that were tried, each with its latest attempt; also
                those that would not be submitted again: confirmations of what is no longer recommended, which are
                cancelled where they still run, or trials on mixtures in a run for experts alone.

        Returns:
            Those of them that still run, or have ended unseen: each takes a slot, its events come, and it is not
            submitted again. The others are, where they are wanted. None where trials end with their driver.

        Raises:
            EvaluationError: It cannot be found out what still runs. The run ends, and nothing is submitted twice.
        """
        ...

    def submit(self, trial: Trial, attempt: Attempt) -> None:
        """Start a trial in a free slot; the attempt's folder is empty.

        Where this trial alone cannot be started, its :class:`Ended` says so, and counts as a failure of the trial.

        Raises:
            EvaluationError: Nothing can be started. The trial does not run and takes no slot; the run ends, and the
                trial stays pending: the next run offers it to :meth:`reattach`, and submits it again.
        """
        ...

    def events(self, timeout: float) -> Iterable[Event]:
        """What happened since the last call, within ``timeout`` seconds from now.

        Where nothing happens it waits that long: the driver asks again at once; 0 does not wait. Whatever a trial
        raised is in its :class:`Ended`, as a failure; an error of this method ends the run of the study.

        Each trial that was submitted or taken over ends once. What is told of one that does not run, a second end
        included, is logged and ignored. The driver records everything that a call tells before it gives up.

        Raises:
            EvaluationError: Nothing can be run any more.
        """
        ...

    def cancel(self, trial: Trial) -> None:
        """End a running trial, with everything that it started; its :class:`Ended` follows, a failure as a rule.

        The driver cancels confirmations that it took over and whose result is no longer wanted. One that comes back as
        a failure does not count as one, and stays pending; a result that came first is recorded.

        Raises:
            EvaluationError: It cannot be ended. The run ends, and the trial stays pending.
        """
        ...

    def close(self) -> None:
        """End what ends with the driver, and let go of the rest; it is called once, also after any other error.

        Raises:
            EvaluationError: Something cannot be ended. It is only logged where another error ended the run.
        """
        ...


@runtime_checkable
class GroupExecutor(Executor, Protocol):
    """An executor that can have several trials trained as one.

    A group takes one slot, which is free again when all of it has ended. What its evaluator yields is an
    :class:`Ended` at once, while the others go on; of a group that dies, what it had yielded is kept.

    To cancel one trial of a group is to no longer wait for it: the others need the process, so that it goes on with
    them, and its end comes as theirs do, a result where it had one. The process ends once all trials in it that have
    not ended are cancelled.
    """

    def submit_together(self, group: Sequence[tuple[Trial, Attempt]]) -> None:
        """Start trials that are trained as one in a free slot; the folders of the attempts are empty.

        Args:
            group: At least two trials, each with its attempt.

        Raises:
            EvaluationError: Nothing can be started, as in :meth:`Executor.submit`.
        """
        ...


@runtime_checkable
class Execution(Protocol):
    """How trials are run: the key ``execution`` of a study file."""

    @property
    def attempts(self) -> int:
        """How often a trial is tried before it counts as failed."""
        ...

    @property
    def max_failures(self) -> int:
        """Failed trials after which a run of the study gives up."""
        ...

    def start(self, evaluator: Evaluator, *, folder: Path | None) -> Executor:
        """Get ready to run trials.

        Args:
            evaluator: What trains. Where trials run in other processes it travels there, and survives pickling.
            folder: The study's; None where the study is kept in memory.

        Raises:
            EvaluationError: The evaluator cannot be run there; a :class:`~bomix.errors.SetupError`, which is one, where
                whoever runs the study can mend it.
        """
        ...


@dataclass(frozen=True)
class ExecutionTraits(ComponentTraits):
    """What an execution may have beyond :class:`Execution`.

    Attributes:
        workers: Trials at a time, where they share a number of slots; a field of this name is what ``--workers`` sets.
        max_lost: How often one trial may be lost (:attr:`Ended.lost`) in one run of the study before it counts as
            failed; None for no limit.
        ask_ahead: New trials that the driver asks for while every slot is taken, so that a slot that becomes free is
            filled at once. Their asks know less: not what the trials come back with that end meanwhile.
        lacks: Takes the study's folder, None where it has none, and returns what keeps this machine, or the cluster
            that it is a part of, from running trials so, in sentences with their cures; `bomix check` warns of them.
    """

    contract: ClassVar[type | None] = Execution

    workers: int | None = None
    max_lost: int | None = None
    ask_ahead: int = 0
    lacks: Callable[[Path | None], Sequence[str]] = lambda folder: ()
