"""What is said below the tables of a recommendation: what confirms it, and what to keep in mind.

Advice names what the study can do: without an evaluator nothing is run here, so that keys of the study file and
``bomix ask`` take the place of options of ``bomix optimize``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bomix.recommendation.caveats import ALONE
from bomix.recommendation.confirmation import Comparison
from bomix.recommendation.recommend import EVEN, OUTSIDE, Recommendation
from bomix.report.phases import order_sentences
from bomix.report.repetition import without_caps, worth
from bomix.report.shown import percent, value
from bomix.trial import Status

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.space.mixture_space import MixtureSpace
    from bomix.space.weights import Weights

VERDICTS = {
    "holds": "the recommendation holds",
    "undecided": "not decided; more seeds ({option}) would",
    "does not hold": "THE RECOMMENDATION DOES NOT HOLD",
}
GUESS = "extrapolated"
"""What stands beside odds that rest on the shape which the model assumes beyond all runs."""
SURPRISING = 2.0
"""Standard deviations beyond which predicted and observed are said not to agree."""


@dataclass(frozen=True)
class Standing:
    """How far a study is, and what it can do next.

    Attributes:
        problem: Space, metrics, objective.
        history: The record.
        confirm: Fresh seeds that the study file wants of each mixture that is confirmed.
        has_evaluator: Whether the study runs its trials itself.
        ended: Why the search is over, in words; None while it goes on.
    """

    problem: Problem
    history: History
    confirm: int = 0
    has_evaluator: bool = False
    ended: str | None = None


def sentences(standing: Standing, best: Recommendation, comparisons: Sequence[Comparison], subject: str) -> list[str]:
    """All of it, a line each.

    Args:
        standing: How far the study is.
        best: What it recommends.
        comparisons: The confirmed mixture, or the recommendation, against the references on fresh seeds.
        subject: What the tables call that mixture.
    """
    said = (*_verdicts(standing, best, comparisons, subject), *_confirmation(standing, best, comparisons))
    return [*order_sentences(best.order), *said, *_beliefs(best), *_caveats(standing, best)]


def to_confirm(standing: Standing) -> str:
    """What has a recommendation confirmed, by this study's own means."""
    return "--confirm N" if standing.has_evaluator else "'confirm: N' and `bomix ask`"


def to_go_on(standing: Standing) -> str:
    """What has more trials run."""
    return "--trials N" if standing.has_evaluator else "a larger budget.trials and `bomix ask`"


def elsewhere(problem: Problem) -> str:
    """Where confirmations ran, if that is not at the scale that is decided about; else nothing."""
    usual = problem.default_scale
    return "" if usual == problem.scale else f" at scale '{problem.scale_name(usual)}', not the target"


def at_the_end(space: MixtureSpace, weights: Weights) -> list[str]:
    """The constraints of which a mixture leaves nothing, in one sentence; empty for none."""
    tight = [str(each) for each in space.constraints if each.is_tight(weights)]
    return [f"at the end of what is allowed: {'; '.join(tight)}"] if tight else []


def stand_ins(problem: Problem) -> list[str]:
    """That natural or uniform is not allowed, and what is shown in its place, in one sentence; empty if both are."""
    moved = [label for label in problem.anchors() if not problem.allows(label)]
    if not moved:
        return []
    what = "pool lacks" if problem.pool else "bounds forbid"
    what = "bounds or constraints forbid" if problem.space.constraints and not problem.pool else what
    return [f"the {what} {' and '.join(moved)}; the nearest allowed mixture stands for it"]


def _verdicts(standing: Standing, best: Recommendation, comparisons: Sequence[Comparison], subject: str) -> list[str]:
    lines = []
    for each in comparisons:
        mean, low, high = (value(number, sign="+") for number in (each.mean, *each.interval))
        interval = f"[{low}, {high}]" if math.isfinite(each.interval[0]) else "no interval from a single seed"
        verdict = _verdict(best, each).format(option=to_confirm(standing))
        seeds = f"{len(each.differences)} paired seed{'s' if len(each.differences) > 1 else ''}"
        lines.append(
            f"{subject} minus {each.reference}: {mean} {interval}, {seeds}{elsewhere(standing.problem)}: {verdict}"
        )
    return [*lines, *_change(standing, best)]


def _verdict(best: Recommendation, comparison: Comparison) -> str:
    """What fresh seeds say, and beside an open question in which the confirmed mixture is behind, what the model says.

    Args:
        best: Its margins are those of the recommendation, and of what was confirmed where that is another mixture.
        comparison: A confirmed mixture against a reference.
    """
    said = VERDICTS[comparison.verdict]
    margin = (best.confirmed_margins or best.margins).get(comparison.reference)
    if comparison.verdict != "undecided" or comparison.mean <= 0.0 or margin is None:
        return said
    behind = "worse on its only seed" if len(comparison.differences) == 1 else "worse so far"
    agrees = "agrees" if margin.positive < EVEN else "does not agree"
    guess = f", {GUESS}" if best.extrapolated and best.change is None else ""
    return f"{behind}, and the model {agrees} (better with {percent(margin.positive)}{guess}); {said}"


