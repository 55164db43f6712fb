"""Every registered surrogate keeps its contract."""

from __future__ import annotations

from bomix.testing.surrogates import SurrogateBattery
from tests.conformance.every import batteries, spec_of

LAW = {"kind": "law", "starts": 2}
UNSURE = {"kind": "law", "form": "epochs", "starts": 2, "uncertain": True}
CHAINS = {"warmup": 20, "samples": 8, "thinning": 1, "chains": 2, "max_tree_depth": 3}

OPTIONS = {
    "mde": {"mean": LAW},
    "corrected": {"mean": LAW, "surrogate": {"kind": "gp", "draws": 2}},
    "gp": ({"draws": 2}, {"draws": 0, "restarts": 1, "mean": UNSURE}),
    "multitask": ({"draws": 2}, {"draws": 0, "restarts": 1, "mean": UNSURE}),
    **{kind: {"of": {"kind": "gp", "draws": 2}} for kind in ("multi_scale", "freeze_thaw", "anchored")},
    "scaling_law": {"starts": 2},
    "auto": {"of": [{"kind": "gp", "draws": 0, "restarts": 1}, "ridge"], "folds": 2},
    "bayesian_gp": CHAINS,
    "bayesian_law": CHAINS,
    "law": ({"starts": 2, "samples": 8}, {"form": "epochs", "starts": 2}),
    "lightgbm": {"rounds": 20},
    "boosting": {"trees": [5], "rates": [0.1], "depths": [2]},
}
"""Kind to options that make it cheap."""

EXACT = {
    **{kind: {"of": {"kind": "gp", "draws": 0, "restarts": 1}} for kind in ("multi_scale", "freeze_thaw", "anchored")},
    "gp": {"draws": 0, "restarts": 1},
    "multitask": {"draws": 0, "restarts": 1},
    "corrected": {"mean": LAW, "surrogate": {"kind": "gp", "draws": 0, "restarts": 1}},
}
"""Kind to options without draws, which columns that move do not carry elsewhere."""

SETTINGS = {
    **{kind: {"exact": spec_of("surrogate", kind, options)} for kind, options in EXACT.items()},
    # Few draws, or other folds, where columns move.
    **{kind: {"moves": moves} for kind, moves in {"bayesian_gp": 1.0, "bayesian_law": 1.0, "auto": 0.5}.items()},
    "lightgbm": {"needs": "lightgbm"},
}

globals().update(batteries(SurrogateBattery, options=OPTIONS, settings=SETTINGS))
