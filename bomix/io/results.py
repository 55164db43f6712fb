"""Results that come from outside: checked before they are recorded, since an outcome is written once."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bomix.errors import Fault, FaultsError, raise_faults
from bomix.trial import Curve, Result

KEYS = tuple(field.name for field in dataclasses.fields(Result))
SUM_TOLERANCE = 1e-3
"""How far realised weights may be from summing to one."""


def read_result(text: str, metrics: Sequence[str], domains: Sequence[str]) -> Result:
    """Read what a user's program wrote: ``{"losses": {...}, "sems": {}, "realized": {}, "cost": s}``.

    Args:
        text: JSON; all but ``losses`` is optional.
        metrics: Every one of them must have a loss.
        domains: The only names that ``realized`` and ``epochs`` may have.

    Raises:
        FaultsError: Everything that is wrong.
    """
    title = "the result cannot be used:"
    try:
        data = json.loads(text)
    except ValueError as error:
        raise FaultsError([Fault("", f"the result is not JSON: {error}")]) from error
    if not isinstance(data, dict) or not isinstance(data.get("losses"), dict):
        raise FaultsError([Fault("", 'the result must look like {"losses": {"<metric>": 2.5, ...}}')])
    faults = [Fault(key, f"unknown key '{key}' (known: {', '.join(KEYS)})") for key in data if key not in KEYS]
    known = {key: value for key, value in data.items() if key in KEYS and value is not None}
    if "curve" in known:
        known["curve"] = _curve(known["curve"], faults)
    result = Result(**known)
    return accepted(result, metrics, domains, title=title, before=faults)


def accepted(
    losses: Mapping[str, float] | Result,
    metrics: Sequence[str],
    domains: Sequence[str],
    *,
    title: str,
    before: Sequence[Fault] = (),
) -> Result:
    """A result that can be recorded, its numbers plain.

    Args:
        losses: Metric name to loss, or a whole result.
        metrics: Every one of them must have a loss.
        domains: The only names that ``realized`` and ``epochs`` may have.
        title: A line above the faults.
        before: Faults that were found already.

    Raises:
        FaultsError: Everything that is wrong.
    """
    result = cleaned(losses if isinstance(losses, Result) else Result(losses))
    raise_faults([*before, *result_faults(result, metrics, domains)], title)
    return result


def cleaned(result: Result) -> Result:
    """The same with plain floats, so that NumPy and torch scalars can be written as JSON."""

    def floats(values: Any) -> Any:
        return {name: _plain(value) for name, value in values.items()} if isinstance(values, Mapping) else values

    names = ("losses", "sems", "realized", "epochs")
    return dataclasses.replace(
        result, **{name: floats(getattr(result, name)) for name in names}, cost=_plain(result.cost)
    )


def result_faults(result: Result, metrics: Sequence[str], domains: Sequence[str]) -> list[Fault]:
    """What keeps a result from being recorded.

    Args:
        result: Its numbers are plain, see :func:`cleaned`.
        metrics: Every one of them must have a finite loss, and no other name may.
        domains: The names that ``realized`` must have and ``epochs`` may have.
    """
    losses = result.losses if isinstance(result.losses, Mapping) else {}
    faults = [Fault(f"losses.{name}", "missing; every metric needs a loss") for name in metrics if name not in losses]
    faults += _numbers("losses", result.losses, metrics)
    faults += _numbers("sems", result.sems, metrics, least=0.0)
    faults += _numbers("epochs", result.epochs, domains, least=0.0)
    realized = _numbers("realized", result.realized, domains, least=0.0)
    if result.realized is not None and not realized:
        missing = [name for name in domains if name not in result.realized]
        total = math.fsum(result.realized.values())
        if missing or abs(total - 1.0) > SUM_TOLERANCE:
            what = f"must name every domain and sum to 1 (sum {total:g}, missing: {', '.join(missing) or 'none'})"
            realized.append(Fault("realized", what))
    faults += realized
    if result.cost is not None and not (_is_finite(result.cost) and result.cost >= 0):
        faults.append(Fault("cost", f"expected device-seconds, found {result.cost!r}"))
    if result.curve is not None:
        faults += [
            Fault(f"curve.losses.{name}", f"unknown name '{name}'")
            for name in result.curve.losses
            if name not in metrics
        ]
    for key in ("artifacts", "info"):
        faults += _json_faults(key, getattr(result, key))
    return faults


def _numbers(where: str, values: Any, names: Sequence[str], *, least: float = -math.inf) -> list[Fault]:
    if values is None:
        return []
    if not isinstance(values, Mapping):
        return [Fault(where, f"expected a mapping from names to numbers, found {values!r}")]
    known = f"(known: {', '.join(names)})"
    faults = [Fault(f"{where}.{name}", f"unknown name '{name}' {known}") for name in values if name not in names]
    wanted = "a finite number" if math.isinf(least) else f"a finite number from {least:g}"
    return faults + [
        Fault(f"{where}.{name}", f"expected {wanted}, found {value!r}")
        for name, value in values.items()
        if not _is_finite(value) or value < least
    ]


def _curve(data: Any, faults: list[Fault]) -> Curve | None:
    try:
        steps = np.asarray(data["steps"], dtype=float)
        losses = {str(name): np.asarray(values, dtype=float) for name, values in data["losses"].items()}
        if steps.ndim != 1 or any(values.shape != steps.shape for values in losses.values()):
            raise ValueError("every metric needs one loss per step")
        if not np.isfinite(steps).all() or (np.diff(steps) <= 0).any():
            raise ValueError("steps must rise")
        return Curve(steps=steps, losses=losses)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        faults.append(Fault("curve", f'must look like {{"steps": [...], "losses": {{"<metric>": [...]}}}}: {error!r}'))
        return None


def _json_faults(key: str, value: Any) -> list[Fault]:
    if not isinstance(value, Mapping):
        return [Fault(key, f"expected a mapping, found {value!r}")]
    try:
        json.dumps(dict(value), allow_nan=False)
    except (TypeError, ValueError) as error:
        return [Fault(key, f"must be plain JSON: {error}")]
    return []


def _plain(value: Any) -> Any:
    """A float where the value is a number of any library; anything else is left to the checks."""
    return float(value) if hasattr(value, "__float__") and not isinstance(value, (bool, int)) else value


def _is_finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) <= sys.float_info.max  # also of a whole number that no float can hold; false for NaN
