"""Every registered objective keeps its contract."""

from __future__ import annotations

from bomix.testing.objectives import ObjectiveBattery
from tests.conformance.every import batteries

TWO = ["web", "code"]
GIVEN = {"books": 3.1, "code": 2.9, "web": 3.0}

OPTIONS = {
    "mean": ({}, {"metrics": TWO}),
    "weighted_mean": (
        {"of": {"web": 3.0, "books": 1.0}},
        {"of": {"web": 3.0, "books": 1.0, "code": 2.0}, "normalise": False},
    ),
    "groups": ({"of": {"a": TWO, "b": ["books"]}}, {"of": {"a": TWO, "all": [*GIVEN]}, "combine": "mean"}),
    "worst": ({}, {"metrics": TWO}),
    "smooth_max": ({}, {"temperature": 0.2}),
    "excess": (
        {},
        {"reference": GIVEN},
        {"combine": "smooth", "metrics": TWO},
        {"combine": "mean_of_positive", "temperature": 0.2},
    ),
    "guardrail": (
        {},
        {"reference": GIVEN, "margin": 0.1, "penalty": 7.0},
        {"metrics": ["web"], "base": {"kind": "weighted_mean", "of": {"code": 1.0}}},
    ),
    "pareto": {"groups": {"a": TWO, "b": ["books"]}},
}

globals().update(batteries(ObjectiveBattery, options=OPTIONS))
