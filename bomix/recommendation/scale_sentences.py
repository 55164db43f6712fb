"""What is said of the scales of a study, in words: the verdict on each, and what a recommendation warns of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bomix.recommendation.transfer import ENOUGH, transfer
from bomix.surrogates.cross_validation.rank_correlation import LEAST

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.recommendation.transfer import Agreement, Transfer, Verdict
    from bomix.surrogates.cross_validation.rank_correlation import Correlation

_WIDE_SLOPES = 1.5
"""Ratio of the largest to the smallest slope from which on differing slopes are named as what breaks a mean."""
_MOST_NAMED = 4
"""Metrics that a sentence names: more would be a table, which there is."""


def verdict_sentences(found: Transfer, verdict: Verdict, unit: str) -> list[str]:
    """A verdict, what breaks it, and what it would cost to know better; a sentence each.

    Args:
        found: The comparison of all scales.
        verdict: One of its verdicts.
        unit: What costs are counted in.
    """
    agreement, rank = verdict.agreement, verdict.agreement.rank
    small, large = agreement.small, agreement.large
    said = {
        "decides": f"'{small}' orders mixtures as '{large}' does: {interval(rank)}",
        "does not decide": f"'{small}' does not order mixtures as '{large}' does: {interval(rank)}",
        "open": f"whether '{small}' orders mixtures as '{large}' does cannot be told yet: {_so_far(found, agreement)}",
    }[verdict.state]
    lines = [f"{said}{_ceiling(verdict)}"]
    if agreement.place is not None:
        place = f"is the best at '{large}', too"
        if agreement.place > 1:
            place = f"takes place {agreement.place} at '{large}', {agreement.lost:.4f} behind the best"
        lines.append(f"of these {rank.n} mixtures, the best at '{small}' {place}")
    if verdict.state != "decides":
        lines += _why(found, verdict)
    return [*lines, _better(verdict, unit)]


def interval(rank: Correlation) -> str:
    """``0.97 [0.93, 0.99], 24 mixtures``."""
    mixtures = f"{rank.n} mixture{'' if rank.n == 1 else 's'}"
    if not math.isfinite(rank.rho):
        return f"no order, {mixtures}"
    return f"{rank.rho:.2f} [{rank.lower:.2f}, {rank.upper:.2f}], {mixtures}"


def scale_warnings(problem: Problem, history: History) -> tuple[str, ...]:
    """What a recommendation at the target of a study of several scales has to be read with; a sentence each.

    Nothing where the study has one scale, and where every scale that was run below the target is known to order
    mixtures as it does.

    Args:
        problem: The scales, the metrics and the objective.
        history: The record, runs of all scales.
    """
    if not problem.scales:
        return ()
    found = transfer(problem, history)
    counts = dict(zip((each.name for each in found.scales), found.runs, strict=True))
    target, seen = found.target, [name for name, runs in counts.items() if runs]
    lines = []
    if not counts[target] and seen:
        lines.append(
            f"no run of scale '{target}' is known: what is said of it is carried over from {_named(seen)}"
            + ("" if len(seen) > 1 else ", and how far mixtures there keep their order has never been looked at")
        )
    for verdict in found.verdicts:
        agreement = verdict.agreement
        pair = f"scales '{agreement.small}' and '{agreement.large}'"
        if agreement.rank.n < LEAST:
            lines.append(f"{pair} have not been compared: {_shared(found, agreement)}")
        elif verdict.state == "does not decide":
            lines.append(f"{pair} order mixtures differently: {interval(agreement.rank)}; see `bomix transfer`")
    return tuple(lines)


def _so_far(found: Transfer, agreement: Agreement) -> str:
    """What is known where it is too little."""
    if agreement.rank.n < LEAST:
        return f"{_shared(found, agreement)}, it takes at least {LEAST}"
    return interval(agreement.rank)


def _shared(found: Transfer, agreement: Agreement) -> str:
    """How many mixtures two scales can be compared on: an objective may lack a metric, or what it is measured from."""
    pairs = (found.find(agreement.small, agreement.large, column) for column in found.columns)
    ran, n = max(pair.rank.n for pair in pairs if pair is not None), agreement.rank.n
    if ran > n:
        have = "none has" if not n else f"only {n} {'has' if n == 1 else 'have'}"
        return f"{_mixtures(ran)} ran at both, of which {have} a value of the objective at both"
    return f"{'no mixture' if not n else f'only {_mixtures(n)}'} ran at both"


def _mixtures(n: int) -> str:
    return f"{n} mixture{'' if n == 1 else 's'}"


def _ceiling(verdict: Verdict) -> str:
    """What noise allows, and what is asked for."""
    ceiling = verdict.agreement.ceiling
    asked = f"; {ENOUGH:g} is asked for" if verdict.state != "decides" and verdict.agreement.rank.n >= LEAST else ""
    if not math.isfinite(ceiling) or not math.isfinite(verdict.agreement.rank.rho):
        return asked
    return f"; noise of runs allows {ceiling:.2f}" + (f", and {ENOUGH:g} of that is asked for" if asked else "")


def _why(found: Transfer, verdict: Verdict) -> list[str]:
    """What breaks the order of the objective, in a list; empty where nothing can be said."""
    small, large = verdict.agreement.small, verdict.agreement.large
    metrics = [each for name in verdict.counted if (each := found.find(small, large, name)) is not None]
    if verdict.breaking:
        ranks = {each.column: each.rank.rho for each in metrics}
        worst = [f"{name} ({ranks[name]:.2f})" for name in verdict.breaking[:_MOST_NAMED]]
        more = f" and {len(verdict.breaking) - _MOST_NAMED} more" if len(verdict.breaking) > _MOST_NAMED else ""
        return [f"metrics whose own order is another: {', '.join(worst)}{more}"]
    doubtful = [each for each in metrics if each.rank.rho < ENOUGH]
    if doubtful:
        least = min(doubtful, key=lambda each: each.rank.rho)
        return [f"no metric certainly has another order, least certainly {least.column}: {interval(least.rank)}"]
    if verdict.state == "does not decide" and verdict.slopes is not None:
        (low, least_slope), (high, most) = verdict.slopes
        if least_slope <= 0.0 or most / least_slope > _WIDE_SLOPES:
            return [
                f"no metric by itself breaks it, but they change by different factors from scale to scale: {low} by "
                f"{least_slope:.2f}, {high} by {most:.2f}"
            ]
    return []


def _better(verdict: Verdict, unit: str) -> str:
    """What it would cost to know better."""
    agreement, better = verdict.agreement, verdict.better
    gain = "an interval half as wide" if agreement.rank.n >= LEAST else "a first answer"
    return (
        f"{gain} takes {better.pairs} more mixtures of '{agreement.small}' run at '{agreement.large}': "
        f"{better.cost:.3g} {unit}"
    )


def _named(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
