"""What a driver hears of Slurm, and bears."""

from __future__ import annotations

import logging

import pytest

from bomix.execution.slurm import commands
from bomix.execution.slurm.commands import UnreachableError
from bomix.execution.slurm.controller import Controller


def away() -> list[object]:
    raise UnreachableError("the controller does not answer")


def test_a_slurm_that_is_away_is_told_once_and_again_after_it_was_there(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    controller = Controller()
    with caplog.at_level(logging.INFO, logger="bomix"):
        monkeypatch.setattr(commands, "queue", away)
        assert [controller.see([]) for _ in range(3)] == [False] * 3
        told = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert len(told) == 1
        monkeypatch.setattr(commands, "queue", list)
        assert controller.see([])
        monkeypatch.setattr(commands, "queue", away)
        assert not controller.see([])
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(told) == 3  # away, there again, away
    assert told[0] == told[2] != told[1]
