"""Results, runs and mixtures that come from outside: whole and checked, or refused with everything that is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from bomix import trial
from bomix.errors import Fault, FaultsError, raise_faults
from bomix.io.store.plain import short
from bomix.io.store.result_checks import (
    KEYS,
    as_result,
    cleaned,
    range_faults,
    read_curve,
    result_faults,
)
from bomix.scale import Scale
from bomix.space.weights import Weights, normalized
from bomix.trial import Candidate, Failure, Outcome, Result

if TYPE_CHECKING:
    from bomix.problem import Problem
    from bomix.space.mixture_space import MixtureSpace

Losses: TypeAlias = Mapping[str, float | None] | Result
"""Metric name to loss, None or NaN where it was not measured, or a whole result."""
ForeignRun: TypeAlias = tuple[Weights, Losses] | tuple[Weights, Losses, Scale | None]
"""A run that was made elsewhere: mixture, losses and, where it is known, its scale."""
RESULT_KEYS = tuple(key for key in KEYS if key != "unmeasured")
"""Keys that a user's program may write; it gives null for the loss of a metric that it did not measure."""
RESULT_LIMIT = 64 * 2**20
"""Most bytes of a result in a file: the curves of a hundred metrics over ten thousand steps are half of it."""


def read_result(text: str, metrics: Sequence[str], domains: Sequence[str]) -> Result:
    """Read what a user's program wrote: ``{"losses": {...}, "sems": {}, "realized": {}, "cost": s}``.

    Args:
        text: JSON; all but ``losses`` is optional.
        metrics: Every one of them must have a loss, or null where it was not measured.
        domains: The only names that ``realized`` and ``epochs`` may have.

    Raises:
        FaultsError: Everything that is wrong.
    """
    title = "the result cannot be used:"
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FaultsError([Fault("", f"the result is not JSON that can be read: {error}")]) from error
    if not isinstance(data, dict) or not isinstance(data.get("losses"), dict):
        raise FaultsError([Fault("", 'the result must look like {"losses": {"<metric>": 2.5, ...}}')])
    known_keys = ", ".join(RESULT_KEYS)
    faults = [Fault(key, f"unknown key '{key}' (known: {known_keys})") for key in data if key not in RESULT_KEYS]
    known = {key: value for key, value in data.items() if key in RESULT_KEYS and value is not None}
    if "curve" in known:
        known["curve"] = read_curve(known["curve"], faults)
    result = Result(**known)
    return accepted(result, metrics, domains, title=title, before=faults)


def read_outcome(text: str, metrics: Sequence[str], domains: Sequence[str], *, partial: bool = False) -> Outcome:
    """Read what a user's program wrote of a run, by hand: a result as :func:`read_result` reads it, or a failure.

    Args:
        text: JSON; ``{"failure": "diverged at step 800"}`` says that the run failed, and nothing else stands there.
        metrics: Every one of them must have a loss, or null where it was not measured.
        domains: The only names that ``realized`` and ``epochs`` may have.
        partial: Whether metrics that are not named were not measured.

    Raises:
        FaultsError: Everything that is wrong.
    """
    try:
        data = json.loads(text)
    except ValueError:
        return read_result(text, metrics, domains)  # it says what is wrong
    if isinstance(data, dict) and "failure" in data:
        message, others = data["failure"], sorted(data.keys() - {"failure"})
        if others:
            raise_faults([Fault("failure", f"stands beside {', '.join(others)}; a run failed, or it has a result")])
        if not isinstance(message, str) or not message.strip():
            raise_faults([Fault("failure", f"expected the reason as text, found {message!r}")])
        return Failure(message.strip())
    if partial and isinstance(data, dict) and isinstance(data.get("losses"), dict):
        data["losses"] = {**dict.fromkeys(metrics), **data["losses"]}
        text = json.dumps(data)
    return read_result(text, metrics, domains)


def accepted(
    losses: Mapping[str, float | None] | Result,
    metrics: Sequence[str],
    domains: Sequence[str],
    *,
    title: str,
    before: Sequence[Fault] = (),
) -> Result:
    """A result that can be recorded, its numbers plain.

    Args:
        losses: Metric name to loss, None where it was not measured, or a whole result.
        metrics: Every one of them must be named.
        domains: The only names that ``realized`` and ``epochs`` may have.
        title: A line above the faults.
        before: Faults that were found already.

    Raises:
        FaultsError: Everything that is wrong.
    """
    result = cleaned(as_result(losses))
    raise_faults([*before, *result_faults(result, metrics, domains)], title)
    return result


def checked_runs(runs: Iterable[ForeignRun], problem: Problem) -> list[tuple[Candidate, Result]]:
    """Runs that were made elsewhere, as they can be recorded.

    Args:
        runs: Mixture, whose bounds need not hold and whose sum may miss one by 1 %, and losses, NaN or None where a
            metric was not measured; then its scale, where it is known.
        problem: Names the domains and metrics.

    Raises:
        FaultsError: Everything that is wrong with any of them.
    """
    listed = list(runs)
    space = problem.space
    found, faults = [], []
    for position, (weights, losses, *rest) in enumerate(listed):
        scale = rest[0] if rest else None
        wrong = space.faults_of(weights, sum_tolerance=trial.SUM_TOLERANCE, bounded=False)
        result = cleaned(as_result(losses), nan_is_gap=True)
        wrong += result_faults(result, problem.metric_names, space.domains)
        wrong += range_faults(result, problem.metrics)
        if scale is not None and not isinstance(scale, Scale):
            wrong.append(Fault("scale", f"expected a bomix.Scale or None, found {short(scale)}"))
        place = f"runs[{position}]." if len(listed) > 1 else ""
        faults += [Fault(f"{place}{fault.where}", fault.what) for fault in wrong]
        if not faults:
            found.append((Candidate(normalized(weights), trial.IMPORTED, scale), result))
    raise_faults(faults, f"the run{'s' if len(listed) > 1 else ''} cannot be added:")
    return found


def checked_mixtures(mixtures: Sequence[Weights], space: MixtureSpace) -> list[Weights]:
    """Mixtures that sum to one.

    Args:
        mixtures: Bounds need not hold, and sums may miss one by 1 %.
        space: Names the domains.

    Raises:
        FaultsError: Everything that is wrong with any of them.
    """
    if isinstance(mixtures, Mapping) or not len(mixtures):
        raise_faults([Fault("mixtures", f"expected a list of mixtures, found {short(mixtures)}")])
    faults = [
        Fault(f"mixtures[{row}].{fault.where}", fault.what)
        for row, weights in enumerate(mixtures)
        for fault in space.faults_of(weights, sum_tolerance=trial.SUM_TOLERANCE, bounded=False)
    ]
    raise_faults(faults, "these are no mixtures of the study's domains")
    return [normalized(weights) for weights in mixtures]
