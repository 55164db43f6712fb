"""Slurm's commands without its daemons."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.execution.slurm.fake import FakeSlurm


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """The commands, first on the path."""
    (folder := tmp_path / "commands").mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return FakeSlurm(folder)
