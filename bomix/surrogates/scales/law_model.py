"""Fit a law of mixture and scale, and know how sure it is: robustly, with the uncertainty of laws of one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from bomix.laws.fit import fit_rows
from bomix.laws.law import own_domains
from bomix.laws.scaling_forms import scaling_law_named
from bomix.numerics.determinism import deterministic
from bomix.scale import Scale
from bomix.surrogates.laws.uncertainty import LaplaceLaw
from bomix.surrogates.scales.levels import distinct
from bomix.surrogates.scales.sized import SizedModel
from bomix.surrogates.scales.sizes import scales_of_rows, sizes_of

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.context import FitContext
    from bomix.surrogates.models.joint import HeldOut

_PRIOR_RUNS = 4.0
"""Runs that the expectation of no other spread at a scale counts as: a law that holds at one scale may miss another."""


def fit(
    form: str,
    data: SupervisedDataset,
    *,
    context: FitContext,
    seed: int,
    starts: int,
    own: Mapping[str, str] | None,
) -> SizedModel:
    """Fit a law to the runs of all scales; without a target, all rows are of one scale of unit size.

    Args:
        form: Key in :data:`~bomix.laws.scaling_forms.SCALING_LAWS`.
        data: ``X`` is ``n x d``, ``Y`` ``n x m``, NaN where a run lacks a metric.
        context: The names behind the columns, the scale of each row and the target.
        seed: Seed of the starts and of the folds.
        starts: Starts per metric.
        own: Metric to its own domain, where their names differ.
    """
    target = context.target or Scale(1, 1)
    given = context.scales if context.target is not None and context.scales else [None] * len(data.X)
    rows = scales_of_rows(given, target)
    known = distinct([target, *rows])
    # The reference is the largest scale that was run: heights and levels there are what runs tell best.
    run = list(dict.fromkeys(rows)) or [target]
    sizes = sizes_of(known, largest=True, name="scaling_law")
    sizes = sizes._replace(origin=sizes_of(run, largest=True, name="scaling_law").origin)
    columns = sizes.of_rows(rows)
    domains = own_domains(context.domains, context.metrics, context.own_mapping(own))
    with deterministic(), torch.no_grad():
        X = torch.cat([data.X.double(), columns], dim=-1)
        found = fit_rows(scaling_law_named(form), X, data.Y.double(), domains, seed=seed, starts=starts)
        law = LaplaceLaw(found, seed=seed)
        return SizedModel(law, sizes, target, known, stretches(law.leave_one_out(), data.Y.double(), rows))


def stretches(held: HeldOut, Y: Tensor, scales: Sequence[Scale]) -> dict[Scale, float]:
    """What standard deviations at each scale with runs are multiplied by, so that left-out runs there are as expected.

    A law's error is found over all runs, and most of these are small: what it misses at the scale of a few is told by
    them. Single metrics and their mean are both to be covered, so the larger of the two counts; few runs know a spread
    badly, which makes a Student's t, of a larger variance.

    Args:
        held: Predictions of ``n`` left-out runs.
        Y: ``n x m``, NaN where missing.
        scales: ``n`` scales.
    """
    error = Y - held.mean
    single = error.square() / held.covariance.diagonal(dim1=-2, dim2=-1)
    m = Y.shape[-1]
    # The mean of all metrics, each in its own unit.
    unit = held.covariance.diagonal(dim1=-2, dim2=-1).mean(dim=0).rsqrt() / m
    whole = (error @ unit).square() / ((held.covariance @ unit) @ unit)
    found = {}
    for scale in dict.fromkeys(scales):
        rows = torch.tensor([each == scale for each in scales])
        count = int((~Y[rows].isnan()).any(dim=-1).sum())
        if not count:
            continue
        squares = [each[rows][~each[rows].isnan()] for each in (single, whole)]
        larger = max(float(each.mean()) if len(each) else 1.0 for each in squares)
        freedom = _PRIOR_RUNS + count
        found[scale] = max(1.0, ((_PRIOR_RUNS + count * larger) / (freedom - 2.0))) ** 0.5
    return found
