"""What is minimised: aggregates of named metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bomix.bounds import number, unknown_name
from bomix.errors import Fault, StudyError, raise_faults
from bomix.protocols import AnyArray


def weighted_sum(losses: AnyArray, coefficients: np.ndarray) -> AnyArray:
    """Sum over metrics; one with coefficient zero does not enter, whatever its value.

    Args:
        losses: ``(...) x m``, a NumPy array or a torch tensor (differentiable then).
        coefficients: ``m`` array.

    Returns:
        ``(...)``, of the kind of ``losses``.
    """
    array: Any = losses
    if array.shape[-1] != len(coefficients):
        raise StudyError(f"losses of shape {tuple(array.shape)} lack the {len(coefficients)} columns of the metrics")
    columns = np.flatnonzero(coefficients)
    factors: Any = coefficients[columns]
    if not isinstance(array, np.ndarray):
        factors = array.new_tensor(factors.tolist())
    result: AnyArray = array[..., columns.tolist()] @ factors
    return result


@dataclass(frozen=True)
class Mean:
    """Plain mean of the metrics; lower is better.

    Attributes:
        metrics: Names of those that count; empty for all.
    """

    metrics: tuple[str, ...] = ()

    def faults(self) -> list[Fault]:
        """Metrics named more than once."""
        repeated = sorted({name for name in self.metrics if self.metrics.count(name) > 1})
        return [Fault("metrics", f"metric '{name}' is named more than once; name it once") for name in repeated]

    def metric_faults(self, metrics: Sequence[str]) -> list[Fault]:
        """Names that are not among ``metrics``."""
        return _unknown(self.metrics, metrics, "metrics")

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
        return faults

    def metric_faults(self, metrics: Sequence[str]) -> list[Fault]:
        """Names that are not among ``metrics``."""
        return _unknown(self.of, metrics, "of")

    def coefficients(self, metrics: Sequence[str]) -> np.ndarray:
        """Weight of each metric in the sum, ``m`` array."""
        raise_faults([*self.faults(), *self.metric_faults(metrics)])
        coefficients = np.array([float(self.of.get(name, 0.0)) for name in metrics])
        return coefficients / coefficients.sum() if self.normalise else coefficients

    def __call__(self, losses: AnyArray, metrics: Sequence[str]) -> AnyArray:
        """Losses ``(...) x m`` to their weighted mean ``(...)``; lower is better."""
        return weighted_sum(losses, self.coefficients(metrics))


def _unknown(names: Iterable[str], metrics: Sequence[str], where: str) -> list[Fault]:
    """Faults for names that are not among the metrics, and for metrics that are none."""
    if not metrics:
        return [Fault(where, "there are no metrics to aggregate; an evaluator must measure at least one")]
    strays = [name for name in names if name not in metrics]
    return [Fault(f"{where}.{name}", unknown_name("metric", name, metrics)) for name in strays]
