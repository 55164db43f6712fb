"""The units that models compute in: those of the metrics, unless their values are of another order than losses.

Tolerances, floors of variances and jitters, here and in GPyTorch, are made for numbers of ordinary size: a spread of
1e-12 would vanish below them. A metric whose values spread by less than half a thousandth or more than half a million
of its unit is therefore computed with in units of its own spread. They are powers of two, so that nothing is rounded;
all others have the unit one, and nothing of theirs changes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from botorch.utils.datasets import SupervisedDataset

if TYPE_CHECKING:
    from torch import Tensor

_SMALL, _LARGE = -10, 20
"""Exponents of two between which a spread is ordinary. GPyTorch keeps variances above 1e-10, which is a standard
deviation of 1e-5: of a spread of half a thousandth that is two per cent, of a smaller one too much. Nothing acts on
large numbers before their squares lose digits beside numbers of order one; perplexities and points stay as they are."""
_NO_SPREAD = 1e-12
"""Spread, relative to the values, below which it is rounding: the values themselves then say the order."""


def units(Y: Tensor) -> Tensor:
    """The unit that each metric is computed in.

    Args:
        Y: ``n x m``, NaN where missing.

    Returns:
        ``m`` powers of two, one for each metric whose order is ordinary and for those that no trial has.
    """
    found = torch.ones(Y.shape[1], dtype=torch.float64)
    for column, values in enumerate(Y.mT):
        known = values[~values.isnan()]
        if not len(known):
            continue
        size, spread = known.abs().max().item(), (known.max() - known.min()).item()
        order = spread if spread > _NO_SPREAD * size else size
        exponent = math.frexp(order)[1]
        if order > 0.0 and not _SMALL <= exponent <= _LARGE:
            found[column] = math.ldexp(1.0, exponent)
    return found


def in_units(data: SupervisedDataset, unit: Tensor) -> SupervisedDataset:
    """The data with each metric divided by its unit; the same where all units are one.

    Args:
        data: ``Y`` is ``n x m``, NaN where a trial lacks a metric.
        unit: ``m``, as :func:`units` returns it.
    """
    if bool((unit == 1.0).all()):
        return data
    return SupervisedDataset(data.X, data.Y / unit, feature_names=data.feature_names, outcome_names=data.outcome_names)
