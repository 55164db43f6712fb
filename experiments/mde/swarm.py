"""The swarm as this experiment reads it: its runs as a record that surrogates learn from, and the criteria."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from bomix import Study
from bomix.history import History
from bomix.problem import Problem
from bomix.trial import EXPERT, SCORED_TOKENS, Record, Result, Trial
from experiments import runs
from experiments.mde import expert_tokens
from experiments.regmix import plan

NAMES = (*plan.DOMAINS, *plan.OUTSIDE)
"""The twelve validation sets: those of the domains first."""
SIZES = ("0.3M", "1M", "3M")
SP, ET, BOTH, ALL = "avg-sp", "avg-et", "avg-sp+et", "avg-all"
_OWN = np.array([name in plan.DOMAINS for name in NAMES], dtype=float)
CRITERIA = {
    SP: _OWN / _OWN.sum(),
    ET: (1 - _OWN) / (1 - _OWN).sum(),
    BOTH: np.full(len(NAMES), 1 / len(NAMES)),
    ALL: _OWN / _OWN.sum() + (1 - _OWN) / (1 - _OWN).sum(),
}
"""Criterion to the coefficient of each set: the averages of the paper, and the sum of two of them."""
HELD = plan.HELD
"""Mixtures that nothing is fitted to."""


@cache
def rows(path: Path = plan.RESULTS) -> tuple[runs.Row, ...]:
    """The runs of the swarm that are kept."""
    return tuple(runs.kept(path))


def of(kind: str, size: str, seed: int = 0) -> list[runs.Row]:
    """The runs of a set, by name."""
    found = [row for row in rows() if row["set"] == f"{kind} {size}" and row["seed"] == seed]
    return sorted(found, key=lambda row: row["name"])


def losses(some: Sequence[runs.Row]) -> np.ndarray:
    """``n x 12`` losses at the end, nats per token."""
    return np.array([[row["losses"][name] for name in NAMES] for row in some]).reshape(-1, len(NAMES))


def at_point(some: Sequence[runs.Row], point: int) -> np.ndarray:
    """``n x 12`` losses on the way, on the few sequences that are read there."""
    return np.array([[row["curve"]["losses"][name][point] for name in NAMES] for row in some])


def weights(some: Sequence[runs.Row]) -> np.ndarray:
    """``n x 8`` mixtures."""
    return np.array([[row["weights"].get(name, 0.0) for name in plan.DOMAINS] for row in some])


def named(point: np.ndarray) -> dict[str, float]:
    """A mixture by domain."""
    total = float(np.sum(point))
    return {name: float(x) / total for name, x in zip(plan.DOMAINS, point, strict=True)}


@cache
def problem() -> Problem:
    """Eight domains, twelve losses, their mean."""
    return Study(list(plan.DOMAINS), list(NAMES)).problem


def history(size: str, some: Sequence[runs.Row]) -> History:
    """The experts of a size, with what they make of every token, and further runs of that size."""
    experts = {row["name"]: row for row in of("experts", size)}
    folders = expert_tokens.unpacked(size)
    records = []
    for domain in plan.DOMAINS:
        artifacts = {SCORED_TOKENS: str(folders[domain])}
        records.append(_record(len(records), experts[domain], EXPERT, artifacts))
    for row in some:
        records.append(_record(len(records), row, runs.MIXTURE, {}))
    return History(tuple(records))


def _record(number: int, row: runs.Row, origin: str, artifacts: dict[str, str]) -> Record:
    (point,) = weights([row])
    found = {name: row["losses"][name] for name in NAMES}
    return Record(Trial(number, named(point), row["seed"], origin), Result(found, artifacts=artifacts))
