"""Runs as arrays: of the swarm, of the hundred domains, and of the tables that RegMix published."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks import regression
from experiments import runs
from experiments.regmix import hundred, plan

MEAN = "mean"
"""The target that is the mean of the losses: of all domains, or with a hundred of them of the sets from outside."""
PILE = "pile"
"""What the sets of the published tables are called after: ``pile train``, ``pile test 1m``."""
WHERE = "RegMix's tables are not there: put the folder `data` of github.com/sail-sg/regmix where --data says"


@dataclass(frozen=True)
class Runs:
    """Runs of one set.

    Attributes:
        domains: Names of the columns of ``X``.
        X: ``n x d`` mixtures; rows sum to one.
        losses: Metric to the losses of the runs, ``n`` each, nats per token.
        averaged: Metrics whose mean is the target ``mean``.
        cpu_s: What one run cost; NaN where it is unknown.
    """

    domains: tuple[str, ...]
    X: np.ndarray
    losses: Mapping[str, np.ndarray]
    averaged: tuple[str, ...]
    cpu_s: float = float("nan")

    def of(self, target: str) -> tuple[str, ...]:
        """The metrics that a target is made of."""
        return self.averaged if target == MEAN else (target,)

    def target(self, name: str) -> np.ndarray:
        """The values of a target, ``n``."""
        return np.mean([self.losses[metric] for metric in self.of(name)], axis=0)

    def some(self, at: slice) -> Runs:
        """Some of the runs."""
        losses = {name: values[at] for name, values in self.losses.items()}
        return Runs(self.domains, self.X[at], losses, self.averaged, self.cpu_s)


def swarm(name: str, seed: int = 0, step: int | None = None, *, first: int | None = None) -> Runs | None:
    """Runs of a set of the swarm; None where not all of them are there yet.

    Args:
        name: Of the set.
        seed: Of the runs.
        step: After which step the losses are taken, on fewer sequences; None for the end.
        first: So many mixtures alone.
    """
    wanted = [run for run in planned() if (run.set, run.seed) == (name, seed)][:first]
    known = {runs.key(row): row for row in kept(plan.RESULTS)}
    if not wanted or any(run.key not in known for run in wanted):
        return None
    return _of([known[run.key] for run in wanted], plan.DOMAINS, plan.DOMAINS, step)


def hundreds(name: str, seed: int = 0) -> Runs | None:
    """The same of the hundred domains."""
    wanted = [run.key for run in hundred.plan() if (run.set, run.seed) == (name, seed)]
    known = {runs.key(row): row for row in kept(hundred.RESULTS)}
    if any(key not in known for key in wanted):
        return None
    return _of([known[key] for key in wanted], hundred.domains(), hundred.OUTSIDE, None)


def pile(split: str, scale: str) -> Runs | None:
    """The published runs; None where the files are not there."""
    if any(not (folder() / f"{split}_{what}_{scale}.csv").is_file() for what in ("mixture", "pile_loss")):
        return None
    read = regression.read(folder(), split, scale)
    losses = dict(zip(read.metrics, read.losses.numpy().T, strict=True))
    return Runs(read.domains, read.weights.numpy(), losses, read.metrics)


def folder() -> Path:
    """Where the published tables are: ``--data``, or ``$BOMIX_DATA/regmix``."""
    return Path(os.environ.get("BOMIX_DATA", ".")) / "regmix"


@cache
def planned() -> tuple[runs.Planned, ...]:
    """The plan of the swarm."""
    return tuple(plan.plan())


@cache
def kept(path: Path) -> tuple[runs.Row, ...]:
    """The rows of a file, read once."""
    return tuple(runs.kept(path))


def _of(rows: Sequence[runs.Row], domains: Iterable[str], averaged: Iterable[str], step: int | None) -> Runs:
    names = tuple(domains)
    X = np.array([[row["weights"].get(name, 0.0) for name in names] for row in rows])
    losses = {name: np.array([_loss(row, name, step) for row in rows]) for name in rows[0]["losses"]}
    cpu_s = float(np.mean([row["cpu_s"] for row in rows]))
    return Runs(names, X / X.sum(axis=1, keepdims=True), losses, tuple(averaged), cpu_s)


def _loss(row: runs.Row, name: str, step: int | None) -> float:
    if step is None:
        return float(row["losses"][name])
    curve = row["curve"]
    return float(curve["losses"][name][curve["steps"].index(step)]) if name in curve["losses"] else float("nan")
