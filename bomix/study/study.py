"""A study: a problem, a strategy, and the record of what was tried.

The only state is the record, in memory or in a folder. ``ask`` reads it and adds a pending trial, ``tell`` ends
one; everything else is derived. Opening the folder again is all that resuming takes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bomix.config import registry
from bomix.config import spec as specs
from bomix.config.build import nested_faults
from bomix.config.expert_checks import evaluator_faults
from bomix.errors import StudyError, raise_faults
from bomix.history import History
from bomix.io.store.files import FolderTaken
from bomix.io.store.result_checks import ForeignRun, accepted, checked_mixtures, checked_runs
from bomix.io.store.study_folder import STUDY_FILE, FolderStore, MemoryStore
from bomix.objectives.reference import resolved, wants_reference
from bomix.space.weights import Weights, same_mixture
from bomix.study import experts, scales
from bomix.study.resolution import Resolution, reopen, resolve
from bomix.trial import IMPORTED, Candidate, Failure, Outcome, Record, Result, Trial

if TYPE_CHECKING:
    import xarray as xr

    from bomix.contracts.evaluator import Evaluator
    from bomix.contracts.objective import Objective
    from bomix.contracts.strategy import Strategy
    from bomix.contracts.surrogate import Surrogate
    from bomix.execution.observer import Observer
    from bomix.problem import Problem
    from bomix.recommendation.recommend import Recommendation
    from bomix.scale import Scale


class Study:
    """Propose mixtures, record losses, recommend.

    The strategy ``auto`` (:class:`~bomix.strategies.auto.Auto`), which a study has unless another is given, chooses by
    the number of domains and metrics and by the budget. Predictions and the recommendation come from the surrogate that
    the strategy uses, or from a Gaussian process of each metric (``gp``) where the strategy has none.

    Example:
        >>> study = bomix.Study(["code", "web"], metrics=["code", "web"], seed=0)
        >>> trial = study.ask()  # pending now; the first mixture is the uniform one
        >>> trial.id, trial.origin, dict(trial.weights)
        (0, 'uniform', {'code': 0.5, 'web': 0.5})
        >>> study.tell(trial, {"code": 2.2, "web": 3.1}).status  # losses of a model trained on that mixture
        <Status.COMPLETED: 'completed'>
        >>> study.add({"code": 0.2, "web": 0.8}, {"code": 2.6, "web": 2.9}).trial.origin  # a run made earlier
        'imported'
        >>> study.dataset.loss.sel(metric="web").values.tolist()  # the record, an xarray dataset
        [3.1, 2.9]
        >>> sorted(study.recommend().weights)
        ['code', 'web']

    Args:
        domains: Names, or name to :class:`~bomix.config.spec.DomainSpec`.
        metrics: Names of the losses (lower is better), or name to :class:`~bomix.config.spec.MetricSpec`.
        seed: Decides everything random.
        path: Folder to keep the study in; None keeps it in memory.
        objective: What is minimised; the mean of the metrics unless given.
        strategy: What proposes mixtures; ``auto`` unless given.
        evaluator: What :meth:`run` trains with.
        target: The run that the study decides about; with the domains' ``tokens`` it caps their weights.
        budget: When :meth:`run` ends.
        execution: How :meth:`run` runs trials.
        recommendation: What becomes of the best mixture before it is recommended.
        experts: Trials on one domain each, which come before all others.
        paired: Whether all trials share one seed.

    Raises:
        FaultsError: Everything that is wrong with the arguments.
        StudyError: The folder has a study file.
        StoreError: The folder holds another study.
    """

    def __init__(
        self,
        domains: Sequence[str] | Mapping[str, specs.DomainSpec],
        metrics: Sequence[str] | Mapping[str, specs.MetricSpec] = (),
        *,
        seed: int = 0,
        path: str | Path | None = None,
        objective: Objective | None = None,
        strategy: Strategy | None = None,
        evaluator: Evaluator | None = None,
        target: specs.TargetSpec | None = None,
        budget: specs.BudgetSpec | None = None,
        execution: specs.ExecutionSpec | None = None,
        recommendation: specs.RecommendationSpec | None = None,
        experts: specs.ExpertsSpec | None = None,
        paired: bool = True,
    ) -> None:
        defaults = {
            **{"objective": objective, "strategy": strategy, "budget": budget, "execution": execution},
            **{"recommendation": recommendation, "experts": experts},
        }
        spec = specs.StudySpec(
            domains=specs.domain_specs(domains),
            metrics=metrics if isinstance(metrics, (Mapping, str)) else tuple(metrics),  # type: ignore[arg-type]
            evaluator=evaluator,
            target=target,
            seed=seed,
            paired=paired,
            **{name: value for name, value in defaults.items() if value is not None},  # type: ignore[arg-type]
        )
        raise_faults([*spec.faults(), *nested_faults(spec)])
        store: FolderStore | MemoryStore = MemoryStore()
        if path is not None:
            if (file := Path(path) / STUDY_FILE).exists():
                raise StudyError(f"{file} says what this study is; use Study.open, or another folder")
            Path(path).mkdir(parents=True, exist_ok=True)
            store = FolderStore(Path(path))
        self._set(spec, store, resolve(spec, store))

    @classmethod
    def open(cls, path: str | Path) -> Study:
        """Open a study folder or a study file; nothing is built or trained.

        Args:
            path: The folder, or the ``study.yaml`` in it.

        Raises:
            ConfigError: There is no study.
            FaultsError: Everything that is wrong in the study file.
            StoreError: A damaged record, or a study file that no longer fits the records.
        """
        spec, store = reopen(Path(path))
        study = cls.__new__(cls)
        study._set(spec, store, None)
        return study

    def _set(self, spec: specs.StudySpec, store: FolderStore | MemoryStore, resolution: Resolution | None) -> None:
        self.spec = spec
        self._store = store
        self._resolution = resolution
        self._seen: Mapping[int, Record] = {}

    @property
    def folder(self) -> Path | None:
        """The study folder; None in memory."""
        return self._store.folder if isinstance(self._store, FolderStore) else None

    @property
    def store(self) -> FolderStore | MemoryStore:
        """Where the records are."""
        return self._store

    @property
    def resolution(self) -> Resolution:
        """The problem and what the evaluator measured; the first use in a new study may build caches.

        Raises:
            FaultsError: Everything that is wrong with the inputs.
            StoreError: The study file no longer fits the records.
        """
        if self._resolution is None:
            self._resolution = resolve(self.spec, self._store)
        return self._resolution

    def prepare(self) -> Resolution:
        """Have the evaluator build and measure its inputs now, and compare them with those the study began with.

        Raises:
            FaultsError: Everything that is wrong with the inputs.
            StoreError: The inputs changed since the first trial.
        """
        self._resolution = resolve(self.spec, self._store, measure=True)
        return self._resolution

    @property
    def problem(self) -> Problem:
        """Space, metrics, objective; what the objective compares with is that of the record as it is now."""
        problem = self.resolution.problem
        return resolved(problem, self.history) if wants_reference(problem) else problem

    @property
    def history(self) -> History:
        """The record as it is now, other processes' additions included."""
        self._seen = {record.trial.id: record for record in self._store.read(self._seen)}
        records = tuple(self._seen.values())
        # Only a run whose scale is known can be of another one, so that most studies are read without resolving them.
        known = any(record.trial.scale is not None for record in records)
        return History(records, self.resolution.problem.scale if known else None)

    @property
    def dataset(self) -> xr.Dataset:
        """The record as an xarray dataset, schema v1."""
        return self.history.to_dataset(self.problem, attrs=self.resolution.attrs(self.spec))

    def ask(self, *, expert: bool = False) -> Trial:
        """Propose the next mixture and record it as pending.

        Args:
            expert: Whether it is to be an expert, though no part of the study needs one.
        """
        problem = self.problem
        while True:
            history = self.history
            candidate = self.next_expert(history, wanted=expert) or self._proposed(problem, history)
            seed = self._search_seed(candidate.weights, history)
            trial = Trial(history.next_id, candidate.weights, seed, candidate.origin, self._scale_of(candidate))
            try:
                return self._store.create(trial)
            except FolderTaken:
                continue  # another process asked meanwhile: its trial is pending now, so ask again

    def next_expert(self, history: History, *, wanted: bool = False) -> Candidate | None:
        """The expert to train before anything else; None where the study wants none, or none more.

        Args:
            history: What was tried.
            wanted: Whether experts are wanted though no part of the study needs them.
        """
        if not (wanted or self.spec.trains_experts):
            return None
        problem = self.problem
        return experts.next_expert(problem, history, scale=scales.of_experts(self.spec.experts, problem.scale))

    def experts_on_the_way(self, history: History) -> list[str]:
        """Domains whose expert has not come back, though all experts were asked for."""
        return experts.waiting(self.problem, history) if self.spec.trains_experts else []

    def tell(self, trial: Trial | int, outcome: Mapping[str, float | None] | Outcome) -> Record:
        """End a pending trial.

        Args:
            trial: The trial, or its id.
            outcome: Metric name to loss, None where it was not measured, or a result, or a failure.

        Raises:
            StudyError: There is no such trial.
            StoreError: The trial has an outcome already.
            FaultsError: A metric is missing, or is no finite number.
        """
        trial_id = trial if isinstance(trial, int) else trial.id
        record = next((record for record in self.history.records if record.trial.id == trial_id), None)
        if record is None:
            raise StudyError(f"there is no trial {trial_id}; `ask` gives the number")
        if not isinstance(outcome, Failure):
            problem = self.problem
            outcome = accepted(
                outcome,
                problem.metric_names,
                problem.space.domains,
                title=f"trial {trial_id}: the result cannot be used:",
            )
            wrong = experts.result_faults(record.trial, outcome, problem, self.history)
            raise_faults(wrong, f"trial {trial_id}: the expert cannot be used:")
        self._store.finish(trial_id, outcome)
        self.save_results()
        return Record(record.trial, outcome)

    def add(
        self, weights: Weights, losses: Mapping[str, float | None] | Result, *, scale: Scale | None = None
    ) -> Record:
        """Record a run that was made elsewhere; it informs every later ask and counts against no budget.

        ``results.nc`` is left to the next ``tell`` or to :meth:`save_results`: tables of runs are long.

        Args:
            weights: Its mixture; bounds need not hold, and a sum within 1 % of one is set right.
            losses: Metric name to loss, None or NaN where it was not measured, or a result.
            scale: Parameters and tokens of the run, where they are known. A run of another scale than the study's is
                recorded and not learnt from; one without a scale counts as one of the study's.

        Raises:
            FaultsError: Everything that is wrong with the mixture and the losses.
        """
        return self.add_all([(weights, losses, scale)])[0]

    def add_all(self, runs: Iterable[ForeignRun]) -> list[Record]:
        """Record many runs as :meth:`add` does; nothing is recorded where anything is wrong with one of them.

        Args:
            runs: Mixture and losses, or mixture, losses and scale, of each.
        """
        checked = checked_runs(runs, self.problem)
        scales.warn_of_others(self.problem.scale, self.history, [candidate.scale for candidate, _ in checked])
        return self._enqueue_all(checked, seed=self.spec.seed)

    def enqueue(self, candidate: Candidate, *, seed: int) -> Record:
        """Record a trial that no strategy asked for as pending."""
        return self._enqueue_all([(candidate, None)], seed=seed)[0]

    def _enqueue_all(self, trials: Sequence[tuple[Candidate, Result | None]], *, seed: int) -> list[Record]:
        """Record trials in a row; the record is read once, and again where another process took a number."""
        added: list[Record] = []
        number = self.history.next_id
        for candidate, outcome in trials:
            while True:
                trial = Trial(number, candidate.weights, seed, candidate.origin, self._scale_of(candidate))
                try:
                    added.append(Record(self._store.create(trial, outcome), outcome))
                    number += 1
                    break
                except FolderTaken:
                    number = self.history.next_id
        return added

    def run(
        self,
        *,
        trials: int | None = None,
        workers: int | None = None,
        confirm: int | None = None,
        observer: Observer | None = None,
        take_over: bool = False,
    ) -> Recommendation:
        """Train until the budget is spent, resuming what was interrupted.

        Args:
            trials: Completed trials in all, imported ones not counted; the study's own budget unless given.
            workers: Trials at a time.
            confirm: Fresh seeds for the confirmation.
            observer: Told of everything that happens.
            take_over: Replace a driver that held the study on another host.

        Raises:
            StudyError: The study has no evaluator.
            EvaluationError: Too many trials failed.
        """
        from bomix.execution.driver import drive

        budget, execution = self.spec.budget, self.spec.execution
        self.spec = dataclasses.replace(
            self.spec,
            budget=budget if trials is None else dataclasses.replace(budget, trials=trials),
            execution=execution if workers is None else dataclasses.replace(execution, workers=workers),
            confirm=self.spec.confirm if confirm is None else confirm,
        )
        raise_faults(self.spec.faults())
        drive(self, observer=observer, take_over=take_over)
        return self.recommend()

    def train_experts(self, *, workers: int | None = None, observer: Observer | None = None) -> None:
        """Train the experts that are missing, one per domain, and nothing else; arguments as of :meth:`run`.

        Raises:
            StudyError: The study has no evaluator.
            EvaluationError: Too many trials failed.
        """
        from bomix.execution.driver import drive

        if workers is not None:
            execution = dataclasses.replace(self.spec.execution, workers=workers)
            self.spec = dataclasses.replace(self.spec, execution=execution)
        raise_faults([*self.spec.faults(), *evaluator_faults(self.spec.evaluator)])
        drive(self, observer=observer, experts_only=True)

    def predict(self, mixtures: Sequence[Weights]) -> xr.Dataset:
        """Predict every metric and the objective.

        Args:
            mixtures: ``n`` mixtures; bounds need not hold, and sums within 1 % of one are set right.

        Returns:
            ``mean``, ``sd``, ``lower``, ``upper`` over (candidate, metric), and the same with ``objective_`` before
            it over candidate: those of a new run, its noise included, the last two a 95 % interval; nats per token.

        Raises:
            StudyError: There is nothing to learn from yet.
        """
        from bomix.numerics.determinism import deterministic
        from bomix.posterior.predict import predict

        history = self.history
        history.require_observations()
        space = self.problem.space
        points = space.to_arrays(checked_mixtures(mixtures, space))
        with deterministic():
            return predict(self.problem, history, self._surrogate(), points, seed=self.spec.seed)

    def validate(self, *, surrogate: Surrogate | None = None) -> xr.Dataset:
        """Predict each trial from the others and score the predictions, per metric and for the objective.

        Args:
            surrogate: What predicts; the study's own unless given.

        Returns:
            Scores and held-out predictions, see :func:`bomix.recommendation.validate.validate`.

        Raises:
            StudyError: There is nothing to learn from yet.
        """
        from bomix.numerics.determinism import deterministic
        from bomix.recommendation.validate import validate

        history = self.history
        history.require_observations()
        with deterministic():
            return validate(self.problem, history, surrogate or self._surrogate(), seed=self.spec.seed)

    def recommend(self) -> Recommendation:
        """The mixture to train on, with its uncertainty, see :mod:`bomix.recommendation.recommend`.

        Raises:
            StudyError: There is nothing to learn from yet.
        """
        from bomix.numerics.determinism import deterministic
        from bomix.recommendation.recommend import recommend

        history = self.history
        history.require_observations()
        with deterministic():
            options = self.spec.recommendation
            return recommend(self.problem, history, self._surrogate(), seed=self.spec.seed, options=options)

    def to_confirm(self) -> Weights:
        """The mixture that the present, or the next, round of confirmations is about.

        Raises:
            StudyError: There is nothing to learn from yet.
        """
        from bomix.numerics.determinism import deterministic
        from bomix.recommendation.decision import to_confirm

        with deterministic():
            options = self.spec.recommendation
            return to_confirm(self.problem, self.history, self._surrogate(), seed=self.spec.seed, options=options)

    def save_results(self) -> None:
        """Write the derived ``results.nc``; nothing in memory."""
        if isinstance(self._store, FolderStore):
            self._store.write_results(self.dataset)

    def _proposed(self, problem: Problem, history: History) -> Candidate:
        """What the strategy asks for."""
        if domains := self.experts_on_the_way(history):
            raise StudyError(
                f"the experts of {', '.join(domains)} are on their way, and the strategy cannot ask without them; tell "
                "their results first"
            )
        (candidate,) = self.spec.ready_strategy(self._store.base).ask(problem, history, 1, seed=self.spec.seed)
        raise_faults(problem.space.faults_of(candidate.weights), "the strategy proposed what is no mixture:")
        return candidate

    def _scale_of(self, candidate: Candidate) -> Scale | None:
        """The scale of a trial: the study's own unless it has another; nothing is known of an imported run's."""
        own = None if candidate.origin == IMPORTED else self.problem.scale
        return own if candidate.scale is None else candidate.scale

    def _surrogate(self) -> Surrogate:
        """The strategy's surrogate, or a Gaussian process where the strategy has none."""
        from bomix.strategies.checks import surrogate_of

        return surrogate_of(self.spec.strategy, self.problem) or registry.resolve("surrogate", "gp")()

    def _search_seed(self, weights: Weights, history: History) -> int:
        """Paired trials share the study's seed and replicates take the next; unpaired ones have one each."""
        asked = history.asked
        if not self.spec.paired:
            return self.spec.seed + len(asked)
        return self.spec.seed + sum(same_mixture(record.trial.weights, weights) for record in asked)
