"""What is minimised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    import numpy as np

    from bomix.errors import Fault


AnyArray = TypeVar("AnyArray")


@runtime_checkable
class Objective(Protocol):
    """What is minimised: a function of the metrics, of all of which less is better here.

    An objective may have more, and bomix uses it where it is there:

    * ``needs_reference()`` and ``with_reference(losses)``: it compares with a reference run. The first says what is
      still missing: ``uniform`` or ``natural`` for the runs of that mixture, a mapping from metrics to values as they
      are reported, or None. The second returns the same objective with metric to value, turned so that less is
      better. Until then the objective is NaN. See :func:`bomix.objectives.reference.resolved`.
    * ``holds(losses, metrics)``: whether its guardrails are kept, ``(...)`` of bool.
    * ``group_coefficients(metrics)``: it is a trade-off of ``g`` groups, each with its ``g x m`` weights; as a single
      number it is a stated compromise.

    Example:
        >>> import dataclasses
        >>> @dataclasses.dataclass(frozen=True)
        ... class Only:
        ...     metric: str
        ...
        ...     def metric_faults(self, metrics):
        ...         return []
        ...
        ...     def coefficients(self, metrics):
        ...         import numpy as np
        ...
        ...         return np.array([float(name == self.metric) for name in metrics])
        ...
        ...     def __call__(self, losses, metrics):
        ...         return losses @ self.coefficients(metrics)
        >>> isinstance(Only("code"), bomix.Objective)
        True
        >>> study = bomix.Study(["code", "web"], ["code", "web"], objective=Only("code"))
        >>> study.problem.value({"code": 2.2, "web": 3.1})
        2.2
    """

    def metric_faults(self, metrics: Sequence[str]) -> list[Fault]:
        """What does not fit these metrics: a name that is not among them, say."""
        ...

    def coefficients(self, metrics: Sequence[str]) -> np.ndarray | None:
        """The ``m`` coefficients in the order of ``metrics`` where the objective is a weighted sum, else None."""
        ...

    def __call__(self, losses: AnyArray, metrics: Sequence[str]) -> AnyArray:
        """Map losses ``(...) x m``, a NumPy array or a torch tensor, to ``(...)``; lower is better."""
        ...
