"""Curves come back to the last bit, and take no time before somebody asks for them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from bomix.io.store.curves import WrittenLosses, curve_from_data, curve_to_data
from bomix.trial import Curve

CURVE = Curve(np.array([10.0, 20.0]), {"loss": np.array([4.0, 1 / 3]), "other": np.array([0.1, -0.0])})


def test_a_curve_comes_back_to_the_last_bit() -> None:
    found = curve_from_data(curve_to_data(CURVE))
    assert list(found.losses) == ["loss", "other"]
    assert len(found.losses) == 2
    for name, losses in CURVE.losses.items():
        assert found.losses[name].tobytes() == losses.tobytes()
    assert found.steps.tolist() == [10.0, 20.0]
    assert curve_to_data(found) == curve_to_data(CURVE)


def test_steps_that_trials_share_are_one_array_that_nobody_changes() -> None:
    first, second = (curve_from_data(curve_to_data(CURVE)) for _ in range(2))
    assert first.steps is second.steps
    with pytest.raises(ValueError, match="read-only"):
        first.steps[0] = 0.0
    first.losses["loss"][0] = 0.0  # a copy
    assert first.losses["loss"][0] == 4.0


def test_losses_are_equal_by_what_was_written_and_can_be_sent_on() -> None:
    losses = curve_from_data(curve_to_data(CURVE)).losses
    again = curve_from_data(curve_to_data(CURVE)).losses
    assert losses == again
    assert hash(losses) == hash(again)
    assert losses != WrittenLosses({"loss": b""})
    assert losses != 3
    assert pickle.loads(pickle.dumps(losses)) == losses


@pytest.mark.parametrize("text", ["AAAA", "x"])
def test_what_was_cut_within_a_number_is_no_curve(text: str) -> None:
    with pytest.raises(ValueError, match=r"cut within a number|base64"):
        curve_from_data({"steps": text, "losses": {}})
