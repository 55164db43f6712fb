"""The cells of a benchmark as one labelled dataset."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import bomix
from bomix.benchmark.methods import RULES
from bomix.benchmark.pools import BEST
from bomix.errors import ConfigError

if TYPE_CHECKING:
    import xarray as xr

Keep = Callable[[Mapping[str, Any]], bool]
"""Whether the content of a cell's file counts."""

DIMS = ("problem", "method", "seed")


def load(
    folder: Path, *, problems: Sequence[str] = (), methods: Sequence[str] = (), keep: Keep | None = None
) -> xr.Dataset:
    """Every cell that a folder holds.

    Args:
        folder: Folder of the benchmark.
        problems: Only these; all by default.
        methods: Only these; all by default.
        keep: Which of those cells count, by the content of their file; all by default.

    Raises:
        ConfigError: There is none.
    """
    found = []
    for path in sorted((folder / "cells").glob("*/*/*.json")):
        try:
            cell = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            continue
        asked = cell["problem"] in (problems or [cell["problem"]]) and cell["method"] in (methods or [cell["method"]])
        if asked and (keep is None or keep(cell)):
            found.append(cell)
    if not found:
        raise ConfigError(f"{folder}: there is no result of a benchmark; run one first")
    return to_dataset(found, problems=problems, methods=methods)


def to_dataset(
    found: Sequence[Mapping[str, Any]], *, problems: Sequence[str] = (), methods: Sequence[str] = ()
) -> xr.Dataset:
    """Cells as a dataset.

    Returns:
        By (problem, method, seed, trial): ``regret_tried`` and ``observed`` of the mixture of a trial, ``ask_s``
        CPU-seconds of its suggestion, ``recommend_s``; with (rule) also ``regret``, that of the mixture recommended
        when so many trials were done. Coordinate ``trial`` counts from 1. NaN where there is nothing: another
        budget, no recommendation then, a method without the rule. By (problem, method, seed, best): ``found_after``,
        trials until the mixture of a pool that is truly best, and that of the best result, were found. By (problem):
        ``domains``, ``design``, ``budget``.
    """
    import xarray as xr

    def names(key: str, order: Sequence[Any]) -> list[Any]:
        there = {cell[key] for cell in found}
        return [name for name in order if name in there] + sorted(there.difference(order))

    coords = {"problem": names("problem", problems), "method": names("method", methods), "seed": names("seed", ())}
    length = max(cell["case"]["budget"] for cell in found)
    shape = tuple(len(coords[dim]) for dim in DIMS)
    by_trial = {name: np.full((*shape, length), np.nan) for name in ("regret_tried", "observed", "ask_s")}
    regret = np.full((*shape, length, len(RULES)), np.nan)
    recommend_s = np.full((*shape, length), np.nan)
    found_after = np.full((*shape, len(BEST)), np.nan)
    sizes = {name: np.zeros(shape[0], dtype=int) for name in ("domains", "design", "budget")}
    places = {dim: {name: place for place, name in enumerate(coords[dim])} for dim in DIMS}
    for cell in found:
        at = tuple(places[dim][cell[dim]] for dim in DIMS)
        for name, table in by_trial.items():
            table[at][: len(cell[name])] = cell[name]
        for rank, rule in enumerate(RULES):
            for count, value in cell["regret"][rule].items():
                regret[at][int(count) - 1, rank] = value
        for count, seconds in cell["recommend_s"].items():
            recommend_s[at][int(count) - 1] = seconds
        for name, count in cell.get("found", {}).items():
            found_after[at][BEST.index(name)] = count
        for name, table in sizes.items():
            table[at[0]] = cell[name] if name == "domains" else cell["case"][name]
    dims = (*DIMS, "trial")
    return xr.Dataset(
        {
            **{name: (dims, table) for name, table in by_trial.items()},
            "regret": ((*dims, "rule"), regret),
            "recommend_s": (dims, recommend_s),
            "found_after": ((*DIMS, "best"), found_after),
            **{name: ("problem", table) for name, table in sizes.items()},
        },
        {**coords, "trial": np.arange(1, length + 1), "rule": list(RULES), "best": list(BEST)},
        {"bomix_version": bomix.__version__, "units": "regret: nats per token; ask_s, recommend_s: CPU-seconds"},
    )


def best_rule(found: xr.Dataset) -> xr.DataArray:
    """Regret by the rule that serves a method best on a problem at the end; (problem, method, seed, trial).

    Rules without a result are passed over. The choice uses the true regret, and does so for every method alike.
    """
    last = found["regret"].isel(trial=found["budget"] - 1).mean("seed").drop_vars("trial").fillna(np.inf)
    return found["regret"].isel(rule=last.argmin("rule")).drop_vars("rule")


def trials_to_beat(found: xr.Dataset, by: float = 0.02) -> xr.DataArray:
    """Trials after the design until a mixture is truly better than the best of the design by so much.

    Returns:
        (problem, method, seed); infinite where it never happened, NaN where it cannot, as the design came that near
        to the optimum, or where nothing was run.
    """
    regret, inside = found["regret_tried"], found["trial"] <= found["design"]
    best = regret.where(inside).min("trial")
    beaten = regret.where(~inside) <= best - by
    first = (beaten.argmax("trial") + 1 - found["design"]).where(beaten.any("trial"), np.inf)
    counted: xr.DataArray = first.where(best >= by).transpose(*DIMS)
    return counted
