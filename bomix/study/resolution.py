"""From a study spec to a problem: what the evaluator measures, the caps that follow, what is frozen.

``resolved.json`` keeps all of it. Once a trial is asked for, whatever makes losses comparable is frozen: the
domains and their sources, the evaluator, the seed, the hashes of tokenizer and tokens. Strategy, objective,
target, budget and execution may change. Where all trials failed only the names of the domains are frozen.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bomix.config import sections, study_file
from bomix.config.build import plain
from bomix.config.components import child
from bomix.config.constraint_spec import constraints_of
from bomix.config.registry import modules_of
from bomix.config.scale_spec import build_study
from bomix.config.spec import StudySpec
from bomix.config.tree_spec import inside_of
from bomix.contracts.evaluator import EvaluatorTraits, PreparingEvaluator
from bomix.contracts.objective import ObjectiveTraits
from bomix.contracts.preparation import Preparation
from bomix.contracts.strategy import Strategy, StrategyTraits
from bomix.contracts.traits import traits
from bomix.errors import ConfigError, Fault, FaultsError, raise_faults
from bomix.io.store.memory_store import MemoryStore
from bomix.io.store.study_folder import RESOLVED_FILE, STUDY_FILE, FolderStore
from bomix.laws.own_domain import own_faults
from bomix.objectives.reference import missing_reference
from bomix.problem import Problem, StudyScale
from bomix.scale import Scale
from bomix.space.mixture_space import MixtureSpace
from bomix.space.negligible import negligible_weights
from bomix.space.tree import closed
from bomix.study import repetition, resolved_file, scales, study_scales, units
from bomix.study.frozen import refuse
from bomix.study.frozen_file import file_changes
from bomix.study.frozen_scales import refuse_measured, tell_moved
from bomix.study.limits import never_fits
from bomix.study.nested import nested_of, tell_opened
from bomix.study.phases import phased
from bomix.trial import EXPERT, Status

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Resolution:
    """A study spec with everything that follows from it.

    Attributes:
        problem: Space, metrics, objective.
        preparation: What the evaluator measured.
    """

    problem: Problem
    preparation: Preparation

    def attrs(self, spec: StudySpec) -> dict[str, Any]:
        """Attributes of the dataset: the resolved study and its provenance."""
        own, matching = self.problem.scale, self.problem.matching
        return {
            "study": json.dumps(plain(spec), sort_keys=True),
            "provenance": json.dumps(dict(self.preparation.provenance), sort_keys=True),
            **({} if own is None else {"scale": json.dumps(own.to_data(), sort_keys=True)}),
            **({"target": self.problem.scale_name(own)} if self.problem.scales else {}),
            **({} if matching is None else {"matching": json.dumps(matching.to_data(), sort_keys=True)}),
        }


def reopen(path: Path) -> tuple[StudySpec, FolderStore]:
    """Spec and store of a study folder, or of a study file.

    Raises:
        ConfigError: There is no study.
        FaultsError: Everything that is wrong in the study file.
    """
    folder = path if path.is_dir() else path.parent
    file = folder / STUDY_FILE if path.is_dir() else path
    if file.is_file():
        return study_file.load(file), FolderStore(folder, file)
    store = FolderStore(folder)
    if not path.is_dir() or (resolved := resolved_file.read(store)) is None:
        raise ConfigError(f"no study at {path}: expected a folder with {STUDY_FILE}; `bomix init {path}` writes one")
    with modules_of(folder):
        spec, faults = build_study(StudySpec, resolved.get("spec"))
    raise_faults(faults, f"{folder / RESOLVED_FILE} cannot be read by this version:")
    assert spec is not None
    return spec, store


def resolve(spec: StudySpec, store: FolderStore | MemoryStore, *, measure: bool = False) -> Resolution:
    """Resolve a study, and keep the result in its folder.

    Args:
        spec: The study.
        store: The folder, or the memory, that keeps the records of the study.
        measure: Ask the evaluator even where ``resolved.json`` holds an earlier answer.

    Raises:
        FaultsError: Everything that is wrong with the inputs, with its lines where there is a study file.
        StoreError: Something frozen changed since the first trial.
    """
    try:
        return _resolve(spec, store, measure=measure)
    except FaultsError as error:
        if isinstance(store, FolderStore) and store.file is not None:
            raise study_file.located(error.faults, spec, store.file) from error
        raise


def _resolve(spec: StudySpec, store: FolderStore | MemoryStore, *, measure: bool) -> Resolution:
    earlier = resolved_file.read(store)
    before = begun = None
    several: tuple[StudyScale, ...] = ()
    target: Scale | None = None
    ran: list[StudyScale] | None = None
    # A trial that is pending is being trained as the study was when it was asked for.
    if (furthest := store.furthest()) is not None:
        failed = furthest is Status.FAILED
        if earlier is not None:
            changed, ran = file_changes(spec, store, earlier, furthest)
            refuse(changed, "study file", furthest)
            several, target = resolved_file.several_scales(earlier)
            before = None if failed else resolved_file.preparation_of(earlier)
            begun = None if failed else repetition.Begun(resolved_file.matching_of(earlier))
        elif isinstance(store, FolderStore):
            logger.warning(
                "%s is missing: whether the study is still the one that its trials belong to cannot be checked",
                store.folder / RESOLVED_FILE,
            )
    preparation = _prepare(spec, store) if before is None or measure else before
    problem = _problem(spec, preparation, store.base, begun, told=before is not preparation)
    if before is not None:
        assert furthest is not None, "something was measured before"
        refuse_measured(before, preparation, furthest, scales=problem.scales, ran=ran)
        tell_moved(store, target if several else before.scale, problem)
    resolution = Resolution(problem, preparation)
    changed_since = problem.scales != several or (bool(several) and problem.scale != target)
    changed_since |= tell_opened(earlier, spec, before=furthest is not None)
    if isinstance(store, FolderStore) and (preparation is not before or changed_since):
        resolved_file.write(store, spec, resolution.problem, preparation)
    return resolution


def as_measured(spec: StudySpec, store: FolderStore | MemoryStore) -> Resolution | None:
    """A study by what was measured when it was last resolved, to look at; None where nothing was, and of others then.

    Raises:
        FaultsError: Everything that is wrong with the study itself.
        StoreError: What the folder keeps is damaged.
    """
    if (kept := resolved_file.read(store)) is None:
        return None
    preparation = resolved_file.preparation_of(kept)
    if not isinstance(spec.evaluator, PreparingEvaluator) or set(preparation.domains) != set(spec.domains):
        return None
    begun = repetition.Begun(resolved_file.matching_of(kept)) if store.furthest() is not None else None
    return Resolution(_problem(spec, preparation, store.base, begun), preparation)


def _prepare(spec: StudySpec, store: FolderStore | MemoryStore) -> Preparation:
    evaluator = study_scales.ready_evaluator(spec, store.base)
    declared = spec.declared_metrics()
    if not isinstance(evaluator, PreparingEvaluator):
        return Preparation(metrics=declared)
    local = traits(evaluator, EvaluatorTraits).faults_before_network(tuple(spec.domains))
    if local is not None:  # a network will be asked, and may be slow to answer
        _, faults = _space(spec, None, {})
        raise_faults([*local, *faults], _problems(len(local) + len(faults)))
    try:
        preparation = evaluator.prepare(tuple(spec.domains))
    except FaultsError as error:
        # Bounds that contradict each other can be seen without the data: one report for all of it.
        _, faults = _space(spec, None, {})
        raise FaultsError([*error.faults, *faults], _problems(len(error.faults) + len(faults))) from error
    if spec.scales and not preparation.metrics:  # nothing is prepared at any of them
        return dataclasses.replace(preparation, metrics=declared)
    if declared and {metric.name for metric in declared} != {metric.name for metric in preparation.metrics}:
        measured = ", ".join(metric.name for metric in preparation.metrics)
        raise FaultsError([Fault("metrics", f"the evaluator measures {measured}; leave the key out")])
    return preparation


def _problem(
    spec: StudySpec,
    preparation: Preparation,
    folder: Path,
    begun: repetition.Begun | None = None,
    *,
    told: bool = False,
) -> Problem:
    metrics = units.stated(spec, preparation.metrics)
    names = tuple(metric.name for metric in metrics)
    unfit = traits(spec.objective, ObjectiveTraits).metric_faults(names)
    faults = [Fault(child("objective", fault.where), fault.what) for fault in unfit]
    faults += own_faults(spec.own, (*spec.domains, *closed(tuple(spec.domains), inside_of(spec.tree))), names)
    tokens = {
        name: float(preparation.domains[name].tokens) if domain.tokens is None else domain.tokens
        for name, domain in spec.domains.items()
        if domain.tokens is not None or name in preparation.domains
    }
    several, own = study_scales.study_scales(spec, preparation.info) if spec.scales else ((), preparation.scale)
    target = _target(spec.target, own)
    natural = None
    if len(tokens) == len(spec.domains):
        total = sum(tokens.values())
        natural = {name: tokens[name] / total for name in sorted(spec.domains)}
    space, space_faults = _space(spec, target, tokens, natural)
    run_tokens = None if target is None else target.tokens
    nested, free = None, None
    if space is not None:
        free = repetition.uncapped(space, spec.domains)
        nested, space_faults = nested_of(spec, space, tokens, natural, run_tokens, uncapped=free)
    faults += space_faults
    trained = study_scales.default_of(several, own) if several and own is not None else own
    faults += scales.expert_faults(spec.experts, trained, study_scales.trainer(spec))
    faults += [*repetition.faults(spec, tokens, own, several), *repetition.cap_faults(spec, tokens, run_tokens)]
    raise_faults(faults, _problems(len(faults)))
    assert space is not None
    matching = repetition.decide(spec, target, tokens, space, begun, told=told)
    problem = Problem(
        space,
        metrics,
        spec.objective,
        natural,
        own,
        tokens,
        run_tokens,
        spec.trials_to_search,
        spec.trains_experts,
        own=spec.own,
        replicates=spec.replicates,
        scales=several,
        cost=spec.budget.cost_limit(several) if several else None,
        experts_cost=spec.counts(EXPERT),
        matching=matching,
        **repetition.problem_fields(
            spec,
            matching,
            tokens if natural else {},
            run=None if own is None else own.tokens,
            target=run_tokens,
            text=preparation.domains if trained == own else {},
        ),
        uncapped=free,
        nested=nested,
    )
    problem = phased(problem, spec)
    units.warn_of_mixed(problem)
    strategy = spec.ready_strategy(folder)
    faults = _unmet(problem.searched, strategy)
    if not faults and several:
        stated = any(each.cost is not None for each in spec.scales.values())
        faults = never_fits(problem.searched, strategy, unit="" if stated else " FLOPs")
    raise_faults(faults, _problems(len(faults)))
    if (said := study_scales.unreached(problem)) is not None:
        logger.warning(said)
    return _pooled(problem, strategy)


def _target(stated: sections.TargetSpec | None, own: Scale | None) -> sections.TargetSpec | None:
    """The run whose repetitions count: as stated, else of the tokens of the study's own scale; None where unknown."""
    if own is None or own.tokens is None:
        return None if stated is None or stated.tokens is None else stated
    if stated is None:
        return sections.TargetSpec(own.tokens)
    return dataclasses.replace(stated, tokens=own.tokens) if stated.tokens is None else stated


