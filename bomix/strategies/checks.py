"""Checks that the parts of a strategy fit each other, and the study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bomix.config.components import parts
from bomix.contracts.acquisition import AcquisitionTraits, objective_faults
from bomix.contracts.strategy import StrategyTraits
from bomix.contracts.surrogate import SurrogateTraits
from bomix.contracts.traits import PartTraits, traits
from bomix.errors import Fault
from bomix.laws.own_domain import own_faults, without_own
from bomix.posterior.explored import MANY

if TYPE_CHECKING:
    from bomix.contracts.acquisition import Acquisition
    from bomix.contracts.strategy import Strategy
    from bomix.contracts.surrogate import Surrogate
    from bomix.problem import Problem


def need_faults(acquisition: Acquisition, surrogate: Surrogate) -> list[Fault]:
    """Faults where an acquisition function needs what a surrogate does not declare."""
    wants, has = traits(acquisition, AcquisitionTraits), traits(surrogate, SurrogateTraits)
    lacking = (
        ("needs gradients", "differentiable", wants.needs_gradients and not has.differentiable),
        ("needs fantasies", "fantasizes", wants.needs_fantasies and not has.fantasizes),
    )
    return [
        Fault(
            "acquisition",
            f"{type(acquisition).__name__} {need}, and surrogate {type(surrogate).__name__} is not "
            f"declared '{trait}'; change one of them",
        )
        for need, trait, lacks in lacking
        if lacks
    ]


def surrogate_of(strategy: Strategy, problem: Problem) -> Surrogate | None:
    """The surrogate that predicts and recommends in a study with this strategy; None where it has none.

    A strategy that chooses it by the study has a method ``predicting(problem)``.
    """
    own = traits(strategy, StrategyTraits)
    return own.surrogate if own.predicting is None else own.predicting(problem)


def part_faults(
    acquisition: Acquisition, surrogate: Surrogate | None, design: Strategy, problem: Problem, n_init: int | None
) -> list[Fault]:
    """Faults of a strategy's acquisition, surrogate and design in a study."""
    found = objective_faults(acquisition, problem.objective)
    return found + surrogate_faults(surrogate, problem) + design_faults(design, problem, n_init)


def design_faults(design: Strategy, problem: Problem, n_init: int | None) -> list[Fault]:
    """Faults of a strategy's design in a study, also where it has fewer trials than the runs that it lists by name.

    Args:
        design: Strategy that proposes the first trials.
        problem: The study's.
        n_init: Trials of the design; None for the usual number, which makes room for what is listed.
    """
    found = strategy_faults(design, problem, "design")
    listed = traits(design, StrategyTraits).listed(problem)
    if n_init is not None and listed and n_init < (runs := listed + len(problem.anchors())):
        what = f"the design has {n_init} trials, and lists {runs} runs by name before any other"
        cure = "give it more (n_init, or a larger budget), or leave its 'deletions' or 'replicates' out"
        found.append(Fault("n_init", f"{what}; {cure}"))
    return found


def strategy_faults(strategy: Strategy, problem: Problem, where: str) -> list[Fault]:
    """Faults in a study of a strategy that is a field of another part, each placed under ``where``."""
    found = traits(strategy, StrategyTraits).problem_faults(problem)
    return [Fault(f"{where}.{fault.where}" if fault.where else where, fault.what) for fault in found]


def surrogate_faults(surrogate: Surrogate | None, problem: Problem) -> list[Fault]:
    """Names in a surrogate, or in any part of it, that the study does not have, and scales that do not fit it."""
    found, scales = [], tuple(each.scale for each in problem.scales)
    for where, part in parts(surrogate, "surrogate"):
        own = traits(part, PartTraits)
        faults = own_faults(own.own, problem.space.domains, problem.metric_names)
        faults += [*own.metric_faults(problem.metric_names), *own.scale_faults(scales)]
        found += [Fault(f"{where}.{fault.where}", fault.what) for fault in faults]
    return found


def own_domain_faults(strategy: Strategy, problem: Problem) -> list[Fault]:
    """Parts of a strategy that would predict constants, as they see a metric's own domain and no metric has one."""
    return [
        Fault(
            f"{where}.{key}",
            f"{name} sees the weight of a metric's own domain alone, and no metric has the name of a domain: all that "
            f"it predicts would be constants; {cure}, or change '{key}'",
        )
        for where, key, name, cure, missing in _own_alone(strategy, problem)
        if len(missing) == len(problem.metrics)
    ]


def own_domain_warnings(strategy: Strategy, problem: Problem) -> list[str]:
    """A sentence for each part of a strategy that predicts constants for some of the metrics."""
    return [
        f"{where}.{key}: {name} sees the weight of a metric's own domain alone, and predicts constants for metrics "
        f"without one: {', '.join(missing)}; {cure}"
        for where, key, name, cure, missing in _own_alone(strategy, problem)
        if 0 < len(missing) < len(problem.metrics)
    ]


def own_domain_note(problem: Problem) -> str | None:
    """What it means beyond :data:`MANY` domains that metrics have no domain of their own; None where all have."""
    domains, names = problem.single.domains, problem.metric_names
    missing = without_own(problem.own, domains, names)
    if len(domains) <= MANY or not missing:
        return None
    count = "no metric shares" if len(missing) == len(names) else f"{len(missing)} of {len(names)} metrics do not share"
    return (
        f"{count} a domain's name: which of the {len(domains)} domains each of them falls with is learnt from the "
        f"trials; where you know it, say it (own: {{{missing[0]}: {domains[0]}}}, say)"
    )


def _own_alone(strategy: Strategy, problem: Problem) -> list[tuple[str, str, str, str, tuple[str, ...]]]:
    """Place, key, name, cure and metrics without a domain of every part that sees a metric's own domain alone."""
    found, domains = [], problem.space.domains
    for where, part in parts(strategy, "strategy"):
        own = traits(part, PartTraits)
        if own.own_alone is None:
            continue
        missing = without_own({**problem.own, **(own.own or {})}, domains, problem.metric_names)
        example = f"{{{missing[0]}: {domains[0]}}}" if missing else ""
        cure = f"say which domain is whose, as a key of the study (own: {example}, say)"
        found.append((where, own.own_alone, type(part).__name__, cure, missing))
    return found


def lends_surrogate(strategy: Strategy) -> bool:
    """Whether a strategy, or a step of it, has a surrogate for some study, see :func:`surrogate_of`."""
    return traits(strategy, StrategyTraits).can_lend


def relative_strategy(strategy: Strategy, folder: Path) -> Strategy:
    """The strategy with its relative paths taken from a study's folder; the same where it has none."""
    relative = traits(strategy, StrategyTraits).relative_to
    found: Strategy = strategy if relative is None else relative(folder)
    return found
