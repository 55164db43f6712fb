"""Every registered executor keeps its contract."""

from __future__ import annotations

from bomix.testing.group_executors import GroupExecutorBattery
from tests.conformance.every import batteries

globals().update(batteries(GroupExecutorBattery, options={}))
