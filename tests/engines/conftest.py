"""Engines that are started for these tests; what is not installed here is skipped with a reason."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import ray_nodes, slurm_daemons
from tests.engines.slurm_daemons import Cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A Slurm of one node with four processors, whose commands this process calls."""
    if (reason := slurm_daemons.missing()) is not None:
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="bomix-slurm-") as folder, pytest.MonkeyPatch.context() as patch:
        found = Cluster(Path(folder))
        patch.setenv("SLURM_CONF", found.environment["SLURM_CONF"])
        patch.setenv("PATH", found.environment["PATH"])
        try:
            found.start()
            yield found
        finally:
            found.stop()


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[ray_nodes.Cluster]:
    """A Ray whose head this process is at, and whose token is where Ray looks for it; no node has joined."""
    if (reason := ray_nodes.missing()) is not None:
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="bx", dir="/tmp"))  # addresses of sockets are short
    cluster = ray_nodes.Cluster(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        patch.setenv("RAY_AUTH_TOKEN_PATH", str(cluster.token))
        patch.delenv("RAY_AUTH_MODE", raising=False)
        patch.delenv("RAY_ADDRESS", raising=False)
        try:
            cluster.start()
            with cluster.inside():
                yield cluster
        finally:
            cluster.stop()
            shutil.rmtree(folder)
