"""An objective: what is minimised, a function of the metrics.

Write a frozen dataclass with the one method of :class:`Objective`. Every metric comes in turned so that less is
better, and less of the objective is better. What else bomix makes use of stands in :class:`ObjectiveTraits`: one that
names metrics says which it lacks (``metric_faults``), and one that is a weighted sum is computed with in closed form
where it says so (``coefficients``).

>>> from dataclasses import dataclass
>>> import numpy as np
>>> from bomix.errors import Fault
>>> from bomix.objectives.weighted import check_columns
>>> @dataclass(frozen=True)
... class First:
...     '''A single metric; the others do not count.'''
...     metric: str = "loss"
...     def metric_faults(self, metrics):
...         return [] if self.metric in metrics else [Fault("metric", f"there is no metric '{self.metric}'")]
...     def coefficients(self, metrics):
...         return np.array([float(name == self.metric) for name in metrics])
...     def __call__(self, losses, metrics):
...         check_columns(losses, len(metrics))
...         return losses[..., list(metrics).index(self.metric)]
>>> float(First("code")(np.array([1.0, 2.0]), ["web", "code"]))
2.0
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np

from bomix.contracts.traits import ComponentTraits, traits
from bomix.errors import Fault

AnyArray = TypeVar("AnyArray")


@runtime_checkable
class Objective(Protocol):
    """What is minimised: a function of the metrics, of all of which less is better here.

    Example:
        >>> import dataclasses
        >>> @dataclasses.dataclass(frozen=True)
        ... class RootMeanSquare:
        ...     def __call__(self, losses, metrics):
        ...         return (losses**2).mean(-1) ** 0.5  # of arrays and of tensors
        >>> isinstance(RootMeanSquare(), bomix.Objective)
        True
        >>> study = bomix.Study(["code", "web"], ["code", "web"], objective=RootMeanSquare())
        >>> study.problem.value({"code": 1.0, "web": 7.0})
        5.0
    """

    def __call__(self, losses: AnyArray, metrics: Sequence[str]) -> AnyArray:
        """Map losses ``(...) x m``, a NumPy array or a torch tensor, to ``(...)``; lower is better."""
        ...


@dataclass(frozen=True)
class ObjectiveTraits(ComponentTraits):
    """What an objective may have beyond :class:`Objective`, and what bomix assumes where it does not.

    Attributes:
        metric_faults: Takes the names of the metrics and returns what does not fit them: a name that is not among
            them, say. Without it any metrics will do.
        coefficients: Takes the names of the metrics and returns the ``m`` coefficients in their order where the
            objective is a weighted sum, else None; assumed to be no weighted sum unless it says so.
        needs_reference: Says what is still missing of the reference run that the objective compares with:
            ``uniform`` or ``natural`` for the runs of that mixture, a mapping from metrics to values as they are
            reported, or None. Until it is there the objective is NaN. See
            :func:`bomix.objectives.reference.resolved`.
        compares_with: ``uniform`` or ``natural`` where that mixture is the reference run, also once it is filled in,
            else None. What a model believes of its metrics then takes the place of what its few noisy runs measured.
        with_reference: Takes metric to value of the reference run, turned so that less is better, and returns the same
            objective that compares with them; it belongs to ``needs_reference``.
        holds: Takes losses ``(...) x m`` and the metrics and returns whether its guardrails are kept, ``(...)`` of
            bool.
        group_coefficients: Takes the metrics and returns ``g x m`` weights of the metrics in each of ``g`` groups: the
            objective is a trade-off of the groups, and as a single number a stated compromise.
        groups: Name of a group to its metrics, where the objective has named groups.
        counted_together: Takes the metrics and returns those whose values it adds up or compares with each other, which
            means something where they are of one unit; without it those with a coefficient are.
    """

    contract: ClassVar[type | None] = Objective

    metric_faults: Callable[[Sequence[str]], list[Fault]] = lambda metrics: []
    coefficients: Callable[[Sequence[str]], np.ndarray | None] = lambda metrics: None
    needs_reference: Callable[[], str | Mapping[str, float] | None] | None = None
    compares_with: str | None = None
    with_reference: Callable[[Mapping[str, float]], Objective] | None = None
    holds: Callable[[Any, Sequence[str]], Any] | None = None
    group_coefficients: Callable[[Sequence[str]], np.ndarray] | None = None
    groups: Mapping[str, Sequence[str]] | None = None
    counted_together: Callable[[Sequence[str]], Sequence[str]] | None = None

    @property
    def is_trade_off(self) -> bool:
        """Whether it has several groups of which none can be had without the others."""
        return self.group_coefficients is not None


def counted_together(objective: Objective, metrics: Sequence[str]) -> tuple[str, ...]:
    """The metrics whose values an objective adds up or compares with each other; empty where it does not tell."""
    if (told := traits(objective, ObjectiveTraits).counted_together) is not None:
        return tuple(told(metrics))
    coefficients = traits(objective, ObjectiveTraits).coefficients(metrics)
    shares = () if coefficients is None else coefficients.tolist()
    return tuple(name for name, share in zip(metrics, shares, strict=False) if share != 0.0)
