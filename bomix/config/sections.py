"""The sections of a study file, each a frozen spec of its own."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from bomix.contracts.text import Source
from bomix.contracts.traits import field_values
from bomix.errors import Fault, FaultsError, raise_faults
from bomix.io.store.plain import as_mapping, short
from bomix.problem import NATS_PER_TOKEN, Metric, StudyScale, cost_at
from bomix.space.bounds import is_name
from bomix.trial import Record, Status

_RUNS_OF = re.compile(r"\s*(\d+(?:\.\d+)?)\s+runs?\s+of\s+(.*\S)\s*")
"""A budget in runs of a scale."""


@dataclasses.dataclass(frozen=True)
class DomainSpec:
    """One domain of training data.

    Example:
        >>> books = bomix.DomainSpec(tokens=1e9, at_least=0.05)  # 1B tokens; weight zero, or at least 5 %
        >>> study = bomix.Study(
        ...     {"books": books, "web": bomix.DomainSpec(tokens=100e9)},
        ...     metrics=["books", "web"],
        ...     target=bomix.TargetSpec(tokens=20e9, max_epochs=4),
        ... )
        >>> study.problem.space.upper  # 4 passes over 1B tokens fill a fifth of 20B
        (0.2, 1.0)

    Attributes:
        source: The source of its text; evaluators that train here need it.
        tokens: Tokens available to the target run; measured from the source where absent.
        lower: Smallest weight.
        upper: Largest weight; a token cap may lower it.
        at_least: Zero, or at least this weight.
    """

    source: Source | None = None
    tokens: float | None = None
    lower: float = 0.0
    upper: float = 1.0
    at_least: float = 0.0

    def faults(self) -> list[Fault]:
        """Counts that cannot be; bounds are the space's to check."""
        if self.tokens is not None and self.tokens <= 0:
            return [Fault("tokens", f"expected a positive count, found {self.tokens:g}")]
        return []


@dataclasses.dataclass(frozen=True)
class TargetSpec:
    """The run that the study decides about.

    Example:
        >>> target = bomix.TargetSpec(tokens=20e9, max_epochs=2)
        >>> domains = {"books": bomix.DomainSpec(tokens=1e9), "web": bomix.DomainSpec(tokens=99e9)}
        >>> problem = bomix.Study(domains, ["loss"], target=target).problem
        >>> problem.epochs({"books": 0.1, "web": 0.9})["books"]  # 2B of the 20B tokens are books: two passes
        2.0

    Attributes:
        tokens: Training tokens of the run; those of ``scale`` where it has them.
        max_epochs: Passes over a domain's tokens that the run may make, at most.
        scale: The one of the study's ``scales`` that is decided about; the dearest unless it is named.
    """

    tokens: float | None = None
    max_epochs: float = 4.0
    scale: str | None = None

    def faults(self) -> list[Fault]:
        """Tokens that are missing, tokens or passes that are not positive."""
        named = {"tokens": self.tokens, "max_epochs": self.max_epochs}
        found = [
            Fault(k, f"expected a positive number, found {v:g}") for k, v in named.items() if v is not None and v <= 0
        ]
        return found


