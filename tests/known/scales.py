"""Studies of several scales: a problem and a record, made of tables of values."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from bomix.history import History
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem, StudyScale
from bomix.scale import Scale
from bomix.space.mixture_space import MixtureSpace
from bomix.space.weights import normalized
from bomix.trial import Record, Result, Trial

SMALL, LARGE = Scale(10**6, 10**9), Scale(60 * 10**6, 10**9)
SCALES = {"small": SMALL, "large": LARGE}


def problem(metrics, domains=("a", "b", "c"), *, scales: Mapping[str, Scale] = SCALES, objective=None, target=None):
    """A problem of several scales whose runs cost their FLOPs; the last one is decided about unless it is named."""
    listed = tuple(StudyScale(name, scale, scale.flops or 1.0) for name, scale in scales.items())
    made = MixtureSpace(tuple(domains)), tuple(each if isinstance(each, Metric) else Metric(each) for each in metrics)
    return Problem(*made, objective or Mean(), scale=scales[target or list(scales)[-1]], scales=listed)


def history(of: Problem, runs) -> History:
    """A record of ``(scale, mixture, metric to loss)`` of each run; a scale is one of the problem's names, or None."""
    scales = {each.name: each.scale for each in of.scales}
    records = [
        Record(
            Trial(number, dict(zip(of.space.domains, map(float, weights), strict=True)), 0, "imported", scales.get(at)),
            Result({name: float(value) for name, value in losses.items() if np.isfinite(value)}),
        )
        for number, (at, weights, losses) in enumerate(runs)
    ]
    return History(tuple(records), of.scale, scales=tuple(scales.values()))


def regmix(small: int, large: int):
    """RegMix's runs of 1M and of 60M parameters as a study of two scales: the first ones of the same 256 mixtures."""
    folder = Path(os.environ.get("BOMIX_DATA", "")) / "regmix"
    if "BOMIX_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("set BOMIX_DATA to a folder with regmix/, the tables of github.com/sail-sg/regmix (folder data)")
    runs = []
    for name, size, count in (("small", "1m", small), ("large", "60m", large)):
        weights, losses = (_rows(folder / f"test_{what}_{size}.csv") for what in ("mixture", "pile_loss"))
        for key in list(weights)[:count]:
            mixture = {domain.removeprefix("train_the_pile_"): value for domain, value in weights[key].items()}
            shares = normalized(mixture)
            values = {
                metric.removeprefix("metric/the_pile_").removesuffix("_val_loss"): value
                for metric, value in losses[key].items()
            }
            runs.append((name, shares, values))
    made = problem(list(runs[0][2]), list(runs[0][1]))
    ordered = [(at, [shares[name] for name in made.space.domains], values) for at, shares, values in runs]
    return made, history(made, ordered)


def _rows(path: Path) -> dict[str, dict[str, float]]:
    with path.open() as file:
        return {row.pop("index"): {name: float(text) for name, text in row.items()} for row in csv.DictReader(file)}
