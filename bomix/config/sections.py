"""The sections of a study file, each a frozen spec of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from bomix.contracts.repetition import REPETITION_DECAY
from bomix.contracts.text import Source
from bomix.errors import Fault, FaultsError, raise_faults
from bomix.io.store.plain import as_mapping, short
from bomix.problem import NATS_PER_TOKEN, Metric
from bomix.space.bounds import is_name


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
        max_epochs: Passes over its tokens that the target may make, at most; those of ``target`` unless they are
            stated.
        repetition_decay: Repetitions after which a token is worth 1/e of a fresh one, the ``R*`` of
            :func:`bomix.laws.repetition.effective_passes`.
    """

    source: Source | None = None
    tokens: float | None = None
    lower: float = 0.0
    upper: float = 1.0
    at_least: float = 0.0
    max_epochs: float | None = None
    repetition_decay: float = REPETITION_DECAY

    def faults(self) -> list[Fault]:
        """Counts that cannot be; bounds are the space's to check."""
        found = []
        if self.tokens is not None and self.tokens <= 0:
            found.append(Fault("tokens", f"expected a positive count, found {self.tokens:g}"))
        named = {"max_epochs": self.max_epochs, "repetition_decay": self.repetition_decay}
        return found + [
            Fault(key, f"expected a positive number, found {value:g}")
            for key, value in named.items()
            if value is not None and value <= 0
        ]


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
        match_epochs: Whether trials see only so much of each domain, in whole documents, that a mixture repeats it as
            often in them as in the target. Unless it is stated: where what trains can, and a domain can repeat in the
            target within its cap.
    """

    tokens: float | None = None
    max_epochs: float = 4.0
    scale: str | None = None
    match_epochs: bool | None = None

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


def own_max_epochs(domains: Mapping[str, DomainSpec]) -> dict[str, float]:
    """Domain to the passes over it that are allowed, where those are others than the target's."""
    return {name: spec.max_epochs for name, spec in domains.items() if spec.max_epochs is not None}


def repetition_decays(domains: Mapping[str, DomainSpec]) -> dict[str, float]:
    """Domain to how fast the worth of its repeated tokens falls, where it is stated otherwise."""
    found = {name: spec.repetition_decay for name, spec in domains.items()}
    return {name: decay for name, decay in found.items() if decay != REPETITION_DECAY}


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
