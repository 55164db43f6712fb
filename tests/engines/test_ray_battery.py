"""The executor of Ray keeps its contract, on a cluster of two nodes."""

from __future__ import annotations

import pytest

from bomix.execution.ray.spec import RayExecution
from bomix.testing.group_executors import GroupExecutorBattery
from tests.engines.ray_nodes import ADDRESS, Cluster

pytestmark = [pytest.mark.engines, pytest.mark.usefixtures("node")]


@pytest.fixture(scope="module")
def node(ray_cluster: Cluster) -> None:
    ray_cluster.join()


class TestRay(GroupExecutorBattery):
    spec = RayExecution(address=ADDRESS)
