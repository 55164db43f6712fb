"""What keeps a result from being recorded, part by part: an outcome is written once."""

from __future__ import annotations

import dataclasses
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bomix.errors import Fault
from bomix.io.store.plain import as_json, as_mapping, json_faults, number, short
from bomix.trial import LOG_TAIL_LIMIT, MESSAGE_LIMIT, Curve, Failure, Result

if TYPE_CHECKING:
    from bomix.problem import Metric

KEYS = tuple(field.name for field in dataclasses.fields(Result))
"""Keys of a recorded result."""
SUM_TOLERANCE = 1e-3
"""Largest distance of the sum of realised weights from one."""


def cleaned(result: Result, *, nan_is_gap: bool = False) -> Result:
    """The same with plain floats, so that NumPy and torch scalars can be written as JSON, and with its gaps named.

    Args:
        result: A loss of None in it marks a metric that was not measured.
        nan_is_gap: Whether a loss of NaN does too, as in tables; from a training it is a mistake.
    """

    def floats(values: Any) -> Any:
        values = as_mapping(values)
        return {name: number(value) for name, value in values.items()} if isinstance(values, Mapping) else values

    mappings = {"losses": result.losses, "sems": result.sems, "realized": result.realized, "epochs": result.epochs}
    parts = {name: floats(values) for name, values in {**mappings, "mixture": result.mixture}.items()}
    given = result.unmeasured
    unmeasured: list[Any] = list(given) if isinstance(given, (list, tuple, set, frozenset)) else [given]
    if isinstance(losses := parts["losses"], dict):
        gaps = [name for name, loss in losses.items() if loss is None or (nan_is_gap and is_nan(loss))]
        parts["losses"] = {name: loss for name, loss in losses.items() if name not in gaps}
        unmeasured += [name for name in gaps if name not in unmeasured]
    if isinstance(sems := parts["sems"], dict):
        parts["sems"] = {name: sem for name, sem in sems.items() if sem is not None}
    parts["artifacts"] = _paths(result.artifacts)
    parts["info"] = as_json(result.info)
    return dataclasses.replace(result, **parts, cost=number(result.cost), unmeasured=tuple(unmeasured))


def is_nan(value: Any) -> bool:
    """Whether a value is a float that is no number."""
    return isinstance(value, float) and math.isnan(value)


def result_faults(result: Result, metrics: Sequence[str], domains: Sequence[str]) -> list[Fault]:
    """What keeps a result from being recorded.

    Args:
        result: The result as :func:`cleaned` returns it: numbers are plain, and gaps named.
        metrics: Every one of them must have a finite loss or be named as not measured, and no other name may.
        domains: The names that ``realized`` and ``mixture`` must have and ``epochs`` may have.
    """
    faults = _loss_faults(result, metrics)
    faults += _numbers("sems", result.sems, metrics, least=0.0)
    faults += _numbers("epochs", result.epochs, domains, least=0.0)
    faults += _mixture_faults("realized", result.realized, domains)
    faults += _mixture_faults("mixture", result.mixture, domains)
    if result.cost is not None and not (_is_finite(result.cost) and result.cost >= 0):
        faults.append(Fault("cost", f"expected device-seconds, found {short(result.cost)}"))
    if isinstance(result.curve, Curve) and isinstance(result.curve.losses, Mapping):
        faults += _strangers("curve.losses", result.curve.losses, metrics)
    return faults + form_faults(result)


def _mixture_faults(where: str, weights: Mapping[str, float] | None, domains: Sequence[str]) -> list[Fault]:
    """What keeps weights from being a mixture of all domains; None is left out."""
    faults = _numbers(where, weights, domains, least=0.0)
    if weights is not None and not faults:
        missing = [name for name in domains if name not in weights]
        total = math.fsum(weights.values())
        if missing or abs(total - 1.0) > SUM_TOLERANCE:
            what = f"must name every domain and sum to 1 (sum {total:g}, missing: {', '.join(missing) or 'none'})"
            faults.append(Fault(where, what))
    return faults


def range_faults(result: Result, metrics: Sequence[Metric]) -> list[Fault]:
    """Values that their metrics cannot have.

    Args:
        result: Its losses are finite numbers where they can be recorded; others are left to :func:`result_faults`.
        metrics: The metrics with their ranges.
    """
    faults: list[Fault] = []
    for metric in metrics if isinstance(result.losses, Mapping) else ():
        value, (low, high) = result.losses.get(metric.name), metric.limits
        if value is not None and _is_finite(value) and not low <= value <= high:
            whence = f"of its unit '{metric.unit}'" if metric.range is None else "that is stated"
            what = (
                f"{value:g} lies outside the range {whence}, [{low:g}, {high:g}]; correct it, or state the right one "
                f"(metrics: {{{metric.name}: {{unit: ..., range: [null, null]}}}} allows every number)"
            )
            faults.append(Fault(f"losses.{metric.name}", what))
    return faults


def as_result(losses: Mapping[str, float | None] | Result) -> Result:
    """Losses, None for those that were not measured, as a result for :func:`cleaned`."""
    return losses if isinstance(losses, Result) else Result(losses)  # type: ignore[arg-type]  # gaps are for `cleaned`


