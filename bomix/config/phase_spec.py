"""Two phases as a study file says them, and what cannot go together with them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bomix.config.build import filled_field
from bomix.contracts.strategy import StrategyTraits
from bomix.contracts.traits import traits
from bomix.errors import Fault
from bomix.io.store.plain import short
from bomix.space.bounds import ROUNDING
from bomix.space.phases import BETWEEN, WHOLE

if TYPE_CHECKING:
    from bomix.contracts.evaluator import Evaluator
    from bomix.contracts.strategy import Strategy

FIRST = "pretrain"
"""What the first phase is called where only the last one is named."""
_FORM = "name the last phase and its share of the tokens, {anneal: 0.2}, or both, {stable: 0.9, decay: 0.1}"


def phases_of_study(stated: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """Name and share of both phases, in the order of the training; empty where the study has one mixture.

    Args:
        stated: The key ``phases``, in which nothing is wrong.
    """
    if not stated:
        return ()
    if len(stated) == 1:
        ((last, share),) = stated.items()
        return (FIRST, 1.0 - share), (last, share)
    total = math.fsum(stated.values())
    return tuple((name, share / total) for name, share in stated.items())


def phase_faults(stated: Mapping[str, float]) -> list[Fault]:
    """What is wrong with the names and shares of phases."""
    faults = []
    if len(stated) > 2:
        faults.append(Fault("phases", f"{len(stated)} phases; bomix knows two: {_FORM}"))
    for name, share in stated.items():
        if not name.strip() or BETWEEN in name or "/" in name:
            faults.append(Fault(f"phases.{name}", f"the name {short(name)} is blank or holds '{BETWEEN}' or '/'"))
        if name == WHOLE:
            what = "is what the mixture of the whole run is asked for by (--phase whole); take another name"
            faults.append(Fault(f"phases.{WHOLE}", f"'{WHOLE}' {what}"))
        if not 0.0 < share < 1.0:
            what = f"expected a share of the tokens above 0 and below 1, found {share:g}"
            faults.append(Fault(f"phases.{name}", what))
    if len(stated) == 1 and FIRST in stated:
        faults.append(Fault(f"phases.{FIRST}", f"'{FIRST}' is what the first phase is called; {_FORM}"))
    total = math.fsum(stated.values())
    if not faults and len(stated) == 2 and abs(total - 1.0) > ROUNDING:
        faults.append(Fault("phases", f"the shares of both phases sum to {total:g}, not to 1; {_FORM}"))
    return faults


def study_faults(
    stated: Mapping[str, float],
    domains: Sequence[str],
    *,
    experts: bool,
    strategy: Strategy,
    evaluators: Mapping[str, Evaluator | None],
) -> list[Fault]:
    """What is wrong with the phases of a study, and what it has that knows nothing of phases.

    Args:
        stated: The key ``phases``.
        domains: Names of the domains.
        experts: Whether experts of single domains are trained.
        strategy: What proposes mixtures.
        evaluators: Key of the study file to what trains, None where nothing does.
    """
    if not stated:
        return []
    faults = phase_faults(stated)
    weights = {
        f"{phase}{BETWEEN}{name}" for phase in ([FIRST] if len(stated) == 1 else []) + [*stated] for name in domains
    }
    for name in domains:
        if name in weights:
            what = "is what a weight of a phase is called, too; rename the domain, or the phase"
            faults.append(Fault(f"domains.{name}", f"'{name}' {what}"))
    if experts:
        what = "the strategy, or 'experts', trains on one domain alone, which is no mixture of two phases"
        faults.append(Fault("phases", f"{what}; leave one of them out"))
    if traits(strategy, StrategyTraits).pool is not None:
        faults.append(Fault("strategy.pool", "its rows are of one mixture; leave it out, or leave 'phases' out"))
    for key, part in evaluators.items():
        if part is not None and filled_field(part, "phases") is None:
            what = f"{type(part).__name__} trains on one mixture: it has no field that the phases are filled into"
            faults.append(Fault(key, f"{what}; take 'proxy' or 'command', or leave 'phases' out"))
    return faults
