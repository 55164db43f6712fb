"""Objectives that look at the metrics that fare worst, by themselves or against a reference run.

A mean can fall while most metrics rise: one that falls steeply pays for all. These objectives do not let it.

What compares with a reference takes it from the record: the mean of the runs at the uniform or the natural mixture,
see :func:`bomix.objectives.reference.resolved`. Until those are measured the objective is NaN. Asks and
recommendations compare with what the model believes of that mixture, see :mod:`bomix.posterior.belief`. A mapping gives
the reference by hand, as its metrics are reported, also those of which more is better.

References:
    [Xie2023] DoReMi: optimizing data mixtures speeds up language model pretraining (the excess over a reference).
    [Nocedal2006] Numerical optimization, section 17.2 (exact penalty functions).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np

from bomix.contracts.objective import AnyArray, Objective, ObjectiveTraits, counted_together
from bomix.contracts.traits import traits
from bomix.errors import Fault, raise_faults
from bomix.objectives.weighted import Mean, OfMetrics, check_columns, constants, unknown_metrics
from bomix.space.bounds import number

Anchor = Literal["uniform", "natural"]
Spec = TypeVar("Spec")

TEMPERATURE = 0.05
"""Nats per token over which the smooth maximum mixes metrics."""


def worst_of(losses: AnyArray) -> AnyArray:
    """The largest of losses ``(...) x m``, ``(...)``."""
    array: Any = losses
    result: AnyArray = array.max(axis=-1) if isinstance(losses, np.ndarray) else array.amax(dim=-1)
    return result


def smooth_worst_of(losses: AnyArray, temperature: float) -> AnyArray:
    """``tau log mean_j exp(L_j / tau)`` of losses ``(...) x m``, ``(...)``.

    It lies between the mean, its limit for a large ``tau``, and the maximum, its limit for a small one; metrics
    that are all equal have that value.
    """
    array: Any = losses
    if isinstance(losses, np.ndarray):
        top = array.max(axis=-1, keepdims=True)
        result: AnyArray = top[..., 0] + temperature * np.log(np.exp((array - top) / temperature).mean(axis=-1))
        return result
    result = temperature * ((array / temperature).logsumexp(dim=-1) - float(np.log(array.shape[-1])))
    return result


@dataclass(frozen=True)
class _NonLinear(OfMetrics):
    """Base of objectives that are no weighted sum of a choice of metrics.

    Attributes:
        metrics: Names of those that count; empty for all.
    """

    def coefficients(self, metrics: Sequence[str]) -> None:
        """None: the objective is no weighted sum."""
        raise_faults(self.metric_faults(metrics))

    def counted_together(self, metrics: Sequence[str]) -> tuple[str, ...]:
        """Those that count: which of them is the worst depends on their units."""
        return tuple(name for name in metrics if not self.metrics or name in self.metrics)

    def _counted(self, losses: AnyArray, metrics: Sequence[str]) -> tuple[AnyArray, list[str]]:
        """The columns of those that count, ``(...) x k``, and their names."""
        raise_faults([*self.faults(), *self.metric_faults(metrics)])
        check_columns(losses, len(metrics))
        kept = [position for position, name in enumerate(metrics) if not self.metrics or name in self.metrics]
        columns: AnyArray = losses[..., kept]  # type: ignore[index]
        return columns, [metrics[position] for position in kept]


@dataclass(frozen=True)
class Worst(_NonLinear):
    """The metric that fares worst: ``max_j L_j``; lower is better.

    Metrics must be comparable: losses of texts of different difficulty are not, their :class:`Excess` is.

    Attributes:
        metrics: Names of those that count; empty for all.
    """

    def __call__(self, losses: AnyArray, metrics: Sequence[str]) -> AnyArray:
        """Losses ``(...) x m`` to their maximum ``(...)``; lower is better."""
        return worst_of(self._counted(losses, metrics)[0])


@dataclass(frozen=True)
class SmoothMax(_NonLinear):
    """Between the mean and the maximum: ``tau log mean_j exp(L_j / tau)``; lower is better.

    Attributes:
        metrics: Names of those that count; empty for all.
        temperature: ``tau``, nats per token: metrics this much below the worst still count.
    """

    temperature: float = TEMPERATURE

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return [*super().faults(), *_not_positive("temperature", self.temperature)]

    def __call__(self, losses: AnyArray, metrics: Sequence[str]) -> AnyArray:
        """Losses ``(...) x m`` to ``(...)``; lower is better."""
        return smooth_worst_of(self._counted(losses, metrics)[0], self.temperature)


@dataclass(frozen=True)
class _OverReference(_NonLinear):
    """Base of objectives that compare with a reference run.

    Attributes:
        metrics: Names of those that count; empty for all.
        reference: The mixture whose runs are the reference, or metric to value as it is reported.
        measured: The reference that counts, less is better; filled by :meth:`with_reference`.
    """

    reference: Anchor | Mapping[str, float] = "uniform"
    measured: Mapping[str, float] | None = field(default=None, init=False)

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        given = self.reference if isinstance(self.reference, Mapping) else {}
        wrong = [
            Fault(f"reference.{name}", f"the reference of metric '{name}' is {value!r}, not a finite number")
            for name, value in given.items()
            if number(value) is None
        ]
        return [*super().faults(), *wrong]

    def metric_faults(self, metrics: Sequence[str]) -> list[Fault]:
        """Names that are not among ``metrics``, and metrics that count without a reference."""
        faults = super().metric_faults(metrics)
        if not isinstance(self.reference, Mapping):
            return faults
        lacking = [name for name in self.metrics or metrics if name not in self.reference]
        return [
            *faults,
            *unknown_metrics(self.reference, metrics, "reference"),
            *(Fault("reference", f"metric '{name}' has none; give it, or list the 'metrics'") for name in lacking),
        ]

    def needs_reference(self) -> str | Mapping[str, float] | None:
        """The mixture whose runs, or the values as reported, :meth:`with_reference` still needs; None once given."""
        return self.reference if self.measured is None else None

    @property
    def compares_with(self) -> str | None:
        """The mixture whose runs are the reference, filled in or not; None where its values are given by hand."""
        return None if isinstance(self.reference, Mapping) else self.reference

    def with_reference(self: Spec, losses: Mapping[str, float]) -> Spec:
        """The same with a reference: metric to value, turned so that less is better."""
        filled = copy.copy(self)
        object.__setattr__(filled, "measured", dict(losses))
        return filled

    def _excess(self, losses: AnyArray, metrics: Sequence[str]) -> AnyArray:
        """``L_j - ref_j`` of the metrics that count, ``(...) x k``; NaN where there is no reference."""
        columns, names = self._counted(losses, metrics)
        known = self.measured or {}
        reference = np.array([float(known.get(name, np.nan)) for name in names])
        excess: AnyArray = columns - constants(losses, reference)
        return excess


@dataclass(frozen=True)
class Excess(_OverReference):
    """How much worse than a reference run the metrics are, ``L_j - ref_j`` [Xie2023]_; lower is better.

    Below zero, ``worst`` says that every metric is better than in the reference run, the worst one by that much.
    A reference from the record is the mean of a few noisy runs; what they miss of one metric makes another the worst,
    and the optimum another mixture. Bayesian strategies therefore run it again, see
    :mod:`bomix.strategies.bayesian.reference_runs`.

    Attributes:
        metrics: Names of those that count; empty for all.
        reference: The mixture whose runs are the reference, or metric to value as it is reported.
        combine: ``worst`` takes the largest excess, ``smooth`` :class:`SmoothMax` of them, ``mean_of_positive`` the
            mean of ``max(0, L_j - ref_j)``, which is content where nothing is worse than the reference.
        temperature: ``tau`` of ``smooth``, nats per token: excesses this much below the largest still count.
    """

    combine: Literal["worst", "smooth", "mean_of_positive"] = "worst"
    temperature: float = TEMPERATURE

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return [*super().faults(), *_not_positive("temperature", self.temperature)]

    def __call__(self, losses: AnyArray, metrics: Sequence[str]) -> AnyArray:
        """Losses ``(...) x m`` to ``(...)``; lower is better."""
        excess: Any = self._excess(losses, metrics)
        if self.combine == "worst":
            return worst_of(excess)  # type: ignore[no-any-return]
        if self.combine == "smooth":
            return smooth_worst_of(excess, self.temperature)  # type: ignore[no-any-return]
        return excess.clip(min=0.0).mean(-1)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Guardrail(_OverReference):
    """A mean, subject to no metric being worse than in a reference run by more than a margin; lower is better.

    ``base + penalty sum_j max(0, L_j - ref_j - margin)``: an exact penalty [Nocedal2006]_. Its minimiser is that of
    the base under the guardrails wherever the penalty is above what one nat of a guarded metric buys of the base
    there. A base that is a mean falls by at most as much as its best metric: only where some metric falls more than
    ``penalty`` times as steeply as the guarded one rises does the optimum overstep, and then by little.

    Attributes:
        metrics: Names of those that are guarded; empty for all.
        reference: The mixture whose runs are the reference, or metric to value as it is reported.
        base: The objective that is minimised under the guardrails.
        margin: Largest excess of a guarded metric over the reference, in its own unit.
        penalty: Cost of each unit beyond the margin, in units of the base.
    """

    base: Objective = Mean()
    margin: float = 0.0
    penalty: float = 10.0

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        own = [*super().faults(), *_not_positive("penalty", self.penalty)]
        base = traits(self.base, ObjectiveTraits)
        if base.needs_reference is not None or base.is_trade_off:
            kind = type(self.base).__name__
            own.append(Fault("base", f"{kind} cannot be guarded; give a base without a reference and without a front"))
        return own

    def metric_faults(self, metrics: Sequence[str]) -> list[Fault]:
        """Names that are not among ``metrics``, the base's included."""
        of_base = traits(self.base, ObjectiveTraits).metric_faults(metrics)
        base = [Fault(f"base.{fault.where}", fault.what) for fault in of_base]
        return [*super().metric_faults(metrics), *base]

    def counted_together(self, metrics: Sequence[str]) -> tuple[str, ...]:
        """Those of the base: each of those that are guarded is compared with its own reference alone."""
        return counted_together(self.base, metrics)

    def holds(self, losses: AnyArray, metrics: Sequence[str]) -> AnyArray:
        """Whether losses ``(...) x m`` keep within the guardrails, ``(...)`` of bool; not where one is NaN."""
        excess: Any = self._excess(losses, metrics)
        return (excess <= self.margin).all(-1)  # type: ignore[no-any-return]

    def __call__(self, losses: AnyArray, metrics: Sequence[str]) -> AnyArray:
        """Losses ``(...) x m`` to ``(...)``; lower is better."""
        excess: Any = self._excess(losses, metrics)
        base: Any = self.base(losses, metrics)
        return base + self.penalty * (excess - self.margin).clip(min=0.0).sum(-1)  # type: ignore[no-any-return]


def _not_positive(name: str, value: float) -> list[Fault]:
    return [] if value > 0.0 else [Fault(name, f"{name} is {value:g}; give a positive number")]