def _loss_faults(result: Result, metrics: Sequence[str]) -> list[Fault]:
    """Metrics that are neither there nor named as not measured, and a result without any."""
    losses = result.losses if isinstance(result.losses, Mapping) else {}
    named = [*losses, *result.unmeasured]
    what = "missing; give its loss, or null (None in Python) where it was not measured, or `bomix tell --partial`"
    missing = [Fault(f"losses.{name}", what) for name in metrics if name not in named]
    strays = _strangers("losses", result.unmeasured, metrics)
    doubtful = [name for name in result.unmeasured if name in [*losses]]
    both = [Fault(f"losses.{name}", "has a loss and is named as not measured; keep one") for name in doubtful]
    faults = [*missing, *_numbers("losses", result.losses, metrics), *strays, *both]
    if not faults and not losses:
        faults.append(Fault("losses", "no metric was measured; a result needs the loss of at least one"))
    return faults


def _strangers(where: str, found: Iterable[str], names: Sequence[str]) -> list[Fault]:
    known = f"(known: {', '.join(names)})"
    return [Fault(f"{where}.{name}", f"unknown name '{name}' {known}") for name in found if name not in names]


def _numbers(where: str, values: Any, names: Sequence[str], *, least: float = -math.inf) -> list[Fault]:
    if values is None:
        return []
    if not isinstance(values, Mapping):
        return [Fault(where, f"expected a mapping from names to numbers, found {short(values)}")]
    faults = _strangers(where, values, names)
    wanted = "a finite number" if math.isinf(least) else f"a finite number from {least:g}"
    return faults + [
        Fault(f"{where}.{name}", f"expected {wanted}, found {short(value)}{_cure(where, value)}")
        for name, value in values.items()
        if not _is_finite(value) or value < least
    ]


def _cure(where: str, value: Any) -> str:
    """What a loss that is not finite may have meant."""
    if where != "losses" or not isinstance(value, float):
        return ""
    return "; null says that it was not measured, a failure that the run diverged"


def failure_faults(failure: Failure) -> list[Fault]:
    """What keeps a failure from being recorded."""
    texts = {"message": failure.message, "log_tail": failure.log_tail}
    faults = [Fault(k, f"expected text, found {short(v)}") for k, v in texts.items() if not isinstance(v, str)]
    attempts = failure.attempts
    if isinstance(attempts, bool) or not isinstance(attempts, int) or attempts < 1:
        faults.append(Fault("attempts", f"expected a whole number from 1, found {short(attempts)}"))
    return faults


def bounded(failure: Failure) -> Failure:
    """The same with texts that can be written and printed: no more than an error or the end of a log has."""
    message, log_tail = kept_text(failure.message), kept_text(failure.log_tail, limit=LOG_TAIL_LIMIT)
    return dataclasses.replace(failure, message=message, log_tail=log_tail)


def kept_text(text: str, *, limit: int = MESSAGE_LIMIT) -> str:
    """A text that can be written and printed, of so many characters at most."""
    return text.encode("utf-8", "backslashreplace").decode()[:limit]


def read_curve(data: Any, faults: list[Fault]) -> Curve | None:
    """A curve from its steps and losses; None, and a fault more, where it is none."""
    try:
        steps = np.asarray(data["steps"], dtype=float)
        losses = {str(name): np.asarray(values, dtype=float) for name, values in data["losses"].items()}
        if steps.ndim != 1 or any(values.shape != steps.shape for values in losses.values()):
            raise ValueError("every metric needs one loss per step")
        if not np.isfinite(steps).all() or (np.diff(steps) <= 0).any():
            raise ValueError("steps must rise")
        return Curve(steps=steps, losses=losses)
    except (KeyError, TypeError, AttributeError):
        why = ""
    except ValueError as error:
        why = f": {error}"
    faults.append(Fault("curve", f'must look like {{"steps": [...], "losses": {{"<metric>": [...]}}}}{why}'))
    return None


def form_faults(result: Result) -> list[Fault]:
    """What in curve, artifacts and ``info`` cannot be recorded, whatever the metrics and domains of the study are.

    Args:
        result: The result as :func:`cleaned` returns it.
    """
    curve, faults = result.curve, list[Fault]()
    if isinstance(curve, Curve):
        read_curve({"steps": curve.steps, "losses": curve.losses}, faults)
    elif curve is not None:
        faults.append(Fault("curve", f"expected a bomix.trial.Curve, found {short(curve)}"))
    return faults + _path_faults(result.artifacts) + json_faults("info", result.info)


def _paths(artifacts: Any) -> Any:
    """Artifacts with their paths as text."""
    if not isinstance(artifacts, Mapping):
        return artifacts
    return {name: os.fsdecode(path) if isinstance(path, os.PathLike) else path for name, path in artifacts.items()}


def _path_faults(artifacts: Any) -> list[Fault]:
    if not isinstance(artifacts, Mapping):
        return [Fault("artifacts", f"expected a mapping from names to paths, found {short(artifacts)}")]
    return [
        Fault(f"artifacts.{short(name)}", f"expected a path as text under a name that is text, found {short(path)}")
        for name, path in artifacts.items()
        if not (isinstance(name, str) and isinstance(path, str) and "\0" not in path)
    ]


def _is_finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) <= sys.float_info.max  # also of a whole number that no float can hold; false for NaN
