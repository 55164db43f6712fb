"""Fixtures of the tests of execution."""

from __future__ import annotations

import pytest

from bomix.recommendation import decision


@pytest.fixture
def recommended_by_the_mean_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few trials leave the minimum vague, and the tests that ask for this are about what confirms it."""
    monkeypatch.setattr(decision, "CAUTIOUS", 0.0)
