"""Objectives that are weighted sums of named metrics.

Objectives that are no weighted sums stand in :mod:`bomix.objectives.robust`, trade-offs in
:mod:`bomix.objectives.pareto`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bomix.contracts.objective import AnyArray
from bomix.errors import Fault, StudyError, raise_faults
from bomix.space.bounds import number, unknown_name


def weighted_sum(losses: AnyArray, coefficients: np.ndarray) -> AnyArray:
    """Sum over metrics; one with coefficient zero does not enter, whatever its value.

    Args:
        losses: ``(...) x m``, a NumPy array or a torch tensor (differentiable then).
        coefficients: ``m`` array.

    Returns:
        ``(...)``, of the kind of ``losses``.
    """
    check_columns(losses, len(coefficients))
    array: Any = losses
    columns = np.flatnonzero(coefficients)
    result: AnyArray = array[..., columns.tolist()] @ constants(losses, coefficients[columns])
    return result


def check_columns(losses: AnyArray, count: int) -> None:
    """Raise StudyError unless losses ``(...) x m`` have one column for each metric."""
    array: Any = losses
    if array.shape[-1] != count:
        raise StudyError(f"losses of shape {tuple(array.shape)} lack the {count} columns of the metrics")


def constants(losses: AnyArray, values: np.ndarray) -> Any:
    """Numbers of the kind, precision and device of ``losses``."""
    return values if isinstance(losses, np.ndarray) else losses.new_tensor(values.tolist())  # type: ignore[attr-defined]


@dataclass(frozen=True)
class OfMetrics:
    """Base of objectives over a choice of metrics.

    Attributes:
        metrics: Names of those that count; empty for all.
    """

    metrics: tuple[str, ...] = ()

    def faults(self) -> list[Fault]:
        """Metrics named more than once."""
        return repeated_names(self.metrics, "metrics")

    def metric_faults(self, metrics: Sequence[str]) -> list[Fault]:
        """Names that are not among ``metrics``."""
        return unknown_metrics(self.metrics, metrics, "metrics")


@dataclass(frozen=True)
class Mean(OfMetrics):
    """Plain mean of the metrics; lower is better.

    Example:
        >>> import numpy as np
        >>> objective = bomix.Mean(metrics=("code", "web"))  # the others are recorded, and do not count
        >>> float(objective(np.array([2.0, 9.0, 3.0]), ["code", "math", "web"]))
        2.5

    Attributes:
        metrics: Names of those that count; empty for all.
    """

    def coefficients(self, metrics: Sequence[str]) -> np.ndarray:
        """Weight of each metric in the sum, ``m`` array that sums to one."""
        raise_faults(self.metric_faults(metrics))
        counts = np.array([not self.metrics or name in self.metrics for name in metrics], dtype=float)
        return np.asarray(counts / counts.sum())

    def __call__(self, losses: AnyArray, metrics: Sequence[str]) -> AnyArray:
        """Losses ``(...) x m`` to their mean ``(...)``; lower is better."""
        return weighted_sum(losses, self.coefficients(metrics))


@dataclass(frozen=True)
class WeightedMean:
    """Weighted mean of the metrics; lower is better.

    Example:
        >>> objective = bomix.WeightedMean(of={"code": 3.0, "web": 1.0})
        >>> objective.coefficients(["code", "math", "web"]).tolist()
        [0.75, 0.0, 0.25]

    Attributes:
        of: Metric to coefficient, not negative; metrics that are not named do not count.
        normalise: Divide the coefficients by their sum. Without it the objective is the plain weighted sum.
    """

    of: Mapping[str, float]
    normalise: bool = True

    def faults(self) -> list[Fault]:
        """Coefficients that are no weights."""
        if not self.of:
            return [Fault("of", "no metric has a coefficient; name at least one")]
        faults = []
        for name, value in self.of.items():
            if (coefficient := number(value)) is None:
                faults.append(Fault(f"of.{name}", f"coefficient of metric '{name}' is {value!r}, not a finite number"))
            elif coefficient < 0.0:
                text = f"coefficient of metric '{name}' is {coefficient:g}; a negative one would reward a higher loss"
                faults.append(Fault(f"of.{name}", text))
        if not faults and not any(self.of.values()):
            faults.append(Fault("of", "all coefficients are zero; give one metric a positive one"))
        if not faults and not math.isfinite(sum(self.of.values())):
            faults.append(Fault("of", "the coefficients are too large to be added up; divide them by the largest"))
        return faults

    def metric_faults(self, metrics: Sequence[str]) -> list[Fault]:
        """Names that are not among ``metrics``."""
        return unknown_metrics(self.of, metrics, "of")

    def counted_together(self, metrics: Sequence[str]) -> tuple[str, ...]:
        """None: whoever gives each metric its coefficient has said what a unit of one is worth in those of another."""
        return ()

    def coefficients(self, metrics: Sequence[str]) -> np.ndarray:
        """Weight of each metric in the sum, ``m`` array."""
        raise_faults([*self.faults(), *self.metric_faults(metrics)])
        coefficients = np.array([float(self.of.get(name, 0.0)) for name in metrics])
        return coefficients / coefficients.sum() if self.normalise else coefficients

    def __call__(self, losses: AnyArray, metrics: Sequence[str]) -> AnyArray:
        """Losses ``(...) x m`` to their weighted mean ``(...)``; lower is better."""
        return weighted_sum(losses, self.coefficients(metrics))


@dataclass(frozen=True)
class Groups:
    """Named groups of metrics, each the mean of its own; their sum, or their mean. Lower is better.

    So the two averages of downstream tasks and of held-out text are one group each, the average over all sets is one
    group of both, and ``sum`` adds the two averages up, however many sets each has. A metric may be in several groups.

    Attributes:
        of: Name of a group to its metrics.
        combine: Whether the groups are added up or averaged.
    """

    of: Mapping[str, tuple[str, ...]]

    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """The groups, by the name that every objective with groups has for them."""
        return self.of

    combine: Literal["sum", "mean"] = "sum"

    def faults(self) -> list[Fault]:
        """Groups without metrics, metrics that stand twice in a group."""
        return group_faults(self.of, "of")

    def metric_faults(self, metrics: Sequence[str]) -> list[Fault]:
        """Names that are not among ``metrics``."""
        return unknown_in_groups(self.of, metrics, "of")

    def coefficients(self, metrics: Sequence[str]) -> np.ndarray:
        """Weight of each metric in the sum, ``m`` array."""
        raise_faults([*self.faults(), *self.metric_faults(metrics)])
        total = group_means(self.of, metrics).sum(axis=0)
        return np.asarray(total if self.combine == "sum" else total / len(self.of))

    def __call__(self, losses: AnyArray, metrics: Sequence[str]) -> AnyArray:
        """Losses ``(...) x m`` to ``(...)``; lower is better."""
        return weighted_sum(losses, self.coefficients(metrics))


def group_means(groups: Mapping[str, Sequence[str]], metrics: Sequence[str]) -> np.ndarray:
    """The coefficients that make each group's mean of ``m`` metrics, ``g x m`` array; rows sum to one."""
    members = np.array([[name in names for name in metrics] for names in groups.values()], dtype=float)
    return np.asarray(members / members.sum(axis=1, keepdims=True))


