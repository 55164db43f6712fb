"""The fields of a Gaussian process: what cannot be is named, and both surrogates that have them say the same."""

from __future__ import annotations

import dataclasses

import pytest

from bomix.surrogates.gp.multitask import MultiTask
from bomix.surrogates.gp.settings import GPSettings
from bomix.surrogates.gp.spec import GP


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"kernels": ()}, "kernels"),
        ({"restarts": 0}, "restarts"),
        ({"draws": -1}, "draws"),
        ({"pooling": -0.1}, "pooling"),
        ({"pooling": float("inf")}, "pooling"),
        ({"pooling": 0.0, "draws": 8}, "pooling"),
        ({"growth": 1.5, "draws": 0}, "growth"),
        ({"growth": 0.1}, "growth"),
    ],
)
@pytest.mark.parametrize("kind", [GP, MultiTask])
def test_what_cannot_be_is_named(kind, fields, where):
    assert where in {fault.where for fault in kind(**fields).faults()}


def test_a_field_stands_in_one_place():
    shared = [field.name for field in dataclasses.fields(GPSettings)]
    for kind in (GP, MultiTask):
        assert issubclass(kind, GPSettings)
        assert not {*shared} & {*vars(kind).get("__annotations__", ())}
