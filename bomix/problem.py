"""What is to be decided: the space, the metrics, the objective, the target run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from bomix.contracts.repetition import REPETITION_DECAY
from bomix.scale import Scale
from bomix.space.phased import PhasedSpace, phases_of
from bomix.space.weights import Weights, nearest, normalized, same_mixture

if TYPE_CHECKING:
    from bomix.contracts.objective import Objective
    from bomix.contracts.repetition import Matching
    from bomix.space.mixture_space import MixtureSpace
    from bomix.space.nested import Nested
    from bomix.space.phases import Phases

NATS_PER_TOKEN = "nats/token"

Range: TypeAlias = tuple[float, float]
"""Smallest and largest value that something can have, infinite where there is none."""
ANY: Range = (-math.inf, math.inf)
"""The range of what may have every value."""

PERPLEXITY: Range = (1.0, math.inf)
"""The range of ``exp`` of a loss."""
_FROM_ZERO: Range = (0.0, math.inf)
"""The range of an entropy: no text is encoded in less than nothing."""
_RANGES: Mapping[str, Range] = {
    **dict.fromkeys((NATS_PER_TOKEN, "nats", "nats per token", "nats/byte", "nats per byte"), _FROM_ZERO),
    **dict.fromkeys(("bits", "bits/token", "bits per token", "bits/byte", "bits per byte", "bpb"), _FROM_ZERO),
    **dict.fromkeys(("accuracy", "fraction", "probability"), (0.0, 1.0)),
    **dict.fromkeys(("%", "percent", "percentage"), (0.0, 100.0)),
    **dict.fromkeys(("perplexity", "ppl"), PERPLEXITY),
}
"""Unit to what a metric of that unit can be; one of another unit may have every value."""


@dataclass(frozen=True)
class Metric:
    """One number that every trial is judged by, as a rule a validation loss.

    Example:
        >>> study = bomix.Study(["code", "web"], metrics=["code"])  # a name stands for a loss
        >>> study.problem.metrics
        (Metric(name='code', unit='nats/token', direction='min'),)
        >>> study.problem.metrics[0].limits  # a loss is not below zero
        (0.0, inf)

    Attributes:
        name: Its name in study files, results, tables and figures.
        unit: ``nats/token``, or another for metrics that are no losses.
        direction: ``min`` where lower is better.
        range: Smallest and largest value that it can have, None for an end where there is none; None for both takes
            those of the unit, see :attr:`limits`.
    """

    name: str
    unit: str = NATS_PER_TOKEN
    direction: Literal["min", "max"] = "min"
    range: tuple[float | None, ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.range is not None:  # a list, where it was read from JSON
            object.__setattr__(self, "range", tuple(self.range))

    @property
    def limits(self) -> Range:
        """Smallest and largest value that it can have: as stated, else those of its unit."""
        if self.range is None:
            return _RANGES.get(self.unit.strip().lower(), ANY)
        low, high = self.range
        return (-math.inf if low is None else low, math.inf if high is None else high)


@dataclass(frozen=True)
class StudyScale:
    """One of the scales of a study that has several.

    Attributes:
        name: Its name in the study file, in tables and figures.
        scale: Parameters and tokens of a run.
        cost: What a run costs, in the unit that all scales of the study share: FLOPs unless others are stated.
        trained: Whether trials of it can be asked for; runs of another are brought from elsewhere, or there are none.
    """

    name: str
    scale: Scale
    cost: float
    trained: bool = True


def cost_at(scale: Scale | None, scales: Sequence[StudyScale]) -> float:
    """What a run costs: as the scale of the study that it is of; of none, in proportion to its FLOPs.

    A run whose scale is unknown costs what the dearest that is trained does.

    Args:
        scale: The scale of the run.
        scales: The scales of the study, the cheapest first.
    """
    known: dict[Scale | None, float] = {each.scale: each.cost for each in scales}
    if not scales:
        return 0.0
    if scale in known:
        return known[scale]
    dearest = next((each for each in reversed(scales) if each.trained), scales[-1])
    if scale is None or not scale.flops or not dearest.scale.flops:
        return dearest.cost
    return dearest.cost * scale.flops / dearest.scale.flops


@dataclass(frozen=True)
class Problem:
    """Everything that a strategy may know beside the history.

    Example:
        >>> space = bomix.MixtureSpace(["books", "code", "web"], upper={"books": 0.1})
        >>> problem = bomix.Problem(space, (bomix.Metric("loss"),), bomix.Mean())
        >>> {name: round(share, 2) for name, share in problem.anchors()["uniform"].items()}  # as near as bounds allow
        {'books': 0.1, 'code': 0.45, 'web': 0.45}
        >>> problem.value({"loss": 3.0})
        3.0

    Attributes:
        space: The mixtures that are allowed.
        metrics: What every trial measures.
        objective: What is minimised, a function of the metrics.
        natural: Share of each domain in all available tokens; None where that is unknown.
        scale: The study's own scale: that of trials which ask for no other, and of which losses are learnt from; None
            where it is unknown.
        tokens: Tokens available of each domain; empty where they are unknown.
        run_tokens: Training tokens of the run that is decided about: the target's, or the proxy's without a target.
        budget: Trials of the whole search, where it is known; strategies plan with it.
        experts: Whether experts of all domains come before what a strategy asks for.
        pool: The mixtures that alone can be run, rows of weights in the order of the space's domains; empty where all
            of the space can. Designs, anchors and the recommendation keep to it as what a strategy searches does.
        own: Metric to its own domain, the one that it falls with, where its name is not that of the domain.
        replicates: Anchor to the runs that are wanted of it, on as many seeds.
        scales: The scales of the study, the cheapest first, that of ``scale`` among them: the objective and the
            recommendation are of that one, and runs of all are learnt from. Empty for a study of one scale.
        cost: What the trials of the whole search may cost, in the unit of ``scales``; None where there is no limit.
        experts_cost: Whether experts count against that cost.
        passes: Passes over each domain's text that a run of the study makes where the domain is all of it: a mixture
            ``w`` reads domain ``i`` ``passes[i] * w[i]`` times, of two phases that of the whole run. Empty where tokens
            are unknown.
        matching: What text trials may see, so that they repeat it as the target will; None where they see all of it.
        uncapped: The space without caps by tokens; None where there are none.
        repetition_decay: Domain to the repetitions after which a token is worth 1/e of a fresh one, where they are
            others than :data:`bomix.contracts.repetition.REPETITION_DECAY`.
        nested: The nodes of the domains' tree that are searched as one, see :attr:`searched`; None where there are
            none.
    """

    space: MixtureSpace
    metrics: tuple[Metric, ...]
    objective: Objective
    natural: Mapping[str, float] | None = None
    scale: Scale | None = None
    tokens: Mapping[str, float] = field(default_factory=dict)
    run_tokens: float | None = None
    budget: int | None = None
    experts: bool = False
    pool: tuple[tuple[float, ...], ...] = ()
    own: Mapping[str, str] = field(default_factory=dict)
    replicates: Mapping[str, int] = field(default_factory=dict)
    scales: tuple[StudyScale, ...] = ()
    cost: float | None = None
    experts_cost: bool = False
    passes: Mapping[str, float] = field(default_factory=dict)
    matching: Matching | None = None
    uncapped: MixtureSpace | None = None
    repetition_decay: Mapping[str, float] = field(default_factory=dict)
    nested: Nested | None = None

    @cached_property
    def searched(self) -> Problem:
        """The problem of what is searched: closed nodes stand for the domains below them, the shares inside fixed.

        Strategies and surrogates see it, records and results do not. Passes of a node are those on the average of its
        tokens. It is the problem itself where nothing is nested.
        """
        if self.nested is None:
            return self
        of, sums = self.nested.of, self.nested.sums
        whole = {metric: self.own.get(metric, metric) for metric in self.metric_names}
        return replace(
            self,
            nested=None,
            space=self.nested.space,
            uncapped=self.nested.uncapped,
            natural=None if self.natural is None else sums(self.natural),
            tokens=sums(self.tokens) if of.keys() <= self.tokens.keys() else {},
            own={
                metric: of.get(domain, domain) for metric, domain in whole.items() if of.get(domain, domain) != metric
            },
            passes={node: 1.0 / value for node, value in sums({n: 1.0 / p for n, p in self.passes.items()}).items()}
            if self.passes
            else {},
            repetition_decay=self.nested.means(self.repetition_decay, REPETITION_DECAY),
        )

    @property
    def default_scale(self) -> Scale | None:
        """The scale of trials that ask for none: the study's own where it is trained, else the dearest that is."""
        trained = [each.scale for each in self.scales if each.trained]
        return trained[-1] if trained and self.scale not in trained else self.scale

    def scale_name(self, scale: Scale | None) -> str:
        """What a scale is called in a study of several; of one that it does not name, the numbers; empty for None."""
        names = [each.name for each in self.scales if each.scale == scale]
        return names[0] if names else "" if scale is None else str(scale)

    @property
    def phases(self) -> Phases | None:
        """The two phases that a mixture is of; None in a study of one mixture for the whole run."""
        return phases_of(self.space)

    @property
    def single(self) -> MixtureSpace:
        """The space of one mixture for the whole run: the space itself unless there are two phases."""
        return self.space.single if isinstance(self.space, PhasedSpace) else self.space

    @property
    def whole(self) -> Problem:
        """The problem of one mixture for the whole run: the problem itself unless there are two phases."""
        if self.phases is None:
            return self
        natural = None if self.natural is None else self.phases.aggregate(self.natural)
        return replace(self, space=self.single, natural=natural)

    @property
    def domain_count(self) -> int:
        """Number of domains, each counted once also where there are two phases."""
        return self.single.dimension

    @property
    def pool_array(self) -> np.ndarray | None:
        """The mixtures of the pool, ``p x d``; None where all of the space can be run."""
        return np.array(self.pool) if self.pool else None

    def epochs(self, weights: Mapping[str, float]) -> dict[str, float] | None:
        """Passes over each domain's tokens in that run, ``weight * run_tokens / tokens``; None where unknown.

        Of two phases they are those of the whole run.
        """
        if self.phases is not None and self.phases.are_columns(tuple(weights)):
            weights = self.phases.aggregate(weights)
        if self.run_tokens is None or not weights.keys() <= self.tokens.keys():
            return None
        return {name: weight * self.run_tokens / self.tokens[name] for name, weight in weights.items()}

    @property
    def signs(self) -> tuple[float, ...]:
        """One per metric: what makes lower better, -1 for a metric of direction ``max``."""
        return tuple(1.0 if metric.direction == "min" else -1.0 for metric in self.metrics)

    @property
    def objective_range(self) -> Range:
        """Smallest and largest value of the objective within the ranges of its metrics; it rises with each of them."""
        limits = [sorted(sign * end for end in m.limits) for m, sign in zip(self.metrics, self.signs, strict=True)]
        ends = [math.nan, math.nan]
        with np.errstate(invalid="ignore"):  # what is infinite in several metrics may be no number in their objective
            for end, metrics in enumerate(zip(*limits, strict=True)):
                ends[end] = float(self.objective(np.array(metrics), self.metric_names))
        return (-math.inf if math.isnan(ends[0]) else ends[0], math.inf if math.isnan(ends[1]) else ends[1])

    def value(self, losses: Mapping[str, float]) -> float:
        """The objective of one trial's metrics; lower is better, NaN where it needs one that was not measured."""
        names = self.metric_names
        signed = np.array([losses.get(name, math.nan) for name in names]) * self.signs
        return float(self.objective(signed, names))

    def anchors(self) -> dict[str, Weights]:
        """The mixtures that every study should hold: ``uniform`` and, where the tokens are known, ``natural``.

        Each is the nearest one that the bounds allow, of a pool its nearest mixture; a natural mixture that equals the
        uniform one is left out. Where nodes are searched as one, they are those of what is searched, and all domains'
        weights follow from them.
        """
        if self.nested is not None:
            return {name: self.nested.spread(weights) for name, weights in self.searched.anchors().items()}
        space = self.space
        found: dict[str, Weights] = {name: space.to_weights(self._nearest(at)) for name, at in self._ideals().items()}
        if "natural" in found and same_mixture(found["natural"], found["uniform"]):
            del found["natural"]
        return found

    def allows(self, anchor: str) -> bool:
        """Whether bounds and pool allow an anchor as it is; where not, :meth:`anchors` has the nearest mixture."""
        if self.nested is not None:
            return self.searched.allows(anchor)
        ideal = self.space.to_weights(self._ideals()[anchor])
        return same_mixture(self.anchors()[anchor], ideal)

    def _nearest(self, point: np.ndarray) -> np.ndarray:
        """The mixture that can be run nearest to ``d`` weights."""
        pool = self.pool_array
        if isinstance(self.space, PhasedSpace) and pool is None:  # an anchor is one mixture for the whole run
            single, whole = self.single, np.asarray(point @ self.space.phases.sums)
            return np.asarray(single.snap(single.project(whole), threshold=0.0) @ self.space.phases.spread)
        # A small domain has its share: only "zero or at least" may take it away.
        return self.space.snap(self.space.project(point), threshold=0.0) if pool is None else nearest(point, pool)

    def _ideals(self) -> dict[str, np.ndarray]:
        """Uniform and natural without regard to the bounds, ``d`` arrays."""
        d = self.domain_count
        uniform = np.full(d, 1.0 / d)
        ideals = {"uniform": uniform if self.phases is None else uniform @ self.phases.spread}
        if self.natural is not None:
            ideals["natural"] = self.space.to_array(normalized(self.natural))
        return ideals

    @property
    def directions(self) -> dict[str, Literal["min", "max"]]:
        """Metric to its direction."""
        return {metric.name: metric.direction for metric in self.metrics}

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Names of the metrics, in their order."""
        return tuple(metric.name for metric in self.metrics)
