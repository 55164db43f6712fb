"""Every registered executor keeps its contract."""

from __future__ import annotations

from bomix.testing.executors import ExecutorBattery
from tests.conformance.every import batteries

globals().update(batteries(ExecutorBattery, options={}))
