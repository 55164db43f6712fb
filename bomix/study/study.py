"""A study: a problem, a strategy, and the record of what was tried.

The only state is the record, in memory or in a folder. ``ask`` reads it and adds a pending trial, ``tell`` ends
one; everything else is derived. Opening the folder again is all that resuming takes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from bomix.config import sections
from bomix.config.budget import BudgetSpec
from bomix.config.constraint_spec import ConstraintSpec, constraint_specs
from bomix.config.scale_spec import StudyScaleSpec, scale_specs
from bomix.config.settled import argument
from bomix.config.spec import StudySpec
from bomix.config.tree_spec import NodeSpec, tree_specs
from bomix.contracts.evaluator import Evaluator
from bomix.io.store.incoming import checked_mixtures
from bomix.io.store.memory_store import MemoryStore
from bomix.space.weights import Weights
from bomix.study import asking, nested, shown
from bomix.study.arguments import folder_path, new_folder, sound, surrogate_of, typed
from bomix.study.plots import Plots
from bomix.study.records import Records
from bomix.study.resolution import reopen, resolve
from bomix.study.study_scales import named_scale, scale_of_study
from bomix.study.surrogate import study_surrogate
from bomix.study.told import told
from bomix.trial import Outcome, Record, Result, Trial

if TYPE_CHECKING:
    from concurrent import futures

    import xarray as xr

    from bomix.contracts.callback import Callback
    from bomix.contracts.executor import Execution
    from bomix.contracts.objective import Objective
    from bomix.contracts.strategy import Strategy
    from bomix.contracts.surrogate import Surrogate
    from bomix.execution.observer import Observer
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.recommendation.recommend import Recommendation
    from bomix.scale import Scale
    from bomix.study.extending import Extended


Plain: TypeAlias = str | Mapping[str, Any]
"""A part as a study file has it: a kind, or a mapping of keys."""


class Study:
    """Propose mixtures, record losses, recommend.

    The strategy ``auto`` (:class:`~bomix.strategies.auto.Auto`), which a study has unless another is given, chooses by
    the number of domains and metrics and by the budget; ``bomix check`` says what. Predictions and the recommendation
    come from the surrogate that the strategy has, or from a Gaussian process of each metric (``gp``).

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

    Every part may be given as a study file has it: ``strategy="turbo"``, ``{"kind": "turbo", "n_init": 12}``,
    ``budget={"trials": 32}``, ``domains={"web": {"tokens": "20B"}}``. A class of one's own is
    ``"my_package.my_module:MyClass"``, whose module may lie in the folder of the study.

    Args:
        domains: Names, or name to :class:`~bomix.config.sections.DomainSpec`.
        metrics: Names of the losses (lower is better), or name to :class:`~bomix.config.sections.MetricSpec`.
        seed: Decides everything random.
        path: Folder to keep the study in; None keeps it in memory.
        objective: What is minimised; the mean of the metrics unless given.
        strategy: What proposes mixtures; ``auto`` unless given.
        evaluator: What :meth:`run` trains with.
        target: The run that the study decides about; with the domains' ``tokens`` it caps their weights.
        budget: When :meth:`run` ends.
        execution: How :meth:`run` runs trials; one at a time on this machine unless given.
        recommendation: What becomes of the best mixture before it is recommended.
        experts: Trials on one domain each, which come before all others.
        paired: Whether all trials share one seed.
        own: Metric to its own domain, where their names differ.
        replicates: ``uniform`` or ``natural`` to the trials that are spent on it, each on another seed.
        scales: Name to scale where the study has several: runs of all of them are learnt from, and one is decided about
            (``target.scale``), the dearest unless it is named.
        constraints: Sums of weights between two ends, each a :class:`~bomix.config.constraint_spec.ConstraintSpec` or
            its keys, as ``{"domains": ["web/*"], "at_most": 0.6}``.
        phases: Name of the last phase of a training to its share of the tokens, as ``{"anneal": 0.2}``, or of both:
            every mixture is one of each phase then, its weights called ``anneal:web``; see
            :class:`bomix.space.phases.Phases`, which ``study.problem.phases`` is.
        tree: Node of the tree that names with ``/`` form to how the shares inside it are found, a
            :class:`~bomix.config.tree_spec.NodeSpec` or its keys, as ``{"web": {"inside": "natural"}}``.
        report: Whether :meth:`run` writes ``report.html`` into the folder as trials come back.

    Raises:
        FaultsError: Everything that is wrong with the arguments.
        StudyError: The folder has a study file.
        StoreError: The folder holds another study.
    """

    def __init__(
        self,
        domains: Sequence[str] | Mapping[str, sections.DomainSpec],
        metrics: Sequence[str] | Mapping[str, sections.MetricSpec] = (),
        *,
        seed: int = 0,
        path: str | Path | None = None,
        objective: Objective | Plain | None = None,
        strategy: Strategy | Plain | None = None,
        evaluator: Evaluator | Plain | None = None,
        target: sections.TargetSpec | Plain | None = None,
        budget: BudgetSpec | Plain | None = None,
        execution: Execution | Plain | None = None,
        recommendation: sections.RecommendationSpec | Plain | None = None,
        experts: sections.ExpertsSpec | Plain | None = None,
        paired: bool = True,
        own: Mapping[str, str] | None = None,
        replicates: Mapping[str, int] | None = None,
        scales: Mapping[str, StudyScaleSpec | Mapping[str, object]] | None = None,
        constraints: Sequence[ConstraintSpec | Mapping[str, object]] = (),
        phases: Mapping[str, float] | None = None,
        tree: Mapping[str, NodeSpec | Mapping[str, object]] = MappingProxyType({}),
        report: bool = False,
    ) -> None:
        given: dict[str, object] = {
            "objective": objective,
            "strategy": strategy,
            "budget": budget,
            "execution": execution,
        }
        given |= {"recommendation": recommendation, "experts": experts, "own": own, "replicates": replicates}
        given |= {"constraints": constraint_specs(constraints), "phases": phases, "tree": tree_specs(tree)}
        if scales is not None:  # their keys stand over those of the evaluator
            made: Evaluator | None = argument("evaluator", Evaluator | None, evaluator)
            evaluator, given["scales"] = made, scale_specs(scales, made)
        spec = StudySpec(
            domains=sections.domain_specs(domains),
            metrics=sections.listed("metrics", metrics, sections.MetricSpec),
            evaluator=evaluator,  # type: ignore[arg-type]  # plain data is made a part in `sound`
            target=target,  # type: ignore[arg-type]
            seed=seed,
            paired=paired,
            report=report,
            **{name: value for name, value in given.items() if value is not None},  # type: ignore[arg-type]
        )
        spec = sound(spec, None if path is None else folder_path(path))
        store = MemoryStore() if path is None else new_folder(path)
        self._records = Records(spec, store, resolve(spec, store))
        self._plots = Plots(self._records)

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
        spec, store = reopen(folder_path(path))
        study = cls.__new__(cls)
        study._records = Records(spec, store)
        study._plots = Plots(study._records)
        return study

    @property
    def spec(self) -> StudySpec:
        """The study file."""
        return self._records.spec

    @spec.setter
    def spec(self, spec: StudySpec) -> None:
        self._records.spec = typed(spec)

    @property
    def records(self) -> Records:
        """What the study keeps, and calls that look after it: many runs at once, inputs, ``results.nc``."""
        return self._records

    @property
    def folder(self) -> Path | None:
        """The study folder; None in memory."""
        return self._records.folder

    @property
    def problem(self) -> Problem:
        """Space, metrics, objective; what the objective compares with is that of the record as it is now."""
        return self._records.problem

    @property
    def history(self) -> History:
        """The record as it is now, other processes' additions included; nothing is built to read it."""
        return self._records.history

    @property
    def dataset(self) -> xr.Dataset:
        """The record as an xarray dataset, schema v1."""
        return self._records.dataset

    @property
    def plot(self) -> Plots:
        """Figures: ``study.plot.weights()``, ``study.plot.slices("code")``, ... are plotly figures."""
        return self._plots

    def __repr__(self) -> str:
        return shown.study_line(self._records)

    def _repr_html_(self) -> str:
        return shown.study_html(self._records)

    @overload
    def ask(self, n: None = None, *, expert: bool = False) -> Trial: ...

    @overload
    def ask(self, n: int, *, expert: bool = False) -> list[Trial]: ...

    def ask(self, n: int | None = None, *, expert: bool = False) -> Trial | list[Trial]:
        """Propose the next mixture, or the next ``n``, and record them as pending.

        Args:
            n: Mixtures that are wanted, in a list then; it holds fewer where the study has no more, which is logged.
            expert: Whether it is to be an expert, though no part of the study needs one.

        Raises:
            StudyError: Nothing is left to ask for.
        """
        expert = argument("expert", bool, expert)
        if n is None:
            return asking.ask(self._records, expert=expert)
        return asking.ask_several(self._records, argument("n", int, n), expert=expert)

    def tell(self, trial: Trial | int, outcome: Mapping[str, Any] | Outcome | str | os.PathLike[str] | float) -> Record:
        """End a pending trial.

        Args:
            trial: The trial, or its id.
            outcome: Metric name to loss (of a study of one metric the number alone will do), None where it was not
                measured; or a result, or a failure; or what a result file of ``bomix tell`` holds (``{"losses": ...}``,
                ``{"failure": ...}``), or the path of such a file.

        Raises:
            StudyError: There is no such trial.
            StoreError: The trial has an outcome already.
            FaultsError: A metric is missing, or is no finite number.
        """
        return self._records.tell(trial, told(outcome, self._records))

    def withdraw(self, trial: Trial | int, *, why: str) -> Record:
        """Have a trial count for nothing from now on; the record keeps it, and ``why``. Errors as of :meth:`tell`."""
        return self._records.withdraw(trial, why=why)

    def add(
        self, weights: Weights, losses: Mapping[str, float | None] | Result, *, scale: Scale | str | None = None
    ) -> Record:
        """Record a run that was made elsewhere; it informs every later ask and counts against no budget.

        ``records.add_all`` takes many at once.

        Args:
            weights: Its mixture, a row of a pandas table say; bounds need not hold, and a sum within 1 % of one is set
                right. An array without names is refused: domains have no order that all agree on.
            losses: Metric name to loss, None or NaN where it was not measured, or a result.
            scale: Parameters and tokens of the run, where they are known, or the name of one of the study's scales. A
                run of another scale than the study's is recorded and not learnt from; one without a scale counts as
                one of the study's, where it has several as one of the scale that is decided about.

        Raises:
            FaultsError: Everything that is wrong with the mixture and the losses.
        """
        return self._records.add_all([(weights, losses, named_scale(self._records.resolution.problem, scale))])[0]

    def extend(
        self,
        later: Study | str | Path,
        *,
        map: Mapping[str, str | Mapping[str, float | None]] | None = None,
        drop: Sequence[str] = (),
        refilter: Sequence[str] = (),
        add: Sequence[str] = (),
        metrics: Mapping[str, str] | None = None,
        exact: bool = False,
        other_recipe: bool = False,
    ) -> Extended:
        """Carry the runs over to a later study whose domains are others, see :mod:`bomix.study.extending`.

        Args:
            later: The later study, or its path.
            map: Domain of this study to what it is in the later one: another name, or names to the shares of its text,
                None where tokens are to say them.
            drop: Domains that the later study has no more.
            refilter: Domains of the later study whose text is another now.
            add: Domains that no domain of this study is part of; those that are not named are found.
            metrics: Metric of this study to its name in the later one, where that is another.
            exact: Whether only runs come over that are runs of the later study without reservation.
            other_recipe: Whether runs come over though they were trained in another way.

        Raises:
            FaultsError: Everything that is wrong; nothing is recorded then.
            StudyError: The studies are one, or this one has no run.
        """
        from bomix.io.imports.domain_changes import DomainChanges
        from bomix.study.extending import extend

        parts = {old: {new: None} if isinstance(new, str) else dict(new) for old, new in (map or {}).items()}
        changes = DomainChanges(parts, tuple(drop), tuple(refilter), tuple(add))
        into = (later if isinstance(later, Study) else Study.open(later)).records
        return extend(self._records, into, changes, metrics=metrics, exact=exact, other_recipe=other_recipe)

    def run(
        self,
        *,
        trials: int | None = None,
        workers: int | None = None,
        confirm: int | None = None,
        observer: Observer | None = None,
        callbacks: Sequence[Callback | Callable[..., object] | Plain] = (),
        take_over: bool = False,
        executor: futures.Executor | None = None,
    ) -> Recommendation:
        """Train until the budget is spent, resuming what was interrupted.

        Args:
            trials: Completed trials in all, imported ones not counted; the study's own budget unless given.
            workers: Trials at a time.
            confirm: Fresh seeds for the confirmation.
            observer: Told of everything that happens.
            callbacks: Told of trials that ended, beside those of the study file: functions of the study and the record
                of the trial, objects (:mod:`bomix.contracts.callback`), or kinds (``"wandb"``). What one of them raises
                is logged, and neither ends the run nor loses a trial.
            take_over: Replace a driver that held the study on another host.
            executor: What trials are run in, of Dask, Parsl or mpi4py say; the study's own ``execution`` unless given.
                It is not shut down. Its workers see the study folder under the same path.

        Raises:
            StudyError: The study has no evaluator.
            EvaluationError: Too many trials failed, or the executor runs nothing any more.
        """
        from bomix.study.running import run

        run(
            self._records,
            trials=trials,
            workers=workers,
            confirm=confirm,
            observer=observer,
            callbacks=callbacks,
            take_over=take_over,
            executor=executor,
        )
        return self.recommend()

    def predict(self, mixtures: Sequence[Weights], *, scale: Scale | str | None = None) -> xr.Dataset:
        """Predict every metric and the objective by the surrogate that recommends, see :class:`Study`.

        Args:
            mixtures: ``n`` mixtures, or a pandas table of them; bounds need not hold, and sums within 1 % of one are
                set right.
            scale: One of several scales of the study, or its name; the one that is decided about unless given.

        Returns:
            ``mean``, ``sd``, ``lower``, ``upper`` over (candidate, metric), and the same with ``objective_`` before
            it over candidate: those of a new run, its noise included, the last two a 95 % interval; nats per token.

        Raises:
            StudyError: There is nothing to learn from yet.
        """
        from bomix.numerics.determinism import deterministic
        from bomix.posterior.predict import predict

        problem, history = self._records.to_learn_from()
        whole = self.problem
        points = problem.space.to_arrays(nested.to_predict(whole, checked_mixtures(mixtures, whole.space)))
        at = scale_of_study(problem, scale)
        with deterministic():
            return predict(problem, history, self._surrogate(), points, seed=self.spec.seed, scale=at)

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

        given = None if surrogate is None else surrogate_of(surrogate)
        problem, history = self._records.to_learn_from()
        with deterministic():
            return validate(problem, history, given or self._surrogate(), seed=self.spec.seed)

    def recommend(self) -> Recommendation:
        """The mixture to train on, with its uncertainty, see :mod:`bomix.recommendation.recommend`.

        Raises:
            StudyError: There is nothing to learn from yet.
        """
        from bomix.numerics.determinism import deterministic
        from bomix.recommendation.recommend import recommend

        problem, history = self._records.to_learn_from()
        with deterministic():
            options = self.spec.recommendation
            best = recommend(problem, history, self._surrogate(), seed=self.spec.seed, options=options)
        best = nested.recommended(self.problem, best)
        return replace(best, warnings=(*best.warnings, *map(str, self._records.quarantined())))

    def _surrogate(self) -> Surrogate:
        """The strategy's surrogate, or a Gaussian process where the strategy has none."""
        return study_surrogate(self.spec, self.problem.searched)
