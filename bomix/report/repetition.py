"""What is said of a recommendation that repeats domains: what that is worth, and what caps by tokens hold back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bomix.report.shown import NAMED, value
from bomix.space.display import mixture

if TYPE_CHECKING:
    from bomix.problem import Problem
    from bomix.recommendation.recommend import Recommendation

REPEATED = 1.05
"""Passes from which a domain is said to be repeated: 1.1 as they are written, which cost a three-thousandth."""


def repeated(best: Recommendation) -> list[str]:
    """The domains that the target reads more than once, the most often repeated first."""
    passes = {name: count for name, count in (best.epochs or {}).items() if count > REPEATED}
    return sorted(passes, key=lambda name: -passes[name])


def worth(problem: Problem, best: Recommendation) -> list[str]:
    """What the passes over repeated domains are worth, in one sentence; empty where nothing repeats."""
    names = repeated(best)
    if not names or best.effective is None or best.epochs is None or problem.run_tokens is None:
        return []
    said = [
        f"{name} read {best.epochs[name]:.1f} times as {best.effective[name] / problem.tokens[name]:.1f} fresh passes"
        for name in names[:NAMED]
    ]
    more = f", {len(names) - NAMED} more" if len(names) > NAMED else ""
    share = sum(best.effective.values()) / problem.run_tokens
    return [f"repeated text counts for less: {', '.join(said)}{more}; the run as {100 * share:.1f} % of its tokens"]


def without_caps(best: Recommendation) -> list[str]:
    """What the recommendation would be without caps by tokens, in one sentence; empty where none binds."""
    if (free := best.uncapped) is None:
        return []
    low, high = map(value, free.gain.interval)
    names = ", ".join(free.binding)
    passes = max(free.binding, key=lambda name: free.epochs.get(name, 0.0))
    return [
        f"the tokens of {names} cap the mixture; without caps the best would be {mixture(free.weights)} "
        f"({passes} {free.epochs.get(passes, 0.0):.1f} times), expected to be {value(free.gain.mean)} [{low}, {high}] "
        "better, as far as the model can tell where no run was"
    ]
