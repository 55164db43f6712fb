"""RegMix's Table 2 on the runs that it published, with the third size where its tables are there."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from experiments.regmix import data, fits, judge, models
from experiments.regmix.data import PILE, Runs
from experiments.regmix.fits import Fit
from experiments.regmix.ranking import DIGITS, GAINS

LEARNT = 512
"""Runs of the published training table."""


def lines() -> Iterator[str]:
    """A table for each target, or where to get what it needs."""
    for target in fits.PILE_TARGETS:
        yield from table(target)
        yield ""


def table(target: str) -> Iterator[str]:
    """The table of one target."""
    truths = {scale: found for scale in ("1m", "60m", "1b") if (found := data.pile("test", scale)) is not None}
    if data.pile("train", "1m") is None or not {"1m", "60m"} <= truths.keys():
        yield data.WHERE
        return
    heads = " | ".join(f"rank, {scale.upper()}" for scale in truths if scale != "1m")
    yield f"| published loss: {target} | rank, 1M | squared error, 1M | absolute error, 1M | {heads} |"
    yield "|---|---|---|---|" + "---|" * (len(truths) - 1)
    for model in models.MODELS:
        values, predicted = truths["1m"].target(target), at(model, target, "1m")
        ranks = [
            judge.correlation(at(model, target, scale), truth.target(target)).told(DIGITS)
            for scale, truth in truths.items()
        ]
        off = f"{judge.error(predicted, values).told(4)} | {np.abs(predicted - values).mean():.3f}"
        yield f"| {model} | {ranks[0]} | {off} | {' | '.join(ranks[1:])} |"
    for name, one, other in GAINS:
        gains = [
            judge.gain(at(one, target, scale), at(other, target, scale), truth.target(target)).told(DIGITS, "+")
            for scale, truth in truths.items()
        ]
        yield f"| {name} | {gains[0]} | | | {' | '.join(gains[1:])} |"


@cache
def at(model: str, target: str, scale: str) -> np.ndarray:
    """What a model predicts of a published test table; fitted anew where its mixtures are not those of the smallest."""
    kept = fits.predicted(Fit(PILE, model, target, LEARNT))
    asked, known = (_there("test", each) for each in (scale, "1m"))
    if kept is not None and asked.X.shape == known.X.shape and np.allclose(asked.X, known.X):
        return kept
    return models.predictor(model, _there("train", "1m"), target)(asked.X)


def _there(split: str, scale: str) -> Runs:
    found = data.pile(split, scale)
    assert found is not None, data.WHERE
    return found
