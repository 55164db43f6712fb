"""Every registered mean keeps its contract."""

from __future__ import annotations

from bomix.config import registry
from bomix.testing.means import MeanBattery
from tests.conformance.every import batteries

OPTIONS = {
    "law": ({"starts": 2}, {"form": "epochs", "starts": 2}, {"form": "epochs", "starts": 2, "uncertain": True}),
    "effective_law": ({"starts": 2}, {"starts": 2, "uncertain": True}),
    "mde_gated": {"strengths": True},
    "accuracy_from_loss": {"of": "mde", "loss": {"quiz": "text"}, "floor": {"quiz": 0.0}},
}
SETTINGS = {
    **{kind: {"of_experts": (0, 1)} for kind in registry.kinds("mean")},
    **{kind: {"of_experts": (), "near": 1e-3} for kind in ("law", "effective_law")},
    "accuracy_from_loss": {"of_experts": (1,)},
}

globals().update(batteries(MeanBattery, options=OPTIONS, settings=SETTINGS))
