"""The record of a study as a labelled dataset: what ``results.nc`` holds, and what tables and figures read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import bomix
from bomix.problem import NATS_PER_TOKEN
from bomix.space.phases import BETWEEN
from bomix.trial import Record, Result, Status

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from bomix.problem import Problem
    from bomix.space.phases import Phases

SCHEMA_VERSION = 1
"""Version of the dataset that others read: raised when a variable changes its meaning or goes away."""

Item = TypeVar("Item")


def to_dataset(records: Sequence[Record], problem: Problem, *, attrs: Mapping[str, Any] | None = None) -> xr.Dataset:
    """The record as a labelled dataset, schema version 1.

    Args:
        records: Every trial, in the order of its rows, withdrawn ones included.
        problem: Names, units and directions.
        attrs: Attributes beside ``schema_version`` and ``bomix_version``; numbers or text.

    Returns:
        ``weights``, ``weights_realized``, ``epochs`` (trial, domain); ``loss``, ``eval_sem`` (trial, metric);
        ``curve`` (trial, step, metric), its steps being those of all trials; ``params``, ``tokens``, ``cost``
        (trial). Coordinates ``status``, ``origin``, ``seed`` on trial, ``unit``, ``direction`` on metric; in a study of
        several scales ``scale`` on trial, the name of each (empty where it is unknown); where some run has one,
        ``revision`` and ``withdrawn`` (why, empty for the others) on trial as well.
        In a study of two phases ``weights``, ``weights_realized`` and ``epochs`` are those of whole runs, and
        ``phase_weights`` and ``phase_weights_realized`` (trial, phase, domain) the mixture of each phase, whose shares
        of the tokens are the coordinate ``phase_share``.
        NaN stands for what a trial does not have, most of it while it is pending or withdrawn.
    """
    import numpy as np
    import xarray as xr

    metrics = problem.metrics
    results = [record.result if record.status is Status.COMPLETED else None for record in records]
    by_domain, by_metric = ("trial", "domain"), ("trial", "metric")
    domains, names = problem.single.domains, problem.metric_names
    scales = [record.trial.scale for record in records]
    steps, curve = _curves(results, names)
    asked: list[Mapping[str, float] | None] = [record.trial.weights for record in records]
    variables: dict[str, Any] = {
        "weights": (by_domain, _whole(asked, problem)),
        "weights_realized": (by_domain, _whole(_each(results, lambda item: item.realized), problem)),
        "loss": (by_metric, _table(_each(results, lambda item: item.losses), names)),
        "eval_sem": (by_metric, _table(_each(results, lambda item: item.sems), names)),
        "curve": (("trial", "step", "metric"), curve),
        "epochs": (by_domain, _whole(_each(results, lambda item: item.epochs), problem)),
        "params": ("trial", _column(_each(scales, lambda item: item.params))),
        "tokens": ("trial", _column(_each(scales, lambda item: item.tokens))),
        "cost": ("trial", _column(_each(results, lambda item: item.cost))),
    }
    for name in ("weights", "weights_realized"):
        variables[name] += ({"units": "share of training tokens"},)
    for name in ("loss", "eval_sem", "curve"):
        variables[name] += ({"units": NATS_PER_TOKEN, "note": "unless the coordinate 'unit' says otherwise"},)
    variables["cost"] += ({"units": "device-seconds"},)
    coords = {
        "trial": np.array([record.trial.id for record in records], dtype=np.int64),
        "domain": _text(domains),
        "metric": _text(names),
        "step": steps,
        "status": ("trial", _text([str(record.status) for record in records])),
        "origin": ("trial", _text([record.trial.origin for record in records])),
        "seed": ("trial", np.array([record.trial.seed for record in records], dtype=np.int64)),
        "unit": ("metric", _text([metric.unit for metric in metrics])),
        "direction": ("metric", _text([metric.direction for metric in metrics])),
    }
    if problem.phases is not None:
        by_phase = ("trial", "phase", "domain")
        realized = _each(results, lambda item: item.realized)
        for name, rows in (("phase_weights", asked), ("phase_weights_realized", realized)):
            variables[name] = (by_phase, _by_phase(rows, problem.phases), {"units": "share of the phase's tokens"})
        coords["phase"] = _text(problem.phases.names)
        coords["phase_share"] = ("phase", np.array(problem.phases.shares))
    if problem.scales:
        coords["scale"] = ("trial", _text([problem.scale_name(scale) for scale in scales]))
    if any(record.revision for record in records):
        coords["revision"] = ("trial", np.array([record.revision for record in records], dtype=np.int64))
    if any(record.status is Status.WITHDRAWN for record in records):
        coords["withdrawn"] = ("trial", _text([record.withdrawn or "" for record in records]))
    known = {"schema_version": SCHEMA_VERSION, "bomix_version": bomix.__version__, **(attrs or {})}
    return xr.Dataset(variables, coords, known)


def _each(items: Iterable[Item | None], of: Callable[[Item], Any]) -> list[Any]:
    """Something of each item, None where there is no item."""
    return [None if item is None else of(item) for item in items]


def _table(rows: list[Mapping[str, float] | None], names: tuple[str, ...]) -> np.ndarray:
    """Mappings as ``len(rows) x len(names)``, NaN where a name is missing."""
    import numpy as np

    table = [[(row or {}).get(name, np.nan) for name in names] for row in rows]
    return np.array(table, dtype=float).reshape(len(rows), len(names))


def _whole(rows: list[Mapping[str, float] | None], problem: Problem) -> np.ndarray:
    """Mappings as ``len(rows) x d``; of two phases their sums over both."""
    phases = problem.phases
    if phases is not None:
        rows = [None if row is None else phases.aggregate(row) for row in rows]
    return _table(rows, problem.single.domains)


def _by_phase(rows: list[Mapping[str, float] | None], phases: Phases) -> np.ndarray:
    """The mixtures of each phase, ``len(rows) x 2 x d``, NaN where there is none."""
    import numpy as np

    columns = _table(rows, phases.columns)
    return np.stack([columns @ phases.part(name) for name in phases.names], axis=1)


def columns_of(dataset: xr.Dataset, *, realized: bool = False) -> np.ndarray:
    """What each trial was run on: ``n x d`` weights, of two phases ``n x 2 d``, as they were asked for.

    Args:
        dataset: A dataset of :func:`to_dataset`.
        realized: Whether what was really drawn goes before what was asked for, where it is known.
    """
    import numpy as np

    name, dims = "weights", ["trial", "domain"]
    if "phase_weights" in dataset:
        name, dims = "phase_weights", ["trial", "phase", "domain"]
    found = dataset[name].transpose(*dims).values
    if realized:
        real = dataset[f"{name}_realized"].transpose(*dims).values
        found = np.where(np.isfinite(real), real, found)
    if name == "weights":
        return np.asarray(found)
    # In the order of the names of weights, which is that of the phases' names.
    order = np.argsort([f"{phase}{BETWEEN}" for phase in dataset["phase"].values])
    shares = dataset["phase_share"].values[order]
    return np.asarray((found[:, order] * shares[:, None]).reshape(len(found), -1))


def _column(values: list[float | None]) -> np.ndarray:
    import numpy as np

    return np.array([np.nan if value is None else float(value) for value in values])


def _text(values: Iterable[str]) -> np.ndarray:
    """Text as fixed-width unicode, which survives netCDF even where there is none; what is no UTF-8 is spelt out."""
    import numpy as np

    return np.array([value.encode("utf-8", "backslashreplace").decode() for value in values], dtype=np.str_)


def _curves(results: list[Result | None], names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Steps of all curves, ascending, and losses ``n x s x m``."""
    import numpy as np

    curves = {index: result.curve for index, result in enumerate(results) if result is not None and result.curve}
    taken = [np.asarray(curve.steps, dtype=np.int64) for curve in curves.values()]
    steps = np.unique(np.concatenate(taken)) if taken else np.empty(0, dtype=np.int64)
    table = np.full((len(results), len(steps), len(names)), np.nan)
    for index, curve in curves.items():
        rows = np.searchsorted(steps, np.asarray(curve.steps, dtype=np.int64))
        for position, name in enumerate(names):
            if name in curve.losses:
                table[index, rows, position] = curve.losses[name]
    return steps, table
