"""How far a small scale can be trusted: whether it orders mixtures as a larger one does.

Two scales are compared on the mixtures that were run at both. Of the objective and of each metric this gives the rank
correlation, the share of pairs of mixtures in one order, the factor by which differences change from scale to scale,
and what the choice by the small scale costs at the large one. Intervals are those of
:mod:`bomix.surrogates.cross_validation.rank_correlation`: few mixtures give wide ones, and fewer than four none.

Noise of runs keeps even two runs of one scale from agreeing. Where a scale has repeats, the largest rank correlation
that their noise allows is the *ceiling*: with ``r`` the share of the variance between mixtures that is no noise, values
of two scales that agree perfectly correlate by ``sqrt(r_small r_large)`` at most. A scale without repeats counts as
free of noise, so that the ceiling is too high rather than too low. The verdict looks at the rank correlation as a share
of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np

from bomix.errors import StudyError
from bomix.recommendation.scale_runs import column_names, counted, runs_by_scale
from bomix.surrogates.cross_validation.rank_correlation import (
    LEAST,
    Correlation,
    Ordered,
    correlation,
    ordered,
    twice_as_sure,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bomix.errors import StudyError
    from bomix.history import History
    from bomix.numerics.repeats import Pairs
    from bomix.problem import Problem, StudyScale
from bomix.recommendation.scale_runs import ScaleRuns

State = Literal["decides", "does not decide", "open"]

ENOUGH = 0.9
"""Rank correlation from which on a small scale is said to decide: who takes the best of many mixtures by the small
scale gains at the large one, over a mixture at random, about this share of what a choice by the large one itself gains.
It also tells what breaks (means of losses of the Pile at 60M and at 1B parameters agree by 0.73 to 0.81) from what does
not (a single web loss by 0.97)."""
_LEAST_CEILING = 0.5
"""Ceiling below which no verdict is given: what is divided by so small a number is noise itself."""
FIRST = 16
"""Pairs that are advised where there are too few to say anything: a rank correlation of 0.95 then has the interval 0.83
to 0.99, of 8 pairs 0.65 to 0.99."""


@dataclass(frozen=True)
class Agreement:
    """What two scales say of one column, on the mixtures that were run at both.

    Attributes:
        small: Name of the cheaper scale.
        large: Name of the dearer scale.
        column: ``objective`` or a metric.
        rank: Rank correlation.
        pairs: Share of pairs of mixtures in the same order.
        ceiling: The largest rank correlation that the noise of runs allows; NaN where repeats do not tell.
        slope: By how much the value at the large scale changes where that at the small one changes by one (least
            squares); NaN where there is no rank correlation.
        place: Place at the large scale, from 1, of the mixture that is best at the small one; None where unknown.
        lost: How much worse it is there than the best of the mixtures, in the column's unit; NaN where unknown.
    """

    small: str
    large: str
    column: str
    rank: Correlation
    pairs: Ordered
    ceiling: float
    slope: float
    place: int | None
    lost: float

    @property
    def without_noise(self) -> tuple[float, float, float]:
        """Rank correlation and its interval as shares of the ceiling, at most 1; as they are where it is unknown."""
        ceiling = self.ceiling if self.ceiling > 0.0 else 1.0
        rho, lower, upper = (min(1.0, each / ceiling) for each in self.rank[:3])
        return rho, lower, upper


@dataclass(frozen=True)
class Cost:
    """What it takes to know better.

    Attributes:
        pairs: Mixtures that are to be run at both scales, beyond those that were.
        cost: What their runs cost, in the unit of the scales: at the large scale, and at the small one where it lacks
            them.
    """

    pairs: int
    cost: float


@dataclass(frozen=True)
class Verdict:
    """Whether a scale decides the objective of a larger one.

    Attributes:
        agreement: The two scales and what they say of the objective.
        state: ``decides`` and ``does not decide`` where the whole interval lies above :data:`ENOUGH`, or below; else
            ``open``.
        counted: Metrics that the objective counts.
        breaking: Metrics that the objective counts and that certainly do not agree, the worst first.
        slopes: The counted metrics with the smallest and the largest slope, and these: what breaks a mean of metrics
            that agree one by one; None where fewer than two are known.
        better: What an interval half as wide would cost; of fewer than four pairs, what :data:`FIRST` of them would.
    """

    agreement: Agreement
    state: State
    counted: tuple[str, ...]
    breaking: tuple[str, ...]
    slopes: tuple[tuple[str, float], tuple[str, float]] | None
    better: Cost


@dataclass(frozen=True)
class Transfer:
    """What the scales of a study say of each other.

    Attributes:
        scales: Every scale of the study, the cheapest first.
        runs: Number of runs at each.
        mixtures: Number of different mixtures at each.
        target: Name of the scale that is decided about.
        reference: Name of the scale that others are judged by: the target where it was run, else the dearest that was;
            None where no scale has a run.
        columns: ``objective`` and the metrics.
        agreements: Each column for each pair of scales that have runs, the pairs in the order of their scales.
    """

    scales: tuple[StudyScale, ...]
    runs: tuple[int, ...]
    mixtures: tuple[int, ...]
    target: str
    reference: str | None
    columns: tuple[str, ...]
    agreements: tuple[Agreement, ...]
    verdicts: tuple[Verdict, ...]

    def find(self, small: str, large: str, column: str | None = None) -> Agreement | None:
        """What two scales say of a column, by default of the objective; None where either has no run.

        Raises:
            StudyError: The study has no such scale or column.
        """
        names = [each.name for each in self.scales]
        for what, name, known in (("scale", small, names), ("scale", large, names), ("column", column, self.columns)):
            if name is not None and name not in known:
                raise StudyError(f"unknown {what} '{name}' (known: {', '.join(known)})")
        wanted = (small, large, column or self.columns[0])
        return next((each for each in self.agreements if (each.small, each.large, each.column) == wanted), None)


def transfer(problem: Problem, history: History) -> Transfer:
    """Compare the scales of a study on the mixtures that were run at several of them.

    Args:
        problem: The scales, the metrics and the objective.
        history: The record, runs of all scales.

    Raises:
        StudyError: The study has a single scale.
    """
    measured = runs_by_scale(problem, history)
    seen = [each for each in measured if each.records]
    columns = column_names(problem)
    agreements = tuple(
        _agreement(small, large, column, position)
        for small, large in combinations(seen, 2)
        for position, column in enumerate(columns)
    )
    target = next((each for each in measured if each.scale.scale == problem.scale), measured[-1])
    reference = target if target.records else (seen[-1] if seen else None)
    found = Transfer(
        problem.scales,
        tuple(len(each.records) for each in measured),
        tuple(each.mixtures for each in measured),
        target.name,
        None if reference is None else reference.name,
        columns,
        agreements,
        (),
    )
    if reference is None:
        return found
    counts, most = counted(problem), reference.scale.cost
    smaller = [each for each in seen if each is not reference and each.scale.cost <= most]
    return replace(found, verdicts=tuple(_verdict(found, small, reference, counts) for small in smaller))


def _agreement(small: ScaleRuns, large: ScaleRuns, column: str, position: int) -> Agreement:
    first, second = small.values[:, position], large.values[:, position]
    both = np.isfinite(first) & np.isfinite(second)
    rank, slope, place, lost = correlation(first, second), math.nan, None, math.nan
    if math.isfinite(rank.rho):
        slope = float(np.cov(first[both], second[both])[0, 1] / np.var(first[both], ddof=1))
        chosen = second[both][first[both].argmin()]
        place, lost = 1 + int((second[both] < chosen).sum()), float(chosen - second[both].min())
    return Agreement(
        small.name,
        large.name,
        column,
        rank,
        ordered(first, second),
        _ceiling(small, large, position, both),
        slope,
        place,
        lost,
    )


def _ceiling(small: ScaleRuns, large: ScaleRuns, position: int, both: Pairs) -> float:
    """The largest rank correlation that noise allows: that of a Gaussian pair which correlates by ``sqrt(r r')``.

    Args:
        small: One scale.
        large: Another.
        position: Number of the column.
        both: ``p`` booleans: which mixtures have the column at both.
    """
    shares = []
    for scale in (small, large):
        noise = scale.noise[position]
        if both.sum() < LEAST or not math.isfinite(noise):
            continue
        spread = float(np.var(scale.values[both, position], ddof=1))
        of_mean = float(noise * np.mean(1.0 / scale.runs[both]))
        shares.append(max(0.0, 1.0 - of_mean / spread) if spread > 0.0 else 0.0)
    return 6.0 / math.pi * math.asin(0.5 * math.sqrt(math.prod(shares))) if shares else math.nan


def _verdict(found: Transfer, small: ScaleRuns, large: ScaleRuns, counts: Sequence[str]) -> Verdict:
    """Whether a scale decides the objective of a larger one; ``counts`` are the metrics that can break it."""
    names = (small.name, large.name) if found.find(small.name, large.name) else (large.name, small.name)
    agreement = found.find(*names)
    assert agreement is not None, "both scales have runs"
    metrics = [each for name in counts if (each := found.find(*names, name)) is not None]
    breaking = [each for each in metrics if state_of(each) == "does not decide"]
    slopes = sorted((each for each in metrics if math.isfinite(each.slope)), key=lambda each: each.slope)
    return Verdict(
        agreement,
        state_of(agreement),
        tuple(counts),
        tuple(each.column for each in sorted(breaking, key=lambda each: each.rank.rho)),
        tuple((each.column, each.slope) for each in (slopes[0], slopes[-1])) if len(slopes) > 1 else None,  # type: ignore[arg-type]
        _better(agreement.rank.n, small, large),
    )


def state_of(agreement: Agreement) -> State:
    """Whether the interval of a rank correlation, as a share of its ceiling, lies above :data:`ENOUGH`, or below."""
    if not math.isfinite(agreement.rank.rho) or agreement.ceiling < _LEAST_CEILING:
        return "open"
    _, lower, upper = agreement.without_noise
    return "decides" if lower >= ENOUGH else "does not decide" if upper < ENOUGH else "open"


def _better(pairs: int, small: ScaleRuns, large: ScaleRuns) -> Cost:
    """What an interval half as wide costs, or the first one.

    Args:
        pairs: Mixtures that have the objective at both scales.
        small: The cheaper scale.
        large: The dearer scale.
    """
    more = max((twice_as_sure(pairs) if pairs >= LEAST else FIRST) - pairs, 1)
    only_small = int(((small.runs > 0) & (large.runs == 0)).sum())
    return Cost(more, more * large.scale.cost + max(0, more - only_small) * small.scale.cost)
