"""What turns a mixture into losses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from bomix.contracts.preparation import Preparation
    from bomix.errors import Fault
    from bomix.scale import Scale
    from bomix.trial import Result, Trial


@runtime_checkable
class Evaluator(Protocol):
    """Turns a mixture into losses. Must survive pickling.

    Inside, :func:`bomix.progress.report` tells the driver how far the training is. ``Study.run`` calls an evaluator
    in processes of its own, so that its class has to stand in a module, not in a notebook's cell.

    Example:
        >>> import dataclasses, pathlib
        >>> @dataclasses.dataclass(frozen=True)
        ... class Formula:
        ...     offset: float = 2.0  # fields are the keys in a study file
        ...
        ...     def evaluate(self, trial, workdir):
        ...         return bomix.Result(losses={"loss": self.offset + (trial.weights["code"] - 0.3) ** 2})
        >>> isinstance(Formula(), bomix.Evaluator)
        True
        >>> study = bomix.Study(["code", "web"], ["loss"], evaluator=Formula())
        >>> trial = study.ask()
        >>> round(study.tell(trial, Formula().evaluate(trial, pathlib.Path("."))).result.losses["loss"], 2)
        2.04
    """

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        """Train and measure.

        Args:
            trial: What to train.
            workdir: An empty folder of this attempt's own.
        """
        ...


@runtime_checkable
class PreparingEvaluator(Evaluator, Protocol):
    """An evaluator that must build or check something before the first trial."""

    def prepare(self, domains: Sequence[str]) -> Preparation:
        """Build caches, measure the domains; every fault at once.

        Raises:
            FaultsError: All that is wrong with the inputs.
        """
        ...


@runtime_checkable
class ScaledEvaluator(Evaluator, Protocol):
    """An evaluator that trains at the scale of the trial, and can say beforehand at which it cannot."""

    def scale_faults(self, scale: Scale) -> list[Fault]:
        """What keeps it from training at a scale, at ``params`` or ``tokens``, and which scales are possible."""
        ...
