"""Running a study: what its driver sees of it, and the two calls that start one."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bomix.config import registry
from bomix.config.expert_checks import evaluator_faults
from bomix.config.settled import argument
from bomix.contracts.evaluator import EvaluatorTraits
from bomix.contracts.executor import Attempt
from bomix.contracts.queued import LeavingError, QueuedExecution
from bomix.contracts.study import Experts
from bomix.contracts.traits import traits
from bomix.errors import BomixError, Fault, FaultsError, raise_faults
from bomix.study import asking, experts, limits, reweighting, scales, study_scales
from bomix.study.arguments import sound
from bomix.study.confirmation import confirming_trials
from bomix.study.watching import watching
from bomix.trial import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent import futures

    from bomix.config.spec import StudySpec
    from bomix.contracts.callback import Callback
    from bomix.contracts.evaluator import Evaluator
    from bomix.contracts.executor import Execution
    from bomix.execution.observer import Observer
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.recommendation.stopping import Seen
    from bomix.study.records import Records
    from bomix.trial import Outcome, Record, Trial

logger = logging.getLogger(__name__)

RESULTS_SHARE = 0.01
"""Most of a run's time that goes into ``results.nc``: written after each trial as long as trials take a minute."""
REPORT_SHARE = 0.1
"""Most of a run's time that goes into the page, where the study file asks for it: after each trial as long as trials
take ten times as long as a fit."""


def run(
    records: Records,
    *,
    trials: int | None = None,
    workers: int | None = None,
    confirm: int | None = None,
    observer: Observer | None = None,
    callbacks: Sequence[Callback | Callable[..., object] | str | Mapping[str, Any]] = (),
    take_over: bool = False,
    executor: futures.Executor | None = None,
    detach: bool = False,
) -> None:
    """Train until the budget is spent; arguments and errors as those of :meth:`bomix.study.study.Study.run`.

    Args:
        records: The spec and the trials of the study.
        trials: See there, as for those that follow.
        workers: Trials at a time.
        confirm: Fresh seeds.
        observer: What is told.
        callbacks: What is told besides.
        take_over: Replace a driver on another host.
        executor: What trials are run in.
        detach: Whether to submit what can be, record what has ended, and leave without waiting for the rest.
    """
    from bomix.execution.driver import drive
    from bomix.execution.futures import in_executor

    spec = records.spec
    spec = dataclasses.replace(
        spec,
        budget=spec.budget if trials is None else dataclasses.replace(spec.budget, trials=trials),
        execution=spec.execution if workers is None or executor is not None else with_workers(spec.execution, workers),
        confirm=spec.confirm if confirm is None else confirm,
    )
    spec = sound(spec)
    take_over = argument("take_over", bool, take_over)
    told = watching(observer, spec.callbacks, callbacks, records.store.base)
    execution: Execution | None = None if executor is None else in_executor(spec.execution, executor, workers)
    records.spec = spec
    if detach:
        execution = queued_execution(spec.execution, "--detach").leaving()
    with records.glancing(), contextlib.suppress(LeavingError):
        drive(RunningStudy(records, execution), observer=told, take_over=take_over, leaves=detach)


def queued_execution(execution: Execution, option: str) -> QueuedExecution:
    """The same execution, whose trials go on without a driver.

    Args:
        execution: What the study file says.
        option: What needs that, for the message.

    Raises:
        FaultsError: Its trials end with their driver.
    """
    if isinstance(execution, QueuedExecution):
        return execution
    kind = registry.kind_of("executor", type(execution))
    what = f"{option} is for trials that go on without a driver, and those of '{kind}' do not (slurm's do)"
    raise FaultsError([Fault("execution", what)])


def train_experts(records: Records, *, workers: int | None = None, observer: Observer | None = None) -> None:
    """Train the experts that are missing, one per domain, and nothing else.

    Args:
        records: The spec and the trials of the study.
        workers: Processes that train at a time.
        observer: What is told of everything that happens.

    Raises:
        StudyError: The study has no evaluator.
        EvaluationError: Too many trials failed.
    """
    from bomix.execution.driver import drive

    spec = records.spec
    if workers is not None:
        spec = dataclasses.replace(spec, execution=with_workers(spec.execution, workers))
    spec = sound(spec)
    raise_faults(evaluator_faults(spec.evaluator))
    records.spec = spec
    told = watching(observer, spec.callbacks, (), records.store.base)
    with records.glancing():
        drive(RunningStudy(records), observer=told, experts_only=True)


def with_workers(execution: Execution, workers: int) -> Execution:
    """The same execution with so many trials at a time.

    Raises:
        FaultsError: The kind of executor has no key ``workers``.
    """
    assert dataclasses.is_dataclass(execution), "the spec's own faults come first"
    if "workers" not in {field.name for field in dataclasses.fields(execution)}:
        kind = registry.kind_of("executor", type(execution))
        what = f"'{kind}' has no number of trials at a time to change; leave it to the study file"
        raise_faults([Fault("execution.workers", what)])
    return dataclasses.replace(execution, workers=workers)


