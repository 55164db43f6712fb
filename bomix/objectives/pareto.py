"""Several objectives at once: the trade-offs between named groups of metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bomix.contracts.objective import AnyArray
from bomix.errors import Fault, raise_faults
from bomix.objectives.weighted import group_faults, group_means, unknown_in_groups, weighted_sum


@dataclass(frozen=True)
class Pareto:
    """Named groups of metrics of which none can be had without the others; each the mean of its metrics.

    What is searched for is the front: the mixtures at which no group can fall without another rising. Wherever a
    single number is asked for (a status line, one recommended mixture, a comparison), it is the stated compromise:
    the mean of the groups' means.

    Attributes:
        groups: Name of a group to its metrics; at least two groups. Lower is better.
    """

    groups: Mapping[str, tuple[str, ...]]

    def faults(self) -> list[Fault]:
        """What is wrong with the groups."""
        faults = group_faults(self.groups, "groups")
        if len(self.groups) == 1:
            faults.append(Fault("groups", "a single group has no front; name another, or use 'mean'"))
        return faults

    def metric_faults(self, metrics: Sequence[str]) -> list[Fault]:
        """Names that are not among ``metrics``."""
        return unknown_in_groups(self.groups, metrics, "groups")

    def group_coefficients(self, metrics: Sequence[str]) -> np.ndarray:
        """Weight of each metric in each group, ``g x m`` array; every row sums to one."""
        raise_faults([*self.faults(), *self.metric_faults(metrics)])
        return group_means(self.groups, metrics)

    def coefficients(self, metrics: Sequence[str]) -> np.ndarray:
        """Weight of each metric in the compromise, ``m`` array that sums to one."""
        return np.asarray(self.group_coefficients(metrics).mean(axis=0))

    def __call__(self, losses: AnyArray, metrics: Sequence[str]) -> AnyArray:
        """Losses ``(...) x m`` to the mean of the groups' means, ``(...)``; lower is better."""
        return weighted_sum(losses, self.coefficients(metrics))
