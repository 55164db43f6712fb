"""The problem that a study poses: its space, its metrics in their units, what its runs and the target read.

Everything that is wrong with it, beside the inputs themselves, is found here, and told at once as far as possible.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bomix.config import sections
from bomix.config.components import child
from bomix.config.constraint_spec import constraints_of
from bomix.config.spec import StudySpec
from bomix.config.tree_spec import inside_of
from bomix.contracts.objective import ObjectiveTraits
from bomix.contracts.preparation import Preparation
from bomix.contracts.strategy import Strategy, StrategyTraits
from bomix.contracts.traits import traits
from bomix.errors import Fault, FaultsError, raise_faults
from bomix.laws.own_domain import own_faults
from bomix.objectives.reference import missing_reference
from bomix.problem import Problem
from bomix.scale import Scale
from bomix.space.mixture_space import MixtureSpace
from bomix.space.negligible import negligible_weights
from bomix.space.tree import closed
from bomix.study import repetition, scales, study_scales, units
from bomix.study.limits import never_fits
from bomix.study.nested import nested_of
from bomix.study.phases import phased
from bomix.trial import EXPERT

logger = logging.getLogger(__name__)


def problem_of(
    spec: StudySpec,
    preparation: Preparation,
    folder: Path,
    begun: repetition.Begun | None = None,
    *,
    told: bool = False,
) -> Problem:
    """The problem of a study, given what its evaluator measured.

    Args:
        spec: The study.
        preparation: What the evaluator measured.
        folder: What the relative paths of the study are relative to.
        begun: How the runs of a study that has begun repeat domains; None before.
        told: Whether what is decided of repetition is logged.

    Raises:
        FaultsError: Everything that is wrong with the study.
    """
    problem = phased(_posed(spec, preparation, begun, told=told), spec)
    units.warn_of_mixed(problem)
    strategy = spec.ready_strategy(folder)
    faults = _unmet(problem.searched, strategy)
    if not faults and problem.scales:
        stated = any(each.cost is not None for each in spec.scales.values())
        faults = never_fits(problem.searched, strategy, unit="" if stated else " FLOPs")
    raise_faults(faults, problems(len(faults)))
    if (said := study_scales.unreached(problem)) is not None:
        logger.warning(said)
    return _pooled(problem, strategy)


def problems(count: int) -> str:
    """The heading of a report of so many faults; empty where one stands for itself."""
    return f"the study has {count} problems:" if count > 1 else ""


def _posed(spec: StudySpec, preparation: Preparation, begun: repetition.Begun | None, *, told: bool) -> Problem:
    """The problem before its phases, without what strategy and limits ask of it."""
    metrics = units.stated(spec, preparation.metrics)
    faults = _metric_faults(spec, tuple(metric.name for metric in metrics))
    tokens = _tokens(spec, preparation)
    natural = _natural(spec, tokens)
    several, own = study_scales.study_scales(spec, preparation.info) if spec.scales else ((), preparation.scale)
    target = _target(spec.target, own)
    run_tokens = None if target is None else target.tokens
    space, space_faults = space_of(spec, target, tokens, natural)
    nested, free = None, None
    if space is not None:
        free = repetition.uncapped(space, spec.domains)
        nested, space_faults = nested_of(spec, space, tokens, natural, run_tokens, uncapped=free)
    faults += space_faults
    trained = study_scales.default_of(several, own) if several and own is not None else own
    faults += scales.expert_faults(spec.experts, trained, study_scales.trainer(spec))
    faults += [*repetition.faults(spec, tokens, own, several), *repetition.cap_faults(spec, tokens, run_tokens)]
    raise_faults(faults, problems(len(faults)))
    assert space is not None
    matching = repetition.decide(spec, target, tokens, space, begun, told=told)
    return Problem(
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


def _metric_faults(spec: StudySpec, names: tuple[str, ...]) -> list[Fault]:
    """What is wrong with the objective and with own domains, given the names of the metrics."""
    unfit = traits(spec.objective, ObjectiveTraits).metric_faults(names)
    faults = [Fault(child("objective", fault.where), fault.what) for fault in unfit]
    return faults + own_faults(spec.own, (*spec.domains, *closed(tuple(spec.domains), inside_of(spec.tree))), names)


def _tokens(spec: StudySpec, preparation: Preparation) -> dict[str, float]:
    """Tokens of each domain whose size is stated or was measured."""
    return {
        name: float(preparation.domains[name].tokens) if domain.tokens is None else domain.tokens
        for name, domain in spec.domains.items()
        if domain.tokens is not None or name in preparation.domains
    }


def _natural(spec: StudySpec, tokens: Mapping[str, float]) -> dict[str, float] | None:
    """The mixture in proportion to sizes; None where one is unknown."""
    if len(tokens) < len(spec.domains):
        return None
    total = sum(tokens.values())
    return {name: tokens[name] / total for name in sorted(spec.domains)}


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


def space_of(
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