@dataclasses.dataclass(frozen=True)
class MetricSpec:
    """Unit, direction and range of a metric that is no loss in nats per token.

    Example:
        >>> metrics = {"web": bomix.MetricSpec(), "arc": bomix.MetricSpec(unit="accuracy", direction="max")}
        >>> study = bomix.Study(["code", "web"], metrics, objective=bomix.Mean(metrics=("arc",)))
        >>> study.problem.value({"web": 3.0, "arc": 0.4})  # less is better, so an accuracy turns its sign
        -0.4

    Attributes:
        unit: ``nats/token``, or a name of your own; it is shown and compared, never converted.
        direction: ``min`` where lower is better, ``max`` where higher is.
        range: Smallest and largest value that it can have, ``[0, 1]`` say; null for an end that has no bound. Known of
            losses, bits per byte, perplexities, accuracies and percentages by their units. No value outside is
            recorded, and none is predicted.
    """

    unit: str = NATS_PER_TOKEN
    direction: Literal["min", "max"] = "min"
    range: tuple[float | None, ...] | None = None

    def faults(self) -> list[Fault]:
        """A range that has not two ends in their order."""
        ends = () if self.range is None else self.range
        low, high = ends if len(ends) == 2 else (None, None)
        if self.range is None or (len(ends) == 2 and (low is None or high is None or low < high)):
            return []
        return [Fault("range", f"expected [smallest, largest], either of them null for none, found {list(ends)}")]


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
        trials: Completed trials, imported and confirming ones not counted.
        device_seconds: Device-seconds of the completed trials.
        flops: Training FLOPs of the completed trials, ``6 * params * tokens`` each; of a run that reweights its
            domains, what its evaluator says that it took (``info.flops``).
        improvement: Expected improvement of the objective, in its own unit, below which nothing more is tried: what
            the strategy expects of its best candidate, beyond the best mixture tried and the one that it would
            recommend; of more than 32 domains, inside what was explored. Needs a strategy with a surrogate, and a study
            of one scale.
        patience: After how many trials in a row it must lie below, the design behind them.
        cost: In a study of several scales, cost of the completed trials by the scales that they are of, in the unit of
            ``scales``: FLOPs unless they state others. Or so many runs of one of them, ``8 runs of large``. ``trials``
            is a limit of its own beside it.
    """

    trials: int = 20
    device_seconds: float | None = None
    flops: float | None = None
    improvement: float | None = None
    patience: int = 2
    cost: float | str | None = None

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
        if len(done) >= self.trials:
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
        if len(unfailed) >= self.trials:
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


@dataclasses.dataclass(frozen=True)
class RecommendationSpec:
    """What becomes of the best mixture before it is recommended, and what is said of it.

    Attributes:
        shrink: Share of the prior in the recommendation, 0 to 1: the natural mixture, or the uniform one where the
            tokens are unknown.
        smooth: Share of the uniform mixture in what comes of that; 0.01 keeps a little of every domain.
        last: Trials whose results are compared with what was predicted without them; 0 for none.
    """

    shrink: float = 0.0
    smooth: float = 0.0
    last: int = 5

    def faults(self) -> list[Fault]:
        """Shares that do not lie between zero and one, and a number of trials below zero."""
        named = {"shrink": self.shrink, "smooth": self.smooth}
        found = [
            Fault(key, f"expected a share from 0 to 1, found {share:g}")
            for key, share in named.items()
            if not 0.0 <= share <= 1.0
        ]
        return found + ([Fault("last", f"expected a number of trials from 0, found {self.last}")] * (self.last < 0))


@dataclasses.dataclass(frozen=True)
class ExpertsSpec:
    """Trials on one domain each, whose probabilities of every validation token are kept.

    Attributes:
        train: ``auto`` where the strategy, its surrogate or their means need them; ``always``; ``never``.
        tokens: Training tokens of an expert where they are not those of a trial; its losses then inform nothing.
        counted: Whether they count against the budget.
        params: Non-embedding parameters of an expert where they are not those of a trial; its losses then inform
            nothing either. ``proxy`` can train the sizes of its ladder, and names their exact counts where it is asked
            for another.
    """

    train: Literal["auto", "always", "never"] = "auto"
    tokens: int | None = None
    counted: bool = True
    params: int | None = None

    def faults(self) -> list[Fault]:
        """Tokens or parameters that are not positive."""
        named = {"tokens": self.tokens, "params": self.params}
        return [
            Fault(key, f"expected a positive number, found {value}")
            for key, value in named.items()
            if value is not None and value <= 0
        ]


def domain_specs(domains: Sequence[str] | Mapping[str, DomainSpec]) -> Mapping[str, DomainSpec]:
    """Domains from their names alone, or as they are given.

    Raises:
        FaultsError: What is no name, a name that stands twice, or a text where a list is wanted.
    """
    given = listed("domains", domains, DomainSpec)
    if isinstance(given, Mapping):
        return given
    names = list(given)
    raise_faults(
        Fault("domains", f"expected names, found {short(name)}")
        for name in names
        if not (isinstance(name, str) and name)
    )
    raise_faults(
        Fault(f"domains.{name}", "named twice; keep one") for name in sorted({*names}) if names.count(name) > 1
    )
    return {str(name): DomainSpec() for name in names}


def listed(where: str, given: Any, section: type[Any]) -> Any:
    """Names as a tuple, or a mapping from names to what is said of them, of whatever a program hands over.

    Args:
        where: What it is called in a message.
        given: Names in a list, an array or a pandas Series; or name to section in a mapping or a pandas Series.
        section: What may be said of a name.

    Raises:
        FaultsError: It is neither.
    """
    if isinstance(given, Mapping):
        return given
    if isinstance(given, (str, bytes)):
        raise_faults([Fault(where, f"expected a list of names, found the text {short(given)}")])
    try:
        found = tuple(given)
    except TypeError:
        what = f"expected a list of names, or a mapping from names to {section.__name__}, found {short(given)}"
        raise FaultsError([Fault(where, what)]) from None
    named = as_mapping(given)
    if isinstance(named, Mapping) and any(isinstance(item, section) for item in found):
        return named
    return tuple(str(name) if isinstance(name, str) else name for name in found)


def declared_metrics(metrics: Sequence[str] | Mapping[str, MetricSpec]) -> tuple[Metric, ...]:
    """Metrics from their names, or from name to unit, direction and range."""
    if isinstance(metrics, Mapping):
        return tuple(Metric(name, spec.unit, spec.direction, spec.range) for name, spec in metrics.items())
    return tuple(Metric(name) for name in metrics)


def metric_faults(metrics: Sequence[str] | Mapping[str, MetricSpec]) -> list[Fault]:
    """Names of metrics that are no names, or stand twice."""
    if isinstance(metrics, str):
        return [Fault("metrics", f"expected a list of names, found the text {short(metrics)}")]
    names = list(metrics)
    faults = [
        Fault("metrics", f"expected names, found {short(name)} (text, not blank, without control characters)")
        for name in names
        if not is_name(name)
    ]
    return faults or [
        Fault("metrics", f"'{name}' stands twice; keep one") for name in {*names} if names.count(name) > 1
    ]
