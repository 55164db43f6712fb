"""What a report says first, in words: the answer, who gains and who loses, what to run next.

What limits the answer is in :mod:`bomix.report.limits`.

Every function returns whole sentences without markup, so that a page and a terminal can show them alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bomix.recommendation.caveats import ALONE
from bomix.report.repetition import without_caps, worth
from bomix.report.sentences import VERDICTS, elsewhere, to_confirm, to_go_on
from bomix.report.shown import NAMED, listed, percent, value
from bomix.surrogates.cross_validation.scores import Z95

if TYPE_CHECKING:
    from bomix.recommendation.recommend import Recommendation
    from bomix.report.findings import Findings

_FLAT, _SHARP = 0.10, 0.03
"""Median width of the ranges from which an optimum is called flat, and below which it is called sharp."""
_NO_GAIN = 5e-5
"""Gain that four digits show as none."""


@dataclass(frozen=True)
class MetricChange:
    """What the recommendation does to one metric against the reference.

    Attributes:
        name: The metric.
        reference: What is expected of it at the reference.
        recommended: What is expected of it at the recommendation.
        change: The difference, as the metric is reported.
        interval: Its central 95 % interval.
        gain: Whether it becomes better; None where the interval holds zero.
        better: Probability that it becomes better.
    """

    name: str
    reference: float
    recommended: float
    change: float
    interval: tuple[float, float]
    gain: bool | None
    better: float


def metric_changes(found: Findings) -> list[MetricChange]:
    """Every metric against the reference, in their order; empty where the recommendation is the reference itself."""
    if found.model is None or found.is_reference:
        return []
    mixtures, names = found.model.mixtures, list(found.mixtures)
    at = names.index(found.model.reference)
    changes = []
    for column, (name, sign) in enumerate(zip(found.metrics, found.problem.signs, strict=True), start=1):
        change, sd = float(mixtures.change[0, column]), float(mixtures.change_sd[0, column])
        low, high = change - Z95 * sd, change + Z95 * sd
        sure = low > 0.0 or high < 0.0
        better = 0.5 if sd == 0.0 else 0.5 * math.erfc(sign * change / (sd * math.sqrt(2.0)))
        changes.append(
            MetricChange(
                name,
                float(mixtures.mean[at, column]),
                float(mixtures.mean[0, column]),
                change,
                (low, high),
                sign * change < 0.0 if sure else None,
                better,
            )
        )
    return changes


def headline(found: Findings) -> str:
    """The mixture in one sentence, its largest weights named."""
    if found.best is None:
        return "No run has come back yet, so there is nothing to recommend."
    largest = sorted(found.best.weights.items(), key=lambda item: -item[1])
    shown = [f"{100 * share:.0f} % {name}" for name, share in largest if share >= 0.005][:NAMED]
    rest = 1.0 - sum(share for _, share in largest[: len(shown)])
    tail = f", and {100 * rest:.0f} % of {_others(found, len(shown))}" if rest >= 0.005 else ""
    order = None if found.phased is None else found.phased.order
    ordered = "" if order is None or not order.credible else ", each phase on a mixture of its own"
    return f"Train on {', '.join(shown)}{tail}{ordered}."


def gains(found: Findings) -> list[str]:
    """What is expected, and what fresh seeds confirm, over each reference."""
    best = found.best
    if best is None:
        return []
    lines = []
    at_scale = "" if best.scale is None else f" at scale '{best.scale.name}'"
    for name, margin in best.margins.items():
        if margin.mean == margin.sd == 0.0:
            lines.append(f"It is the {name} mixture: no other is expected to be better.")
            continue
        low, high = margin.interval
        direction = "lower" if margin.mean >= 0.0 else "HIGHER"
        size = "the same" if abs(margin.mean) < _NO_GAIN else f"{value(abs(margin.mean))} {direction}"
        guess = "; this is an extrapolation, see what limits the answer" if best.extrapolated else ""
        lines.append(
            f"Against {name}, the objective is expected to be {size}{at_scale} "
            f"(95 % interval of the gain {value(low)} to {value(high)}), better with a probability of "
            f"{percent(margin.positive)}{guess}."
        )
    for each in found.comparisons:
        low, high = each.interval
        seeds = f"{len(each.differences)} fresh seed{'s' if len(each.differences) > 1 else ''}"
        interval = f" (95 % interval {value(-high)} to {value(-low)})" if math.isfinite(low) else ""
        verdict = VERDICTS[each.verdict].format(option=to_confirm(found.standing)).lower()
        subject = "the confirmed mixture" if best.change is not None else "it"
        lines.append(
            f"Trained on {seeds}{elsewhere(found.problem)}, {subject} was better than {each.reference} by "
            f"{value(-each.mean)}{interval}: {verdict}."
        )
    return lines


def winners_and_losers(found: Findings) -> list[str]:
    """Which metrics gain, which lose, and which are open, against the reference."""
    changes = metric_changes(found)
    if not changes or found.model is None:
        return []
    against, count = found.model.reference, len(changes)
    won = [each for each in changes if each.gain is True]
    lost = [each for each in changes if each.gain is False]
    still = [each for each in changes if each.gain is None]
    lines = [f"Against {against}, {len(won)} of {count} metrics gain{_named(won)}."]
    if lost:
        lines.append(f"{len(lost)} lose{'s' if len(lost) == 1 else ''}{_named(lost)}.")
    else:
        lines.append("None is expected to lose for sure.")
    if still:
        lines.append(f"{len(still)} may go either way{_named(still)}.")
    return lines


def epochs(found: Findings) -> list[str]:
    """How often the target run repeats what there is of each domain, where that is known."""
    if found.best is None or not found.best.epochs:
        return []
    passes = {name: count for name, count in found.best.epochs.items() if found.best.weights[name] > 0.0}
    repeated = sorted((name for name in passes if passes[name] > 1.0), key=lambda name: -passes[name])
    if not repeated:
        return ["At the target no domain is repeated: every one has more tokens than the mixture takes."]
    named = ", ".join(f"{name} {passes[name]:.1f} times" for name in repeated[:NAMED])
    more = f", and {len(repeated) - NAMED} more" if len(repeated) > NAMED else ""
    said = (*worth(found.problem, found.best), *without_caps(found.best))
    texts = [f"{text[0].upper()}{text[1:]}." for text in said]
    return [f"At the target, the run passes more than once over {named}{more}.", *texts]


def flatness(found: Findings) -> list[str]:
    """How far weights may move without a loss that the model could notice."""
    best = found.best
    if best is None:
        return []
    if not best.ranges:
        return ["How flat the optimum is cannot be told: every run has this one mixture."]
    widths = {name: high - low for name, (low, high) in best.ranges.items()}
    middle = float(np.median(list(widths.values())))
    shape = "flat" if middle > _FLAT else "sharp" if middle < _SHARP else "neither flat nor sharp"
    widest = sorted(widths, key=lambda name: -widths[name])[:3]
    moves = ", ".join(
        f"{name} {100 * best.ranges[name][0]:.0f} to {100 * best.ranges[name][1]:.0f} %" for name in widest
    )
    needed = [name for name, (low, _) in best.ranges.items() if low > 0.005]
    first = f"The optimum is {shape}: half of the weights may move within {100 * middle:.0f} points or less"
    lines = [f"{first}, and furthest {moves}, without a loss that the model could notice."]
    if 0 < len(needed) < len(best.ranges):
        lines.append(f"No mixture that is nearly as good leaves out {listed(needed)}; any one of the others can go.")
    return lines


def next_steps(found: Findings) -> list[str]:
    """What to run next, the most useful first."""
    best, standing = found.best, found.standing
    if best is None:
        what = "`bomix optimize`" if standing.has_evaluator else "`bomix ask` and `bomix tell`, or `bomix import`"
        return [f"Run the first trials: {what}."]
    steps = []
    pending = len(standing.history.pending)
    if pending:
        anew = "`bomix report` then writes the page anew"
        anew += ", and a run with `report: true` does so by itself" if standing.has_evaluator else ""
        trials = f"{pending} trial{'s' if pending > 1 else ''}"
        steps.append(f"Wait for the {trials} under way; {anew}.")
    if best.extrapolated or ALONE in best.warnings:
        steps.append(f"Try mixtures near the recommendation, of which too little is known: {to_go_on(standing)}.")
    if any(each.verdict == "does not hold" for each in found.comparisons):
        steps.append(
            f"The confirmation contradicts the model: run more trials before relying on it ({to_go_on(standing)})."
        )
    elif any(each.verdict == "undecided" for each in found.comparisons):
        steps.append(f"Confirm on more seeds, since those so far do not decide: {to_confirm(standing)}.")
    elif not found.comparisons and not _is_anchor(best):
        steps.append(f"Confirm the recommendation on fresh seeds beside natural and uniform: {to_confirm(standing)}.")
    if standing.ended is None and not pending:
        steps.append(f"Go on with the search, which has not ended: {to_go_on(standing)}.")
    elif standing.ended is not None:
        steps.append(f"The search has ended: {standing.ended}.")
    if all(each.verdict == "holds" for each in found.comparisons) and found.comparisons:
        steps.append("Train on it: `bomix export --format FORMAT` writes it as your trainer reads it.")
    return steps


def _is_anchor(best: Recommendation) -> bool:
    return any(margin.mean == margin.sd == 0.0 for margin in best.margins.values())


def _named(changes: list[MetricChange]) -> str:
    """`` (code -0.12, web -0.03)``, the largest changes first; empty for none."""
    if not changes:
        return ""
    largest = sorted(changes, key=lambda each: -abs(each.change))
    texts = [f"{each.name} {value(each.change, sign='+')}" for each in largest[:NAMED]]
    more = f", {len(changes) - NAMED} more" if len(changes) > NAMED else ""
    return f" ({', '.join(texts)}{more})"


def _others(found: Findings, shown: int) -> str:
    assert found.best is not None
    rest = sum(share > 0.0 for share in found.best.weights.values()) - shown
    return "one other domain" if rest == 1 else f"{rest} other domains"
