"""What a run of two phases reads: each phase its own exact quotas, and each domain's text going on where it was left.

Where both phases have one mixture it is read as that of a run without phases, sequence by sequence.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bomix.errors import EvaluationError
from bomix.space.phases import BETWEEN, Phases
from bomix.training.data_order import Plan, laid_out, order, plan, quotas


def phased_plan(
    weights: Mapping[str, float],
    shares: Mapping[str, float],
    available: Mapping[str, int],
    *,
    steps: int,
    batch: int,
    seed: int,
) -> Plan:
    """Lay out a run of two phases.

    The sequences of the run are shared out to the phases, and those of a phase to the domains, each by largest
    remainder. In each phase a domain is spread evenly, as :func:`bomix.training.data_order.plan` does over a run; a
    phase may begin inside a batch. Of each domain the last phase reads the sequences that come after those of the
    first, so that none is read again before all were.

    Args:
        weights: Shares of all tokens by phase and domain, ``anneal:web``.
        shares: Phase to its share of the tokens, in the order of the training.
        available: Domain name to sequences in one epoch.
        steps: Optimizer steps.
        batch: Sequences per step.
        seed: Seed of the data order.

    Returns:
        The plan; ``realized`` and ``epochs`` are by phase and domain, the realised weights of a phase sum to its share.

    Raises:
        EvaluationError: No mixture, a domain that is unknown or has no sequence, or a phase without one.
    """
    phases = Phases(tuple(shares), tuple(shares.values()), tuple(sorted({_domain(name) for name in weights})))
    if phases.is_tied(weights):
        found = plan(phases.aggregate(weights), available, steps=steps, batch=batch, seed=seed)
        passes = {phase: {name: share * x for name, x in found.epochs.items()} for phase, share in shares.items()}
        return Plan(found.domains, found.domain, found.sequence, phases.tied(found.realized), _flat(phases, passes))
    if unknown := sorted(set(phases.domains) - set(available)):
        raise EvaluationError(f"no tokens of domain '{unknown[0]}' (known: {', '.join(sorted(available))})")
    lengths = phase_sequences(shares, steps * batch)
    if empty := [name for name, length in lengths.items() if not length]:
        raise EvaluationError(f"phase '{empty[0]}' has none of the {steps * batch} sequences of the run; train longer")
    counts = {phase: quotas(mixture, lengths[phase]) for phase, mixture in phases.split(weights).items()}
    total = {name: sum(each[name] for each in counts.values()) for name in phases.domains}
    read = {name: order(name, total[name], available=available[name], seed=seed) for name in phases.domains}
    start = dict.fromkeys(phases.domains, 0)
    parts = []
    for own in counts.values():
        parts.append(laid_out(own, {name: read[name][start[name] : start[name] + own[name]] for name in own}))
        start = {name: start[name] + own[name] for name in start}
    domain, sequence = (np.concatenate(each).reshape(steps, batch) for each in zip(*parts, strict=True))
    realized = {phase: {name: count / lengths[phase] for name, count in own.items()} for phase, own in counts.items()}
    passes = {phase: {name: own[name] / max(1, available[name]) for name in own} for phase, own in counts.items()}
    return Plan(phases.domains, domain, sequence, phases.joint(realized), _flat(phases, passes))


def phase_sequences(shares: Mapping[str, float], sequences: int) -> dict[str, int]:
    """Phase to its sequences, by largest remainder, in the order of the training."""
    counts = quotas(shares, sequences)
    return {phase: counts[phase] for phase in shares}


def _flat(phases: Phases, values: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """What is known by phase and domain as a mapping by both."""
    return {phases.column(phase, name): value for phase, own in values.items() for name, value in own.items()}


def _domain(column: str) -> str:
    return column.partition(BETWEEN)[2]
