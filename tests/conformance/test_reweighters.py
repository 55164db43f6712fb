"""Every registered reweighter keeps its contract."""

from __future__ import annotations

from bomix.testing.reweighters import ReweighterBattery
from tests.conformance.every import batteries

OPTIONS = {
    "doge": ({}, {"target": True, "clip": 1.0}),
    "odm": ({}, {"form": "average"}, {"form": "average", "reward": "loss", "result": "final", "warmup": 0.2}),
    "fastmix": ({}, {"every": 1, "rate": 0.1, "weight_decay": 0.01}),
}

globals().update(batteries(ReweighterBattery, options=OPTIONS))
