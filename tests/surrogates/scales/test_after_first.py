"""Surrogates that follow that of the smallest scale: without other scales they are that one."""

from __future__ import annotations

import pytest
import torch

from bomix.surrogates.gp.spec import GP
from bomix.surrogates.scales.after_first import AfterFirst
from bomix.surrogates.scales.anchored_spec import Anchored
from bomix.surrogates.scales.freeze_thaw_spec import FreezeThaw
from bomix.testing.known import mixtures
from tests.surrogates.scales.test_model import D, data_of, points, small

QUICK = GP(draws=0, restarts=1)


@pytest.mark.parametrize("spec", [Anchored(QUICK), FreezeThaw(QUICK)])
def test_runs_of_one_scale_have_the_model_of_that_scale(spec: AfterFirst) -> None:
    X = mixtures(12, D, seed=1)
    data, context = data_of([(X, small(X), None)], None)
    found, alone = (each.fit(data, context=context, seed=0) for each in (spec, QUICK))
    with torch.no_grad():
        for one, other in zip(found.moments(points(4, 1)), alone.moments(points(4, 1)), strict=True):
            assert torch.equal(one, other)