def _change(standing: Standing, best: Recommendation) -> list[str]:
    """That another mixture than the confirmed one is recommended, in a list; empty where it is the same."""
    if best.change is None:
        return []
    gain = f"{value(best.change.mean)} (sd {value(best.change.sd)})"
    if best.source == "anchors":
        which, tested = "one of the references", "it was trained on the same seeds"
    else:
        which = "another mixture"
        tested = f"it is not confirmed: more trials ({to_go_on(standing)}) and {to_confirm(standing)} would tell"
    said = f"its confirmation counted, the study now recommends {which}, expected to be {gain} better than"
    return [f"{said} the confirmed one; {tested}"]


def _confirmation(standing: Standing, best: Recommendation, comparisons: Sequence[Comparison]) -> list[str]:
    """What is expected where nothing was confirmed, and which confirming runs failed."""
    failed = [record for record in standing.history.confirming if record.status is Status.FAILED]
    lines = []
    itself = references_that_are_it(best)
    for name, margin in best.margins.items() if not comparisons else ():
        if name in itself:
            continue
        low, high = map(value, margin.interval)
        hint = "" if failed else f"; {to_confirm(standing)} tests it"
        odds = f"; better with {percent(margin.positive)}, {GUESS}: {OUTSIDE}" if best.extrapolated else ""
        lines.append(f"predicted gain over {name}: {value(margin.mean)} [{low}, {high}]{odds}{hint}")
    if failed:
        runs = f"{len(failed)} run{'s' if len(failed) > 1 else ''} failed, the last one trial {failed[-1].trial.id}"
        paired = min((len(each.differences) for each in comparisons), default=0)
        cure = "; mend the cause and confirm again, on fresh seeds" if paired < max(1, standing.confirm) else ""
        lines.append(f"confirmation: {runs}{cure}")
    return lines


def _beliefs(best: Recommendation) -> list[str]:
    """Where the recommendation comes from, and how the last trials agreed with what was expected of them."""
    lines = []
    why = "no other is expected to be better"
    if ALONE in best.warnings:
        why = "no other was tried"
    elif best.confirmed is not None:
        why += " by more than the model cannot tell"
    elif best.of_space is not None and best.of_space.objective.mean < best.objective.mean:
        why = "the lowest prediction lies where too little is known"
    if best.source == "trials":
        what = "the mixture of a whole run" if best.order is not None and not best.order.credible else "a mixture"
        lines.append(f"best is {what} that was tried: {why}")
    if best.source == "anchors" and (names := references_that_are_it(best)):
        lines.append(f"best is the {' and '.join(names)} mixture: {why}")
    if best.feasible is not None:
        lines.append(f"probability that best keeps what the objective guards: {percent(best.feasible)}")
    if (gap := best.gap) is not None:
        count = f"last {len(gap.trials)} trials" if len(gap.trials) > 1 else "last trial"
        verdict = "as expected"
        if abs(gap.z) > SURPRISING:
            verdict = "worse than the model held possible" if gap.z > 0 else "better than the model held possible"
        gone = f"observed minus predicted {value(gap.mean, sign='+')} on average ({gap.z:+.1f} sd)"
        lines.append(f"{count}: {gone}, {verdict}")
    return lines


def references_that_are_it(best: Recommendation) -> list[str]:
    """The references that the recommendation is: it is neither better nor worse than they are, for certain."""
    return [name for name, margin in best.margins.items() if margin.mean == margin.sd == 0.0]


def _caveats(standing: Standing, best: Recommendation) -> list[str]:
    problem = standing.problem
    space = problem.space
    capped = [
        name
        for name, upper in zip(space.domains, space.upper_array, strict=True)
        if upper < 1 and best.weights[name] > upper - 1e-6
    ]
    on_top = (*best.against_odds, *best.across_scales)
    lines = [warning for warning in best.warnings if warning not in on_top]
    lines += [f"at the upper bound of its weight: {', '.join(capped)}"] if capped else []
    lines += [*without_caps(best), *worth(problem, best), *at_the_end(space, best.weights), *stand_ins(problem)]
    if (reason := standing.ended) is not None:
        larger = "a larger one (--trials N)" if standing.has_evaluator else "a larger budget.trials"
        for key, unit in (("device_seconds", "device-seconds is spent"), ("flops", "FLOPs is spent")):
            larger = f"a larger budget.{key}" if unit in reason else larger
        more = larger if reason.startswith("the budget") else "a smaller budget.improvement"
        lines.append(reason if reason.startswith("bounds") else f"{reason}; {more} goes on from here")
    return lines
