"""Results, runs and mixtures that come from outside: whole and checked, or refused with everything that is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from bomix import trial
from bomix.errors import Fault, FaultsError, raise_faults
from bomix.io.artifacts.harness_results import is_results, score_of, scores_of, several
from bomix.io.store.phased import by_column, of_run, set_right
from bomix.io.store.plain import as_mapping, number, short
from bomix.io.store.result_checks import (
    KEYS,
    as_result,
    cleaned,
    range_faults,
    read_curve,
    result_faults,
)
from bomix.scale import Scale
from bomix.space.bounds import number as finite
from bomix.space.phased import phases_of
from bomix.space.phases import Phases
from bomix.space.weights import Weights, normalized
from bomix.trial import Candidate, Curve, Failure, Outcome, Result

if TYPE_CHECKING:
    from bomix.problem import Problem
    from bomix.space.mixture_space import MixtureSpace

Losses: TypeAlias = Mapping[str, float | None] | Result
"""Metric name to loss, None or NaN where it was not measured, or a whole result."""
ForeignRun: TypeAlias = tuple[Weights, Losses] | tuple[Weights, Losses, Scale | None]
"""A run that was made elsewhere: mixture, losses and, where it is known, its scale."""


@runtime_checkable
class Table(Protocol):
    """A pandas table: its rows are gone through, not its columns."""

    def iterrows(self) -> Iterable[tuple[Any, Any]]:
        """Label and row, one after the other."""


RESULT_KEYS = tuple(key for key in KEYS if key != "unmeasured")
"""Keys that a user's program may write; it gives null for the loss of a metric that it did not measure."""
_MOST_DIGITS = 400
"""Digits of a whole number beyond which it is infinite as a float; Python refuses to read some thousand."""
_SCORES_SHOWN = 4
"""Scores of a file that a message lists: enough to see how they are called."""
RESULT_LIMIT = 64 * 2**20
"""Most bytes of a result in a file: the curves of a hundred metrics over ten thousand steps are half of it."""


def read_result(
    text: str, metrics: Sequence[str], domains: Sequence[str] | Phases, *, directions: Mapping[str, str] | None = None
) -> Result:
    """Read what a user's program wrote, as :func:`result_of` takes it.

    Args:
        text: JSON.
        metrics: Every one of them must have a loss, or null where it was not measured.
        domains: The only names that ``realized`` and ``epochs`` may have.
        directions: Metric to ``min`` or ``max``, which those of lm-evaluation-harness must be, where they are known.

    Raises:
        FaultsError: Everything that is wrong.
    """
    return result_of(_json(text), metrics, domains, directions=directions)


def result_of(
    data: Any,
    metrics: Sequence[str],
    domains: Sequence[str] | Phases,
    *,
    partial: bool = False,
    directions: Mapping[str, str] | None = None,
) -> Result:
    """A result in one of its forms: ``{"losses": {...}, "sems": {}, "cost": s}``, the losses alone, or a harness's.

    Args:
        data: Plain data, numbers of any library; of the first form all but ``losses`` is optional. The third is what
            lm-evaluation-harness writes.
        metrics: Every one of them must have a loss, or None where it was not measured.
        domains: The only names that ``realized`` and ``epochs`` may have; of phases, those of a mixture of each.
        partial: Whether metrics that are not named were not measured.
        directions: Metric to ``min`` or ``max``, which those of lm-evaluation-harness must be, where they are known.

    Raises:
        FaultsError: Everything that is wrong.
    """
    if is_results(data):
        data = _of_harness(data, metrics, directions or {})
    if not isinstance(data, Mapping) or not (is_whole(data) or {*data} & {*metrics}):
        looks = f'{{"losses": {{"{metrics[0] if metrics else "<metric>"}": 2.5, ...}}}}'
        failed = '{"failure": "why"} of a run that failed'
        raise FaultsError([Fault("", f"the result must look like {looks}, or be the losses alone, or {failed}")])
    data = data if is_whole(data) else {"losses": data}
    if isinstance(domains, Phases):
        data, domains = by_column(data, domains), domains.columns
    known_keys = ", ".join(RESULT_KEYS)
    faults = [Fault(str(key), f"unknown key '{key}' (known: {known_keys})") for key in data if key not in RESULT_KEYS]
    known = {key: value for key, value in data.items() if key in RESULT_KEYS and value is not None}
    if partial:
        known["losses"] = {**dict.fromkeys(metrics), **as_mapping(known["losses"])}
    if "curve" in known and not isinstance(known["curve"], Curve):
        known["curve"] = read_curve(known["curve"], faults)
    return accepted(Result(**known), metrics, domains, title="the result cannot be used:", before=faults)


