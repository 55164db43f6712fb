"""What trackio keeps in its database is what was logged."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
import time
from pathlib import Path

import pytest

from bomix.callbacks.trackio import Trackio
from tests.callbacks.logged import NAMES, run

KEPT = Path(tempfile.mkdtemp())
"""Where trackio keeps its databases: it looks at its variable when it is imported."""
os.environ["TRACKIO_DIR"] = str(KEPT)
pytest.importorskip("trackio")
pytestmark = pytest.mark.callbacks

PATIENCE = 60.0
"""Seconds until what was logged is in the database: trackio writes in a thread of its own."""


def rows(file: Path, count: int) -> list[tuple[str, int, dict[str, float]]]:
    """Run, step and values of each row, once there are as many."""
    ends = time.monotonic() + PATIENCE
    while True:
        with sqlite3.connect(file) as database:
            found = database.execute("select run_name, step, metrics from metrics order by step").fetchall()
        if len(found) >= count or time.monotonic() > ends:
            return [(name, step, json.loads(metrics)) for name, step, metrics in found]
        time.sleep(0.2)


def test_the_database_holds_every_trial_and_a_run_that_goes_on_goes_on(tmp_path: Path) -> None:
    run(tmp_path, Trackio())
    run(tmp_path, Trackio(), trials=4)
    (file,) = KEPT.glob("bomix*.db")
    found = rows(file, 4)
    assert [(name, step) for name, step, _ in found] == [("mixture", step) for step in range(4)]
    assert all(values.keys() >= NAMES for _, _, values in found)
