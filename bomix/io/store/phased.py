"""Mixtures of two phases as users write them: a mixture of each phase, or one for both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bomix.errors import Fault
from bomix.io.store.plain import as_mapping, number
from bomix.space.weights import normalized
from bomix.trial import SUM_TOLERANCE

if TYPE_CHECKING:
    from bomix.space.phases import Phases


def by_column(data: Mapping[str, Any], phases: Phases) -> dict[str, Any]:
    """A result with what is said by phase under the names of weights; what has another form is left to the checks.

    Args:
        data: A result: ``realized`` and ``epochs`` may be ``{"pretrain": {"web": 0.9, ...}, "anneal": {...}}``, the
            first the mixture that was drawn in each phase, the second the passes that each phase made.
        phases: The phases of the study.
    """
    found = dict(data)
    for key, shares in (("realized", phases.share), ("epochs", dict.fromkeys(phases.names, 1.0))):
        if (flat := _flat(data.get(key), phases, shares)) is not None:
            found[key] = flat
    return found


def of_run(weights: Any, phases: Phases) -> Any:
    """The weights of a run from a mixture of each phase, from one for both, or from weights by phase and domain.

    What has another form is left to the checks.

    Args:
        weights: What a user gives.
        phases: The phases of the study.
    """
    flat = _flat(weights, phases, phases.share)
    if flat is None:
        named = as_mapping(weights)
        if not isinstance(named, Mapping):
            return weights
        if not phases.are_columns([str(name) for name in named]):
            flat = _flat(dict.fromkeys(phases.names, named), phases, phases.share)
    return weights if flat is None else flat


def set_right(weights: Mapping[str, float], phases: Phases) -> tuple[dict[str, float], list[Fault]]:
    """Weights of which those of each phase sum to its share, and a fault where they are too far from it.

    Args:
        weights: Every weight by phase and domain, from 0 on; they sum to one, give or take what tables round.
        phases: The phases of the study.
    """
    parts = phases.split(weights)
    sums = {phase: math.fsum(mixture.values()) for phase, mixture in parts.items()}
    faults = [
        Fault(
            f"weights.{phase}",
            f"the mixture of phase '{phase}' has {share * sums[phase]:.4g} of the tokens, not {share:g}; give a "
            "mixture of each phase that sums to 1, or one mixture for both",
        )
        for phase, share in phases.share.items()
        if abs(sums[phase] - 1.0) > 2.0 * SUM_TOLERANCE
    ]
    if faults:
        return dict(weights), faults
    return phases.joint({phase: normalized(mixture) for phase, mixture in parts.items()}), []


def _flat(given: Any, phases: Phases, factors: Mapping[str, float]) -> dict[str, Any] | None:
    """A mapping by phase, then by domain, as one by both, numbers times the factor of the phase; None of another."""
    outer = as_mapping(given)
    if not isinstance(outer, Mapping) or {*outer} != {*phases.names}:
        return None
    parts = {phase: as_mapping(values) for phase, values in outer.items()}
    if not all(isinstance(values, Mapping) for values in parts.values()):
        return None
    found: dict[str, Any] = {}
    for phase in phases.names:
        for name, value in parts[phase].items():
            plain = number(value)
            known = isinstance(plain, (int, float)) and not isinstance(plain, bool) and math.isfinite(plain)
            found[phases.column(phase, str(name))] = factors[phase] * plain if known else value
    return found