def is_whole(data: Mapping[str, Any]) -> bool:
    """Whether a mapping is a result with its losses under a key, and not the losses alone."""
    return isinstance(as_mapping(data.get("losses")), Mapping)


def _of_harness(data: Mapping[str, Any], metrics: Sequence[str], directions: Mapping[str, str]) -> dict[str, Any]:
    """A result in bomix's own form from a file of results of lm-evaluation-harness.

    Raises:
        FaultsError: A metric is no score of it, or more than one, or has the other direction.
    """
    scores = scores_of(data)
    names = list(scores.values)
    found = {metric: score_of(metric, names) for metric in metrics}
    faults = []
    for metric, score in found.items():
        own = several(metric, names)
        if score is None:
            shown = ", ".join((own or names)[:_SCORES_SHOWN])
            what = f"lm-evaluation-harness has {'several scores' if own else 'no score'} of that name ({shown}, ...)"
            faults.append(Fault(f"metrics.{metric}", f"{what}; call the metric task/measure"))
            continue
        higher, told = scores.higher.get(score), directions.get(metric)
        if higher is not None and told is not None and higher != (told == "max"):
            word = "max" if higher else "min"
            faults.append(Fault(f"metrics.{metric}", f"by lm-evaluation-harness its direction is {word}, not {told}"))
    raise_faults(faults, "the results of lm-evaluation-harness cannot be used:")
    known = {metric: score for metric, score in found.items() if score is not None}
    losses = {metric: scores.values[score] for metric, score in known.items()}
    errors = {metric: scores.errors[score] for metric, score in known.items() if score in scores.errors}
    return {"losses": losses, "sems": {name: error for name, error in errors.items() if losses[name] is not None}}


def _json(text: str) -> Any:
    """The data of a JSON text, in which no name of a mapping stands twice.

    Raises:
        FaultsError: It is none, or cannot be read for its depth or its digits.
    """

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise_faults([Fault("", f"{short(twice)} stands twice in the result; keep one")])
        return found

    def whole(digits: str) -> int | float:
        return float(digits) if len(digits) > _MOST_DIGITS else int(digits)

    try:
        return json.loads(text, object_pairs_hook=mapping, parse_int=whole)
    except RecursionError as error:
        raise FaultsError([Fault("", "the result is nested too deep to be read; flatten it")]) from error
    except ValueError as error:
        raise FaultsError([Fault("", f"the result is not JSON that can be read: {error}")]) from error


def read_outcome(
    text: str,
    metrics: Sequence[str],
    domains: Sequence[str] | Phases,
    *,
    partial: bool = False,
    directions: Mapping[str, str] | None = None,
) -> Outcome:
    """Read what a user's program wrote of a run, by hand: a result as :func:`result_of` takes it, or a failure.

    Args:
        text: JSON; ``{"failure": "diverged at step 800"}`` says that the run failed, and nothing else stands there.
        metrics: Every one of them must have a loss, or null where it was not measured.
        domains: The only names that ``realized`` and ``epochs`` may have; of phases, those of a mixture of each.
        partial: Whether metrics that are not named were not measured.
        directions: Metric to ``min`` or ``max``, which those of lm-evaluation-harness must be, where they are known.

    Raises:
        FaultsError: Everything that is wrong.
    """
    return outcome_of(_json(text), metrics, domains, partial=partial, directions=directions)


