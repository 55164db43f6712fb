"""Every registered acquisition keeps its contract."""

from __future__ import annotations

from bomix.config import registry
from bomix.testing.acquisitions import AcquisitionBattery
from tests.conformance.every import batteries

SUMS = ("sum", "worst", "smooth", "guardrail")
SETTINGS = {
    **{kind: {"serves": SUMS} for kind in registry.kinds("acquisition")},
    **{kind: {"serves": (*SUMS, "pareto")} for kind in ("log_ei", "log_nei")},
    "hypervolume": {"serves": ("pareto",)},
}

globals().update(batteries(AcquisitionBattery, options={}, settings=SETTINGS))


def test_origins_are_the_kinds():
    found = {kind: registry.resolve("acquisition", kind).origin for kind in registry.kinds("acquisition")}
    assert [kind for kind, origin in found.items() if origin != kind] == []
