"""The study file as frozen specs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bomix.config import registry
from bomix.config.budget import BudgetSpec
from bomix.config.build import filled_field
from bomix.config.components import misspelt_traits
from bomix.config.constraint_spec import ConstraintSpec, named_faults
from bomix.config.expert_checks import expert_faults, wanted
from bomix.config.phase_spec import phases_of_study, study_faults
from bomix.config.replicate_checks import replicate_faults
from bomix.config.reweighting_checks import reweighting_faults, too_few_trials
from bomix.config.scale_spec import StudyScaleSpec, scale_faults
from bomix.config.sections import (
    DomainSpec,
    ExpertsSpec,
    MetricSpec,
    RecommendationSpec,
    TargetSpec,
    declared_metrics,
    metric_faults,
)
from bomix.config.tree_spec import NodeSpec, searched, tree_faults
from bomix.contracts.callback import Callback
from bomix.contracts.evaluator import Evaluator, EvaluatorTraits
from bomix.contracts.executor import Execution
from bomix.contracts.objective import Objective, ObjectiveTraits
from bomix.contracts.strategy import Strategy, StrategyTraits
from bomix.contracts.traits import field_values, traits
from bomix.errors import Fault
from bomix.io.store.plain import short
from bomix.objectives.weighted import Mean
from bomix.problem import Metric
from bomix.space.negligible import NEGLIGIBLE
from bomix.space.phases import Phases
from bomix.trial import EXPERT, UNCOUNTED_ORIGINS, Record

if TYPE_CHECKING:
    from bomix.history import History

MAX_SEED = 2**62
"""Replicates and confirming seeds lie above the study's and must fit into 64 bits."""


