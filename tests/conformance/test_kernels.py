"""Every registered kernel keeps its contract."""

from __future__ import annotations

from bomix.testing.kernels import KernelBattery
from tests.conformance.every import batteries

EXAMPLES = {
    "stationary": (
        {},
        {"encoding": "sqrt", "shape": "matern32"},
        {"encoding": "raw", "shape": "rbf"},
        {"encoding": "log", "learn_eps": True},
        {"encoding": "power", "learn_eps": True, "learn_power": True},
    ),
    "additive": ({}, {"encoding": "sqrt", "shape": "rbf"}),
    "isotropic": (
        {},
        {"distance": "jensen_shannon"},
        {"distance": "jensen_shannon", "shape": "rbf"},
        {"distance": "aitchison", "shape": "matern32"},
    ),
    "geometric": ({}, {"smoothness": 0.5}, {"smoothness": 50.0}),
    "siblings": ({"of": "stationary"}, {"of": "logarithmic", "deviation": 0.2}),
    "nodes": ({"of": "stationary"},),
    "scaled": ({"of": "stationary"}, {"of": "linear", "variance": 0.3}),
    "sum": (
        {"of": ["stationary", "additive", {"kind": "scaled", "of": "linear"}]},
        {"of": [{"kind": "stationary", "learn_eps": True}, "effective_weight", "geometric"]},
    ),
}

SETTINGS = {"nugget": {"slope_tolerance": 2e-3}}
"""Rounding of squared distances counts a million times where a thousandth is far."""

globals().update(batteries(KernelBattery, options=EXAMPLES, settings=SETTINGS))
