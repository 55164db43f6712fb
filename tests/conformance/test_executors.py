"""Every executor keeps its contract."""

from __future__ import annotations

from bomix.execution.local.executor import LocalExecutor
from bomix.testing.executors import ExecutorBattery


class TestLocal(ExecutorBattery):
    make = LocalExecutor