def _pooled(problem: Problem, strategy: Strategy) -> Problem:
    """The problem of which only the mixtures of the strategy's pool can be run, where it has one."""
    pool = traits(strategy, StrategyTraits).pool
    if pool is None:
        return problem
    from bomix.strategies.bayesian.search import with_pool

    return with_pool(problem, pool)


def _unmet(problem: Problem, strategy: Strategy) -> list[Fault]:
    """What objective and strategy need and the study does not have; what they can do without is logged."""
    from bomix.strategies.checks import own_domain_faults, own_domain_warnings, strategy_faults
    from bomix.strategies.replicates import unknown_anchors

    for sentence in own_domain_warnings(strategy, problem):
        logger.warning(sentence)

    faults = unknown_anchors(problem)
    if missing_reference(problem) == "natural" and problem.natural is None:
        what = "the natural mixture is unknown; give every domain 'tokens' or a source, or take another reference"
        faults.append(Fault("objective.reference", what))
    return faults + strategy_faults(strategy, problem, "strategy") + own_domain_faults(strategy, problem)


def _space(
    spec: StudySpec,
    target: sections.TargetSpec | None,
    tokens: Mapping[str, float],
    natural: Mapping[str, float] | None = None,
) -> tuple[MixtureSpace | None, list[Fault]]:
    """The polytope, or all that is wrong with it."""
    domains = spec.domains
    bounds: dict[str, dict[str, float]] = {
        "lower": {name: domain.lower for name, domain in domains.items()},
        "upper": {name: domain.upper for name, domain in domains.items()},
        "at_least": {name: domain.at_least for name, domain in domains.items()},
    }
    constraints, positions = constraints_of(spec.constraints, sorted(domains))
    try:
        if target is None or target.tokens is None or not tokens:
            space = MixtureSpace(tuple(domains), **bounds, constraints=constraints)
        else:
            available = {name: tokens.get(name, math.inf) for name in domains}
            space = MixtureSpace.from_tokens(
                available,
                budget=target.tokens,
                max_epochs=target.max_epochs,
                own_max_epochs=sections.own_max_epochs(domains),
                **bounds,
                constraints=constraints,
            )
    except FaultsError as error:
        places = {f"constraints[{number}]": f"constraints[{position}]" for number, position in enumerate(positions)}
        faults = []
        for fault in error.faults:
            of = [places.get(place, place) for place in fault.where.split(", ")]
            faults.append(Fault(", ".join(dict.fromkeys(of)), fault.what))
        return None, faults
    small = negligible_weights(
        space.upper_array,
        np.array(space.at_least),
        natural=None if natural is None else space.to_array(natural),
        run_tokens=None if target is None else target.tokens,
        most=spec.negligible,
    )
    names = space.domains
    stated = (space.lower, space.upper, space.at_least, small.tolist())
    low, high, least, zero_below = (dict(zip(names, values, strict=True)) for values in stated)
    return MixtureSpace(names, low, high, least, zero_below, constraints), []


def _problems(count: int) -> str:
    return f"the study has {count} problems:" if count > 1 else ""