def outcome_of(
    data: Any,
    metrics: Sequence[str],
    domains: Sequence[str] | Phases,
    *,
    partial: bool = False,
    directions: Mapping[str, str] | None = None,
) -> Outcome:
    """A result as :func:`result_of` takes it, or a failure; arguments and errors as there."""
    if isinstance(data, Mapping) and "failure" in data and "failure" not in metrics:
        message, others = data["failure"], sorted(str(key) for key in data if key != "failure")
        if others:
            raise_faults([Fault("failure", f"stands beside {', '.join(others)}; a run failed, or it has a result")])
        if not isinstance(message, str) or not message.strip():
            raise_faults([Fault("failure", f"expected the reason as text, found {short(message)}")])
        return Failure(message.strip())
    return result_of(data, metrics, domains, partial=partial, directions=directions)


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
    result = cleaned(as_result(of_the_only(losses, metrics)))
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
    listed = _rows(runs, "runs", "(weights, losses) or (weights, losses, scale)")
    space = problem.space
    found, faults = [], []
    for position, run in enumerate(listed):
        if not isinstance(run, (tuple, list)) or len(run) not in (2, 3):
            what = f"expected (weights, losses) or (weights, losses, scale), found {short(run)}"
            faults.append(Fault(f"runs[{position}]", what))
            continue
        weights, losses, *rest = run
        scale = rest[0] if rest else None
        weights, wrong = _mixture(weights, space)
        result = cleaned(as_result(of_the_only(losses, problem.metric_names)), nan_is_gap=True)
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
    rows = _rows(mixtures, "mixtures", "mixtures, each a mapping from domains to weights")
    if not rows:
        raise_faults([Fault("mixtures", f"expected a list of mixtures, found {short(mixtures)}")])
    checked = [_mixture(weights, space) for weights in rows]
    faults = [
        Fault(f"mixtures[{row}].{fault.where}", fault.what) for row, (_, found) in enumerate(checked) for fault in found
    ]
    raise_faults(faults, "these are no mixtures of the study's domains")
    return [normalized(weights) for weights, _ in checked]


def of_the_only(losses: Any, metrics: Sequence[str]) -> Any:
    """Losses as they are; a number alone, of any library, is the loss of the study's only metric.

    Several numbers without names stay as they are, for the checks to refuse: a list has no order that all agree on.
    """
    alone = not isinstance(losses, (Mapping, bool, Result)) and len(metrics) == 1
    return {metrics[0]: number(losses)} if alone and isinstance(number(losses), (int, float)) else losses


def _rows(given: Any, where: str, what: str) -> list[Any]:
    """The items of a list or of anything else that can be gone through; of a pandas table its rows.

    Raises:
        FaultsError: There are none: one mapping where several are wanted, a number.
    """
    if isinstance(given, Table):
        return [row for _, row in given.iterrows()]
    if not isinstance(as_mapping(given), (Mapping, str, bytes)):
        try:
            return list(given)
        except TypeError:
            pass  # the fault below says what was wanted
    raise FaultsError([Fault(where, f"expected a list of {what}, found {short(given)}")])


def _mixture(weights: Any, space: MixtureSpace) -> tuple[dict[str, float], list[Fault]]:
    """Weights with plain numbers, and what keeps them from being a mixture, bounds aside."""
    phases = phases_of(space)
    named = as_mapping(weights if phases is None else of_run(weights, phases))
    if not isinstance(named, Mapping):
        names = ", ".join(map(repr, space.domains[:3])) + (", ..." if len(space.domains) > 3 else "")
        what = f"expected a mapping from domains to weights, {{{names}}}, found {short(weights)}; name each weight"
        return {}, [Fault("weights", what)]
    shares = {name: number(weight) for name, weight in named.items()}
    wrong = [
        Fault(f"weights.{name}", f"the weight of domain '{name}' is {short(share)}, not a finite number")
        for name, share in shares.items()
        if name in space.domains and (not isinstance(share, (int, float)) or finite(share) is None)
    ]
    wrong = wrong or space.faults_of(shares, sum_tolerance=trial.SUM_TOLERANCE, bounded=False)
    return (shares, wrong) if wrong or phases is None else set_right(shares, phases)
