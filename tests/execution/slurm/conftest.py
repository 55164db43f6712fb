"""Slurm's commands without its daemons."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bomix.execution.slurm import jobs
from tests.execution.slurm.fake import FakeSlurm


@pytest.fixture(autouse=True)
def no_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are in sight at once; tests of those that are not say so."""
    monkeypatch.setattr(jobs, "LAG_S", 0.0)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """The commands, first on the path."""
    (folder := tmp_path / "commands").mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return FakeSlurm(folder)
