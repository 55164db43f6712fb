"""What keeps the answer of a report from being better or surer, in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bomix.recommendation.caveats import ALONE
from bomix.report.sentences import SURPRISING, at_the_end, stand_ins
from bomix.report.shown import listed, percent, value

if TYPE_CHECKING:
    from bomix.recommendation.recommend import Recommendation
    from bomix.report.findings import Findings

_KEPT = 1e-6
"""How near a weight lies to its bound to be at it: rounding alone."""


def limits(found: Findings) -> list[str]:
    """What keeps the answer from being better or surer: noise, exploration, caps, constraints, scale."""
    best = found.best
    if best is None:
        return []
    return [
        *_guarded(best),
        *_noise(found, best),
        *_exploration(best),
        *_caps(found, best),
        *_constraints(found, best),
        *_scale(found, best),
        *_surprise(best),
    ]


def _guarded(best: Recommendation) -> list[str]:
    if best.feasible is None:
        return []
    return [f"Guardrails: the recommendation keeps them with a probability of {percent(best.feasible)}."]


def _noise(found: Findings, best: Recommendation) -> list[str]:
    """How a run's own noise compares with what is gained."""
    margin = next(iter(best.margins.values()), None)
    if found.model is None or margin is None or margin.mean <= 0.0:
        return []
    noise = float(found.model.noise[0])
    share = noise * math.sqrt(2.0) / margin.mean
    start = f"Noise: two runs of one mixture differ by about {value(noise * math.sqrt(2.0))} in the objective"
    if share >= 1.0:
        return [f"{start}, as much as the gain over {next(iter(best.margins))} or more."]
    return [f"{start}, {100 * share:.0f} % of the gain over {next(iter(best.margins))}."]


def _exploration(best: Recommendation) -> list[str]:
    lines = [f"Exploration: {text}." for text in best.extrapolated]
    return [*lines, *([f"Exploration: {ALONE}."] if ALONE in best.warnings else [])]


def _caps(found: Findings, best: Recommendation) -> list[str]:
    space = found.problem.space
    capped = [
        name
        for name, upper in zip(space.domains, space.upper_array, strict=True)
        if upper < 1.0 and best.weights[name] > upper - _KEPT
    ]
    floored = [
        name
        for name, lower in zip(space.domains, space.lower, strict=True)
        if lower > 0.0 and best.weights[name] < lower + _KEPT
    ]
    lines = []
    if capped:
        lines.append(f"Caps: {listed(capped)} at the largest weight allowed; more of it may be better still.")
    if floored:
        lines.append(f"Caps: {listed(floored)} at the smallest weight allowed; less of it may be better still.")
    return lines


def _constraints(found: Findings, best: Recommendation) -> list[str]:
    """The constraints that keep the answer where it is, and the references that they or bounds have moved."""
    problem = found.problem
    lines = [f"Constraints: {text}; beyond it may be better still." for text in at_the_end(problem.space, best.weights)]
    return [*lines, *(f"References: {text}." for text in stand_ins(problem))]


def _scale(found: Findings, best: Recommendation) -> list[str]:
    lines = [f"Scale: {text}." for text in best.across_scales]
    problem = found.problem
    own = None if problem.scale is None else problem.scale.tokens
    if not problem.scales and own and problem.run_tokens and problem.run_tokens > 1.5 * own:
        lines.append(
            f"Scale: runs of {own:.3g} tokens decide about one of {problem.run_tokens:.3g}; whether mixtures keep "
            "their order until then is not tested here."
        )
    elif not problem.scales and own is None:
        lines.append("Scale: the runs do not say how large they were, so how far they carry to a larger one is open.")
    return lines


def _surprise(best: Recommendation) -> list[str]:
    gap = best.gap
    if gap is None or abs(gap.z) <= SURPRISING:
        return []
    how = "worse" if gap.z > 0 else "better"
    return [f"Model: the last {len(gap.trials)} trials were {how} than it held possible ({gap.z:+.1f} sd)."]
