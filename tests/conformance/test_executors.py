"""Every registered executor keeps its contract."""

from __future__ import annotations

from pathlib import Path

from bomix.testing.group_executors import GroupExecutorBattery
from tests.conformance.every import batteries

ELSEWHERE = {"ray": "engines/test_ray_battery.py", "slurm": "engines/test_slurm_battery.py"}
"""Those whose daemons have to be started for their battery."""

globals().update(batteries(GroupExecutorBattery, options={}, elsewhere=ELSEWHERE))


def test_the_batteries_of_the_others_are_there() -> None:
    for file in ELSEWHERE.values():
        assert "GroupExecutorBattery" in (Path(__file__).parents[1] / file).read_text()
