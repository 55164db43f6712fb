"""TensorBoard's own reader reads what was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.callbacks.tensorboard import TensorBoard
from tests.callbacks.logged import NAMES, run

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
pytestmark = pytest.mark.callbacks


def test_event_files_hold_every_trial_and_runs_that_go_on_are_joined(tmp_path: Path) -> None:
    run(tmp_path, TensorBoard())
    study = run(tmp_path, TensorBoard(), trials=4)
    found = accumulator.EventAccumulator(str(tmp_path / "mixture" / "tensorboard"))
    found.Reload()
    assert {*found.Tags()["scalars"]} >= NAMES
    events = found.Scalars("weight/web")
    assert [event.step for event in events] == [0, 1, 2, 3]
    weights = [record.trial.weights["web"] for record in study.history.records]
    assert [event.value for event in events] == pytest.approx(weights, rel=1e-6)
