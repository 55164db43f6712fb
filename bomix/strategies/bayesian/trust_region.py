"""The state of trust regions, a fold over the record: nothing is remembered that the trials do not tell.

A region is a box around the best of its trials, in square roots of weights: there a step of one size means as much
for a rare domain as for a frequent one, and the box is one in the weights themselves. It grows after successes in a
row, shrinks after failures in a row, and starts anew elsewhere once it is small [Eriksson2019]_.

References:
    [Eriksson2019] Scalable global optimization via local Bayesian optimization.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from bomix.errors import FaultsError
from bomix.space.mixture_space import MixtureSpace
from bomix.space.polytope import Array

NEW = "_start"
"""Ending of the origin of a trial that starts a region anew."""


@dataclass(frozen=True)
class Rules:
    """The rules by which a region grows, shrinks and starts anew.

    Attributes:
        length: Side at the start: 1 reaches as far from a square root as the root of an average weight.
        shortest: Side below which a region starts anew.
        longest: Side that it does not exceed.
        successes: Successes in a row after which the side doubles.
        failures: Failures in a row after which the side halves.
        starts: Trials that start a region anew.
        gain: A success is better than the best by this much, in the unit of the objective.
    """

    length: float
    shortest: float
    longest: float
    successes: int
    failures: int
    starts: int
    gain: float


@dataclass(frozen=True)
class Region:
    """A trust region that follows from the record.

    Attributes:
        length: Side of the box.
        trials: ``d`` weights of each of its trials since it started, the failed ones left out.
        best: The lowest objective among them.
        successes: Trials in a row that were better than the best.
        failures: Trials in a row that were not.
        starting: Trials that still have to be spread over the space before the box counts.
        restarts: Number of times that it has started anew.
    """

    length: float
    trials: tuple[tuple[float, ...], ...] = ()
    best: float = math.inf
    successes: int = 0
    failures: int = 0
    starting: int = 0
    restarts: int = 0

    def after(self, weights: Array, value: float, *, rules: Rules, judged: bool) -> Region:
        """The region after one more of its trials.

        Args:
            weights: ``d`` weights of the trial.
            value: Objective of the trial, lower is better; NaN counts as no better.
            rules: The rules by which the region grows, shrinks and starts anew.
            judged: Whether the region itself proposed it, so that it counts as success or failure.
        """
        better = value < self.best - rules.gain
        moved = self
        if not math.isnan(value):
            moved = replace(self, trials=(*self.trials, tuple(weights.tolist())), best=min(self.best, value))
        if not judged:
            return replace(moved, starting=max(0, moved.starting - 1))
        successes, failures = (self.successes + 1, 0) if better else (0, self.failures + 1)
        length = self.length
        if successes == rules.successes:
            length, successes = min(2.0 * length, rules.longest), 0
        elif failures == rules.failures:
            length, failures = 0.5 * length, 0
        if length < rules.shortest:
            return Region(rules.length, starting=rules.starts, restarts=self.restarts + 1)
        return replace(moved, length=length, successes=successes, failures=failures)

    def within(self, space: MixtureSpace, centre: Array) -> MixtureSpace:
        """The part of a space that lies in the box around ``d`` weights."""
        half_side = self.length / math.sqrt(space.dimension)
        root = np.sqrt(np.maximum(centre, 0.0))
        # A trial may lie outside of the bounds, as imported runs do: clipping then moves the box to them.
        lower = np.clip(np.maximum(root - half_side, 0.0) ** 2, space.lower_array, space.upper_array)
        upper = np.clip((root + half_side) ** 2, space.lower_array, space.upper_array)
        if lower.sum() > 1.0 or upper.sum() < 1.0:
            return space
        try:
            return space.within(lower, upper, np.zeros(space.dimension))
        except FaultsError:  # the constraints leave nothing of the box
            return space


def fold(trials: Iterable[tuple[str, Array, float]], *, origin: str, count: int, rules: Rules) -> tuple[Region, ...]:
    """Regions from a record.

    Args:
        trials: Origin, ``d`` weights and objective of each completed trial, in the order of their ids.
        origin: First part of the origin of a region's trials: ``turbo`` of ``turbo_0``, ``turbo_1``, ..., which end in
            :data:`NEW` where the region starts anew.
        count: Number of regions.
        rules: The rules by which regions grow, shrink and start anew.

    Returns:
        ``count`` regions. Trials of no region, as the design and imported runs, are dealt out in turn.
    """
    regions = [Region(rules.length) for _ in range(count)]
    owners = {f"{origin}_{index}": (index, True) for index in range(count)}
    owners |= {f"{origin}_{index}{NEW}": (index, False) for index in range(count)}
    dealt = 0
    for name, weights, value in trials:
        if name in owners:
            index, judged = owners[name]
            if judged and regions[index].starting:
                continue  # asked before the region started anew: it belongs to the box that was left
        else:
            index, judged, dealt = dealt % count, False, dealt + 1
        regions[index] = regions[index].after(weights, value, rules=rules, judged=judged)
    return tuple(regions)
