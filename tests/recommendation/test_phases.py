"""What the order of two phases is worth, as a recommendation tells it."""

from __future__ import annotations

import pytest

from bomix.posterior.predict import Estimate
from bomix.recommendation.phases import Order
from bomix.space.phases import Phases

PHASES = Phases(("pretrain", "anneal"), (0.75, 0.25), ("code", "maths", "web"))
PAIR = {"pretrain": {"code": 0.2, "maths": 0.0, "web": 0.8}, "anneal": {"code": 0.6, "maths": 0.0, "web": 0.4}}


def test_passes_of_the_whole_run_are_shared_out_to_the_phases():
    weights = PHASES.joint(PAIR)
    order = Order(PHASES, PHASES.aggregate(weights), PAIR, Estimate(0.1, 0.01))
    passes = order.by_phase(weights, {"code": 3.0, "maths": 0.0, "web": 0.7})
    assert passes.keys() == weights.keys()
    assert passes["anneal:code"] == pytest.approx(1.5)  # half of its tokens: 0.15 of 0.3
    assert passes["pretrain:maths"] == 0.0
    assert PHASES.aggregate(passes) == pytest.approx({"code": 3.0, "maths": 0.0, "web": 0.7})
