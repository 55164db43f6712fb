"""When the search of a study ends."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Sequence

from bomix.contracts.traits import field_values
from bomix.errors import Fault
from bomix.problem import StudyScale, cost_at
from bomix.trial import Record, Status

_RUNS_OF = re.compile(r"\s*(\d+(?:\.\d+)?)\s+runs?\s+of\s+(.*\S)\s*")
"""A budget in runs of a scale."""
_TRIALS = 20
"""Trials of a budget that names no limit at all: enough for a first answer on a handful of domains."""


@dataclasses.dataclass(frozen=True)
class BudgetSpec:
    """When the search ends; the first limit that is reached counts.

    Example:
        >>> budget = bomix.BudgetSpec(trials=2, device_seconds=3600)
        >>> result = bomix.Result(losses={"web": 3.0}, cost=4000)
        >>> study = bomix.Study(["code", "web"], ["web"], budget=budget)
        >>> record = study.tell(study.ask(), result)
        >>> budget.spent([record])  # None while some is left
        '3600 device-seconds'

    Attributes:
        trials: Completed trials, imported and confirming ones not counted. Unnamed, 20 where no device-seconds, FLOPs
            or cost are named either, and else no limit.
        device_seconds: Device-seconds of the completed trials.
        flops: Training FLOPs of the completed trials, ``6 * params * tokens`` each; of a run that reweights its
            domains, what its evaluator says that it took (``info.flops``).
        improvement: Expected improvement of the objective, in its own unit, below which nothing more is tried: what
            the strategy expects of its best candidate, beyond the best mixture tried and the one that it would
            recommend; of more than 32 domains, inside what was explored. Needs a strategy with a surrogate, and a study
            of one scale.
        patience: After how many trials in a row it must lie below, the design behind them.
        cost: In a study of several scales, cost of the completed trials by the scales that they are of, in the unit of
            ``scales``: FLOPs unless they state others. Or so many runs of one of them, ``8 runs of large``.
    """

    trials: int | None = None
    device_seconds: float | None = None
    flops: float | None = None
    improvement: float | None = None
    patience: int = 2
    cost: float | str | None = None

    def __post_init__(self) -> None:
        """One that names no limit ends all the same."""
        if self.trials is None and self.device_seconds is None and self.flops is None and self.cost is None:
            object.__setattr__(self, "trials", _TRIALS)

    def faults(self) -> list[Fault]:
        """Limits that are not positive, and a cost that is neither a number nor so many runs of a scale."""
        limits = {key: value for key, value in field_values(self).items() if not isinstance(value, str)}
        found = [
            Fault(key, f"expected a positive number, found {value:g}")
            for key, value in limits.items()
            if value is not None and value <= 0
        ]
        if isinstance(self.cost, str) and self._runs_of() is None:
            found.append(Fault("cost", f"expected a cost, or text as '8 runs of large', found '{self.cost}'"))
        return found

    def scale_faults(self, names: Sequence[str]) -> list[Fault]:
        """What is wrong with the cost in a study.

        Args:
            names: Names of the study's scales; none where it has one scale.
        """
        if self.cost is not None and not names:
            return [Fault("cost", "the study names no scales, so that no run has a cost; take 'flops' or 'trials'")]
        told = self._runs_of()
        if told is not None and told[1] not in names:
            return [Fault("cost", f"unknown scale '{told[1]}' (known: {', '.join(names)})")]
        return []

    def cost_limit(self, scales: Sequence[StudyScale]) -> float | None:
        """The limit of the cost in its unit; None where there is none.

        Args:
            scales: The scales of the study.
        """
        told = self._runs_of()
        if told is None:
            return None if self.cost is None else float(self.cost)
        return told[0] * next(each.cost for each in scales if each.name == told[1])

    def _runs_of(self) -> tuple[float, str] | None:
        """Number and scale of the runs that the cost is said in; None where it is not."""
        found = _RUNS_OF.fullmatch(self.cost) if isinstance(self.cost, str) else None
        return None if found is None or not float(found[1]) > 0.0 else (float(found[1]), found[2])

    def spent(self, asked: Sequence[Record], scales: Sequence[StudyScale] = ()) -> str | None:
        """Which limit the trials that were asked for have reached, in words; None where there is some left.

        Args:
            asked: The trials that cost budget.
            scales: The scales of a study of several.
        """
        done = [record for record in asked if record.status is Status.COMPLETED]
        seconds = sum(record.result.cost or 0.0 for record in done)
        flops = sum(map(_flops, done))
        if self.trials is not None and len(done) >= self.trials:
            return f"{self.trials} trials"
        if self.device_seconds is not None and seconds >= self.device_seconds:
            return f"{self.device_seconds:g} device-seconds"
        limit = self.cost_limit(scales)
        if limit is not None and sum(_cost(record, scales) for record in done) >= limit:
            return self._cost_in_words(limit)
        return f"{self.flops:g} FLOPs" if self.flops is not None and flops >= self.flops else None

    def asked_for(self, asked: Sequence[Record], scales: Sequence[StudyScale] = ()) -> str | None:
        """Which of trials and cost is reached once the pending trials come back, none of them failed, in words.

        Args:
            asked: The trials that cost budget.
            scales: The scales of a study of several.
        """
        unfailed = [record for record in asked if record.status is not Status.FAILED]
        if self.trials is not None and len(unfailed) >= self.trials:
            return f"{self.trials} trials"
        limit = self.cost_limit(scales)
        if limit is not None and sum(_cost(record, scales) for record in unfailed) >= limit:
            return self._cost_in_words(limit)
        return None

    def _cost_in_words(self, limit: float) -> str:
        return self.cost.strip() if isinstance(self.cost, str) else f"a cost of {limit:g}"

    def holds(self, asked: Sequence[Record], scales: Sequence[StudyScale] = ()) -> bool:
        """Whether some is left once the pending trials have come back, none dearer than the dearest before them.

        As many as are asked for one after the other may so be asked for at once, and no more. Before a first cost is
        known, a budget of device-seconds holds none.

        Args:
            asked: The trials that cost budget.
            scales: The scales of a study of several.
        """
        pending = [record for record in asked if record.status is Status.PENDING]
        costs = [record.result.cost or 0.0 for record in asked if record.status is Status.COMPLETED]
        flops = sum(_flops(record) for record in asked if record.status is not Status.FAILED)
        if self.device_seconds is not None and not (
            costs and sum(costs) + len(pending) * max(costs) < self.device_seconds
        ):
            return False
        limit = self.cost_limit(scales)
        if limit is not None:
            known = (_cost(record, scales) for record in asked if record.status is not Status.FAILED)
            if sum(known) >= limit:
                return False
        return self.flops is None or flops < self.flops


def _cost(record: Record, scales: Sequence[StudyScale]) -> float:
    """Cost of a trial, see :func:`bomix.problem.cost_at`."""
    return cost_at(record.trial.scale, scales)


def _flops(record: Record) -> float:
    """Training FLOPs of a trial, zero where they are unknown."""
    if record.trial.reweighting is not None and record.status is Status.COMPLETED:
        told = record.result.info.get("flops")
        if isinstance(told, (int, float)) and math.isfinite(told):
            return max(0.0, float(told))
    return 0.0 if record.trial.scale is None else record.trial.scale.flops or 0.0
