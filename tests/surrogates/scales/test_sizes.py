"""Scales as numbers."""

from __future__ import annotations

import math

import pytest
import torch

from bomix.errors import FitError
from bomix.scale import Scale
from bomix.surrogates.scales.sizes import scales_of_rows, sizes_of

SMALL, LARGE = Scale(10**6, 10**8), Scale(10**8, 10**8)


def test_sizes_are_logarithms_beyond_the_least_or_the_most():
    least, most = (sizes_of([SMALL, LARGE], largest=largest, name="law") for largest in (False, True))
    assert least.at(LARGE).tolist() == pytest.approx([2.0 * math.log(10.0), 0.0])
    assert most.at(SMALL).tolist() == pytest.approx([-2.0 * math.log(10.0), 0.0])
    assert torch.equal(least.of_rows([LARGE, SMALL]), torch.stack([least.at(LARGE), least.at(SMALL)]))
    assert least.of_rows([]).shape == (0, 2)


def test_an_axis_that_a_scale_does_not_tell_is_left_out():
    found = sizes_of([SMALL, Scale(10**8)], largest=False, name="law")
    assert found.axes == (True, False)
    assert found.at(SMALL)[1] == 0.0


def test_scales_that_sizes_do_not_tell_apart_are_refused():
    with pytest.raises(FitError, match="law is a function of parameters and tokens"):
        sizes_of([Scale(10**6), Scale(None, 10**8)], largest=False, name="law")
    with pytest.raises(FitError, match="several recipes"):
        sizes_of([SMALL, Scale(10**6, 10**8, "low-rate")], largest=False, name="law")


def test_runs_without_a_scale_are_the_targets():
    assert scales_of_rows([SMALL, None, Scale(10**6)], LARGE) == [SMALL, LARGE, SMALL]
