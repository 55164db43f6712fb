"""Engines that are started for these tests; what is not installed here is skipped with a reason."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import slurm_daemons
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