class RunningStudy:
    """A study as its driver sees it: a :class:`bomix.contracts.study.RunnableStudy`.

    Args:
        records: The spec and the trials of the study.
        execution: How trials are run; as the study file says unless given.
    """

    def __init__(self, records: Records, execution: Execution | None = None) -> None:
        self._records = records
        self._execution = execution
        self._expected: Seen = {}
        self._save_at = -math.inf
        self._report_at = -math.inf
        self._page_failed = False

    @property
    def spec(self) -> StudySpec:
        """The study file, with what the run was told to do otherwise."""
        spec = self._records.spec
        return spec if self._execution is None else dataclasses.replace(spec, execution=self._execution)

    @property
    def problem(self) -> Problem:
        """Space, metrics, objective."""
        return self._records.problem

    @property
    def history(self) -> History:
        """The record as it is now; see :meth:`look`."""
        return self._records.history

    def look(self) -> History:
        """The same, with what others changed a moment ago of trials that had ended."""
        return self._records.look()

    @property
    def folder(self) -> Path | None:
        """The study folder; None in memory."""
        return self._records.folder

    def prepare(self) -> None:
        """Have the evaluator build and measure its inputs, and clear away what killed writers left."""
        self._records.prepare()
        self._records.store.sweep()
        self._clear(record for record in self.history.all_records if record.status is not Status.PENDING)
        scales.warn_of_mixed(self.problem.scale, self.history)

    def ready_evaluator(self) -> Evaluator | None:
        """The evaluator with everything filled in that it takes from the study."""
        return study_scales.ready_evaluator(self.spec, self._records.store.base, self.problem.matching)

    def ask(self, *, expert: bool = False) -> Trial:
        """Propose the next mixture and record it as pending."""
        return asking.ask(self._records, expert=expert)

    def tell(self, trial: Trial, outcome: Outcome) -> Record:
        """Make the end of a trial durable; now and then also write what is derived of all."""
        record = self._records.tell(trial, outcome)
        self._clear([record])
        if (began := time.monotonic()) >= self._save_at:
            self._records.save_results()
            self._save_at = time.monotonic() + (time.monotonic() - began) / RESULTS_SHARE
        if self.spec.report and (began := time.monotonic()) >= self._report_at:
            self._save_page()
            self._report_at = time.monotonic() + (time.monotonic() - began) / REPORT_SHARE
        return record

    def experts(self, history: History, *, wanted: bool = False) -> Experts:
        """Which experts have not come back, where any are wanted.

        Raises:
            StudyError: Experts that are there or pending are of another scale than the study file asks for.
        """
        if not (wanted or self.spec.trains_experts):
            return Experts()
        problem, history = self._records.searched(history)
        scale = scales.of_experts(self.spec.experts, problem.default_scale, study_scales.trainer(self.spec))
        experts.refuse_others(problem, history, scale=scale)
        return Experts(experts.missing(problem, history), experts.waiting(problem, history))

    def exhausted(self, history: History) -> str | None:
        """Why there is no mixture left to ask for, or none that the stated cost has room for; None where there is."""
        strategy, searched = self.spec.strategy, self._records.searched(history)
        return asking.exhausted(*searched, strategy) or limits.too_dear(*searched, strategy)

    def why_stop(self, history: History) -> str | None:
        """Why no further trial is worth it; what was computed once in a run is not computed again."""
        from bomix.recommendation.stopping import why_stop

        spec, searched = self.spec, self._records.searched(history)
        return why_stop(*searched, spec.strategy, spec.budget, seed=spec.seed, seen=self._expected)

    def settled(self, history: History) -> bool:
        """Whether the next ask is the same whatever comes back of the pending trials, and worth it in any case."""
        return asking.settled(self._records, history)

    def confirmations(self) -> list[Trial]:
        """The confirming trials still to run, recorded as pending."""
        found = confirming_trials(self._records, self.spec.confirm)
        return [record.trial for record in found if record.outcome is None]

    def handed(self, trial: Trial) -> Trial:
        """A recorded trial as its evaluator gets it, with what it reads of earlier trials."""
        return trial if trial.reweighting is None else reweighting.with_model(trial, self.history)

    def new_attempt(self, trial: Trial) -> Attempt:
        """Make the folder of a trial's next attempt."""
        return Attempt(*self._records.store.new_attempt(trial.id))

    def last_attempt(self, trial: Trial) -> Attempt | None:
        """The latest attempt at a trial; None where there was none."""
        found = self._records.store.last_attempt(trial.id)
        return None if found is None else Attempt(*found)

    def _clear(self, ended: Iterable[Record]) -> None:
        """Remove what the evaluator kept for further attempts at trials that have ended."""
        names = traits(self.spec.evaluator, EvaluatorTraits).scratch
        self._records.store.clear((record.trial.id for record in ended), names)

    def save_results(self) -> None:
        """Write what is derived at the end of a run: ``results.nc``, and the page where the study file asks for it."""
        self._records.save_results()
        if self.spec.report:
            self._save_page()

    def _save_page(self) -> None:
        """Write the page; what keeps it from being written is logged, a fault with its traceback the first time."""
        from bomix.study.reporting import save_page

        try:
            save_page(self._records)
        except (BomixError, OSError) as error:
            logger.warning("the page could not be written: %s", error)
        except Exception as error:  # whatever fits and figures raise: the record is whole, and the next trial is wanted
            what = f"the page could not be written ({type(error).__name__}: {error}); the search goes on"
            logger.warning(what, exc_info=not self._page_failed)
            self._page_failed = True