@dataclasses.dataclass(frozen=True)
class StudySpec:
    """A study file.

    Attributes:
        domains: Name to domain.
        evaluator: What turns a mixture into losses; None where results are told from outside.
        metrics: Names, or name to unit and direction; needed only where the evaluator does not say.
        objective: What is minimised.
        strategy: What proposes mixtures.
        scales: Name to scale where the study has several: runs of all of them are learnt from, and ``target.scale`` is
            decided about. Keys of the evaluator may stand in each, over those of ``evaluator``.
        target: The run that the study decides about; its tokens cap the weights of small domains.
        seed: Decides everything random.
        paired: Whether all trials share initialisation and data order, which lowers the noise between mixtures.
        budget: When the search ends.
        confirm: Fresh seeds on which the recommendation is trained once more, beside uniform and natural.
        execution: How trials are run.
        recommendation: What becomes of the best mixture before it is recommended.
        experts: Trials on one domain each, which come before all others.
        own: Metric to its own domain, the one that it falls with, where its name is not that of the domain.
        negligible: Weight below which a domain is left out of a mixture; a tenth of its cap or of its natural share
            where that is less, but no less than one sequence of the target.
        replicates: Anchor (``uniform``, ``natural``) to the trials that are spent on it, each on a seed of its own, so
            that it is known by how much repeats differ.
        callbacks: What runs of the study tell of their trials: loggers of Weights & Biases, MLflow, TensorBoard and
            trackio, or classes of your own. They change no trial.
        constraints: Sums of weights, of named or globbed domains, between two ends; every mixture keeps them.
        phases: Name of the last phase of a training to its share of the tokens, or of both phases in their order: a
            mixture is then one of each. Empty for one mixture from the first token to the last.
        tree: Node of the tree that names with ``/`` form to how the shares inside it are found; what is not free is
            searched as one domain. It may change while a study runs.
        report: Whether ``bomix optimize`` writes ``report.html`` anew as trials come back.
    """

    domains: Mapping[str, DomainSpec]
    evaluator: Evaluator | None = None
    metrics: tuple[str, ...] | Mapping[str, MetricSpec] = ()
    objective: Objective = dataclasses.field(default_factory=Mean)
    strategy: Strategy = dataclasses.field(default_factory=lambda: registry.resolve("strategy", "auto")())
    scales: Mapping[str, StudyScaleSpec] = dataclasses.field(default_factory=dict)
    target: TargetSpec | None = None
    seed: int = 0
    paired: bool = True
    budget: BudgetSpec = dataclasses.field(default_factory=BudgetSpec)
    confirm: int = 0
    execution: Execution = dataclasses.field(default_factory=lambda: registry.resolve("executor", "local")())
    recommendation: RecommendationSpec = dataclasses.field(default_factory=RecommendationSpec)
    experts: ExpertsSpec = dataclasses.field(default_factory=ExpertsSpec)
    own: Mapping[str, str] = dataclasses.field(default_factory=dict)
    negligible: float = NEGLIGIBLE
    replicates: Mapping[str, int] = dataclasses.field(default_factory=dict)
    callbacks: tuple[Callback, ...] = ()
    constraints: tuple[ConstraintSpec, ...] = ()
    phases: Mapping[str, float] = dataclasses.field(default_factory=dict)
    tree: Mapping[str, NodeSpec] = dataclasses.field(default_factory=dict)
    report: bool = False

    def faults(self) -> list[Fault]:
        """What can be seen without looking at any data, where every value is of the type of its field."""
        faults = metric_faults(self.metrics)
        components = {"evaluator": self.evaluator, "objective": self.objective, "strategy": self.strategy}
        for key, part in {**components, "execution": self.execution}.items():
            if part is not None and not dataclasses.is_dataclass(part):
                faults.append(Fault(key, f"{type(part).__name__} must be a dataclass, so that the study can record it"))
        if not isinstance(self.execution, Execution):
            what = f"{type(self.execution).__name__} lacks one of 'start', 'attempts' and 'max_failures'"
            faults.append(Fault("execution", f"{what}; see bomix.contracts.executor.Execution, or leave the key out"))
        if not self.domains:
            faults.append(Fault("domains", "a study needs at least one domain"))
        if self.evaluator is None and not self.metrics:
            faults.append(Fault("metrics", "name the metrics, or give an evaluator that measures them"))
        if not 0 <= self.seed < MAX_SEED:
            faults.append(Fault("seed", f"expected a whole number from 0, below 2^62, found {short(self.seed)}"))
        if not 0.0 <= self.negligible <= 0.1:
            faults.append(Fault("negligible", f"expected a weight from 0 to 0.1, found {self.negligible:g}"))
        faults += scale_faults(self.scales, self.target, self.evaluator)
        if self.target is not None and self.target.tokens is None and not self.scales:
            faults.append(Fault("target.tokens", "missing key 'tokens'"))
        faults += [Fault(f"budget.{each.where}", each.what) for each in self.budget.scale_faults(tuple(self.scales))]
        faults += replicate_faults(self.replicates, self.budget.trials)
        faults += named_faults(self.constraints, tuple(self.domains))
        trained = {"evaluator": self.evaluator}
        trained |= {f"scales.{name}.evaluator": each.evaluator for name, each in self.scales.items()}
        faults += study_faults(
            self.phases,
            tuple(self.domains),
            experts=self.trains_experts,
            strategy=self.strategy,
            evaluators=trained,
        )
        faults += tree_faults(self.tree, tuple(self.domains), phases=bool(self.phases))
        if self.confirm < 0:
            faults.append(Fault("confirm", f"expected a number of seeds from 0, found {self.confirm}"))
        if self.budget.improvement is not None and not traits(self.strategy, StrategyTraits).can_expect:
            kind = type(self.strategy).__name__
            what = f"{kind} has no surrogate that could expect an improvement; leave it out, or use 'bayesian'"
            faults.append(Fault("budget.improvement", what))
        if self.budget.improvement is not None and traits(self.objective, ObjectiveTraits).is_trade_off:
            what = "a trade-off improves by a volume, which has no unit; leave it out, or take another objective"
            faults.append(Fault("budget.improvement", what))
        if self.budget.improvement is not None and self.scales:
            what = "a study of several scales chooses runs that tell of the target, which need not improve on it"
            faults.append(Fault("budget.improvement", f"{what}; leave it out, and take 'cost' or 'trials'"))
        faults += misspelt_traits(self)
        faults += expert_faults(
            self.experts.train,
            strategy=self.strategy,
            evaluator=self.evaluator,
            domains=self.searched,
            trials=self.budget.trials if self.experts.counted else None,
        )
        faults += reweighting_faults(self.strategy, self.evaluator)
        faults += too_few_trials(self.strategy, self.trials_to_search)
        if self.trains_on_sources:
            faults += self._source_faults()
            faults += [
                Fault(f"domains.{name}.source", "missing; this evaluator trains on the domain's text")
                for name, domain in self.domains.items()
                if domain.source is None
            ]
        return faults

    @property
    def trains_experts(self) -> bool:
        """Whether experts come before all other trials."""
        return wanted(self.experts.train, self.strategy)

    def counted(self, history: History) -> tuple[Record, ...]:
        """The trials that cost budget."""
        return tuple(record for record in history.records if self.counts(record.trial.origin))

    def counts(self, origin: str) -> bool:
        """Whether trials of an origin cost budget: those that a strategy asks for, and experts that the study needs.

        Experts that it does not need cost nothing, as runs that were imported.
        """
        return origin not in UNCOUNTED_ORIGINS or (origin == EXPERT and self._experts_count)

    @property
    def trials_to_search(self) -> int | None:
        """The trials of the budget without the experts that are part of it; None where it has no limit of trials."""
        return None if self.budget.trials is None else self.budget.trials - self.searched * self._experts_count

    @property
    def searched(self) -> int:
        """How many things are weighed: nodes whose inside is fixed, and domains outside of them."""
        return searched(tuple(self.domains), self.tree)

    @property
    def _experts_count(self) -> bool:
        return self.experts.counted and self.trains_experts

    @property
    def trains_on_sources(self) -> bool:
        """Whether the evaluator declares a field that is filled from the sources of the domains."""
        return filled_field(self.evaluator, "domains") is not None

    def _source_faults(self) -> list[Fault]:
        """Text that an evaluator made in Python was given for domains, and that is not what these have."""
        name = filled_field(self.evaluator, "domains")
        given = {} if name is None else field_values(self.evaluator)[name] or {}
        if all(domain in self.domains and self.domains[domain].source == each for domain, each in given.items()):
            return []
        what = "a study takes the text of its domains from them, and this is other text, or of other domains"
        cure = f"give it with the domain, as bomix.DomainSpec(source=...), and leave '{name}' out"
        return [Fault(f"evaluator.{name}", f"{what}; {cure}")]

    def declared_metrics(self) -> tuple[Metric, ...]:
        """The metrics that the file names; empty where it leaves them to the evaluator."""
        return declared_metrics(self.metrics)

    def ready_evaluator(self, folder: Path) -> Evaluator | None:
        """The evaluator with the sources of the domains filled in.

        Args:
            folder: What relative paths are relative to.
        """
        return None if self.evaluator is None else self._ready(self.evaluator, folder)

    def evaluator_at(self, scale: str) -> Evaluator | None:
        """What trains at one of several scales, as the file has it; None where nothing does."""
        spec = self.scales[scale]
        return (spec.evaluator or self.evaluator) if spec.train else None

    def ready_evaluator_at(self, scale: str, folder: Path) -> Evaluator | None:
        """The same with the sources of the domains filled in; ``folder`` is what relative paths are relative to."""
        evaluator = self.evaluator_at(scale)
        return None if evaluator is None else self._ready(evaluator, folder)

    def _ready(self, evaluator: Evaluator, folder: Path) -> Evaluator:
        if (name := filled_field(evaluator, "domains")) is not None:
            sources = {domain: spec.source for domain, spec in self.domains.items()}
            evaluator = dataclasses.replace(evaluator, **{name: sources})  # type: ignore[type-var]
        if self.phases and (name := filled_field(evaluator, "phases")) is not None:
            names, shares = zip(*phases_of_study(self.phases), strict=True)
            known = Phases(names, shares, tuple(sorted(self.domains)))
            evaluator = dataclasses.replace(evaluator, **{name: known})  # type: ignore[type-var]
        relative = traits(evaluator, EvaluatorTraits).relative_to
        return evaluator if relative is None else relative(folder)

    def ready_strategy(self, folder: Path) -> Strategy:
        """The strategy; ``folder`` is what relative paths are relative to."""
        relative = traits(self.strategy, StrategyTraits).relative_to
        return self.strategy if relative is None else relative(folder)
