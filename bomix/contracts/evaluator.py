"""What turns a mixture into losses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from bomix.contracts.preparation import Preparation
    from bomix.trial import Result, Trial


@runtime_checkable
class Evaluator(Protocol):
    """Turns a mixture into losses. Must survive pickling.

    Inside, :func:`bomix.progress.report` tells the driver how far the training is.
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