def group_faults(groups: Mapping[str, Sequence[str]], where: str) -> list[Fault]:
    """Faults of named groups of metrics, whatever the metrics are."""
    if not groups:
        return [Fault(where, "there is no group; name at least one, with its metrics")]
    faults = [Fault(f"{where}.{group}", "has no metric; name at least one") for group, of in groups.items() if not of]
    return faults + [fault for group, names in groups.items() for fault in repeated_names(names, f"{where}.{group}")]


def unknown_in_groups(groups: Mapping[str, Sequence[str]], metrics: Sequence[str], where: str) -> list[Fault]:
    """Faults for names in groups that are not among the metrics, and for metrics that are none."""
    if not metrics:
        return unknown_metrics((), metrics, where)
    return [fault for group, names in groups.items() for fault in unknown_metrics(names, metrics, f"{where}.{group}")]


def repeated_names(names: Sequence[str], where: str) -> list[Fault]:
    """Faults for metrics that stand twice in a list."""
    repeated = sorted({name for name in names if list(names).count(name) > 1})
    return [Fault(where, f"metric '{name}' is named more than once; name it once") for name in repeated]


def unknown_metrics(names: Iterable[str], metrics: Sequence[str], where: str) -> list[Fault]:
    """Faults for names that are not among the metrics, and for metrics that are none."""
    if not metrics:
        what = "there are no metrics to aggregate; name those that the evaluator measures"
        return [Fault(where, f"{what} (Study(metrics=[...]), or `metrics:` in a study file)")]
    strays = [name for name in names if name not in metrics]
    return [Fault(f"{where}.{name}", unknown_name("metric", name, metrics)) for name in strays]
