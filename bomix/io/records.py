"""Trials and outcomes as JSON.

An outcome carries the SHA-256 of its own content, so that a damaged file is told from a whole one. Curves are
base64 of little-endian float64: a tenth of the size of decimal text, and exact.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from bomix.errors import EvaluationError, Fault, StoreError, raise_faults
from bomix.problem import Fidelity, Metric
from bomix.trial import Curve, Failure, Outcome, Result, Trial

SCHEMA = 1
RESULT_KEYS = ("losses", "sems", "realized", "epochs", "cost", "curve", "artifacts", "info")


def trial_to_json(trial: Trial) -> str:
    """One trial, human-readable."""
    return _dump({"schema": SCHEMA, **dataclasses.asdict(trial)})


def trial_from_json(text: str) -> Trial:
    """Inverse of :func:`trial_to_json`.

    Raises:
        StoreError: The text is no trial.
    """
    try:
        data = json.loads(text)
        fidelity = Fidelity(**data["fidelity"]) if data.get("fidelity") else None
        return Trial(
            id=int(data["id"]),
            weights={str(name): float(weight) for name, weight in data["weights"].items()},
            seed=int(data["seed"]),
            origin=str(data["origin"]),
            fidelity=fidelity,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"not a trial: {error!r}") from error


def outcome_to_json(trial_id: int, outcome: Outcome) -> str:
    """One outcome with its checksum."""
    if isinstance(outcome, Result):
        body: dict[str, Any] = {"status": "completed", "result": result_to_data(outcome)}
    else:
        body = {"status": "failed", "failure": dataclasses.asdict(outcome)}
    body = {"schema": SCHEMA, "trial": trial_id, **body}
    return _dump({**body, "checksum": _checksum(body)})


def outcome_from_json(text: str) -> tuple[int, Outcome]:
    """Inverse of :func:`outcome_to_json`: the trial's id and its outcome.

    Raises:
        StoreError: The text is damaged.
    """
    try:
        body = json.loads(text)
        checksum = body.pop("checksum")
        if checksum != _checksum(body):
            raise StoreError("checksum does not match: the file was changed or damaged")
        if body["status"] == "completed":
            return int(body["trial"]), result_from_data(body["result"])
        return int(body["trial"]), Failure(**body["failure"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"not an outcome: {error!r}") from error


def result_to_data(result: Result) -> dict[str, Any]:
    """Plain data of a result, absent parts left out."""
    data = {name: getattr(result, name) for name in RESULT_KEYS}
    data = {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in data.items()
        if value is not None and not (isinstance(value, Mapping) and not value)
    }
    if result.curve is not None:
        data["curve"] = {
            "steps": _encode(result.curve.steps),
            "losses": {metric: _encode(losses) for metric, losses in result.curve.losses.items()},
        }
    return data


def result_from_data(data: Mapping[str, Any]) -> Result:
    """Inverse of :func:`result_to_data`; the data is trusted."""
    kept = {name: data[name] for name in RESULT_KEYS if name in data}
    if (curve := data.get("curve")) is not None:
        losses = {metric: _decode(text) for metric, text in curve["losses"].items()}
        kept["curve"] = Curve(steps=_decode(curve["steps"]), losses=losses)
    return Result(**kept)


def read_result(text: str, metrics: tuple[Metric, ...], domains: tuple[str, ...]) -> Result:
    """Read a result that a user's program wrote: ``{"losses": {...}, "sems": {}, "realized": {}, "cost": s}``.

    Args:
        text: JSON; all but ``losses`` is optional.
        metrics: Every one of them must have a loss.
        domains: The only names that ``realized`` and ``epochs`` may have.

    Raises:
        FaultsError: Everything that is wrong.
        EvaluationError: The text is no JSON object.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise EvaluationError(f"the result is not JSON: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("losses"), dict):
        raise EvaluationError('the result must look like {"losses": {"<metric>": 2.5, ...}}')
    faults = [
        Fault(key, f"unknown key '{key}' (known: {', '.join(RESULT_KEYS)})") for key in data if key not in RESULT_KEYS
    ]
    faults += result_faults(data["losses"], tuple(metric.name for metric in metrics))
    faults += _number_faults("sems", data.get("sems"), tuple(metric.name for metric in metrics))
    for key in ("realized", "epochs"):
        faults += _number_faults(key, data.get(key), domains)
    if (cost := data.get("cost")) is not None and not _is_number(cost):
        faults.append(Fault("cost", f"expected device-seconds, found {cost!r}"))
    if isinstance(realized := data.get("realized"), dict) and not faults:
        missing = sorted(set(domains) - set(realized))
        total = sum(realized.values())
        if missing or abs(total - 1.0) > 1e-3:
            faults.append(Fault("realized", f"must name every domain and sum to 1 (sum {total:g}, missing {missing})"))
    if isinstance(data.get("curve"), dict) and not faults:
        data["curve"] = _plain_curve(data["curve"], faults)
    for key in ("artifacts", "info"):
        if not isinstance(data.get(key, {}), dict):
            faults.append(Fault(key, f"expected a mapping, found {data[key]!r}"))
    raise_faults(faults, "the result cannot be used")
    if (curve := data.pop("curve", None)) is not None:
        return dataclasses.replace(result_from_data(data), curve=curve)
    return result_from_data(data)


def result_faults(losses: Mapping[str, Any], metrics: tuple[str, ...]) -> list[Fault]:
    """What is wrong with a mapping of losses: a metric missing or unknown, a value that is no finite number."""
    faults = [Fault(f"losses.{name}", "missing; every metric needs a loss") for name in metrics if name not in losses]
    return faults + _number_faults("losses", losses, metrics)


def _number_faults(where: str, values: Any, names: tuple[str, ...]) -> list[Fault]:
    if values is None:
        return []
    if not isinstance(values, Mapping):
        return [Fault(where, f"expected a mapping from names to numbers, found {values!r}")]
    faults = [
        Fault(f"{where}.{name}", f"unknown name '{name}' (known: {', '.join(names)})")
        for name in values
        if name not in names
    ]
    faults += [
        Fault(f"{where}.{name}", f"expected a finite number, found {value!r}")
        for name, value in values.items()
        if not _is_number(value)
    ]
    return faults


def _plain_curve(data: dict[str, Any], faults: list[Fault]) -> Curve | None:
    try:
        steps = np.asarray(data["steps"], dtype=float)
        losses = {str(name): np.asarray(values, dtype=float) for name, values in data["losses"].items()}
        if any(values.shape != steps.shape for values in losses.values()) or steps.ndim != 1:
            raise ValueError("every metric needs one loss per step")
        return Curve(steps=steps, losses=losses)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        faults.append(Fault("curve", f'must look like {{"steps": [...], "losses": {{"<metric>": [...]}}}}: {error}'))
        return None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _dump(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=1, sort_keys=True, allow_nan=False) + "\n"


def _checksum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _encode(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f8").tobytes()).decode("ascii")


def _decode(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype="<f8").astype(float)
