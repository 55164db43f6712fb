"""What Ray reads when it is imported: GPUs that are hidden, and which token is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.execution.ray.environment import environment


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_gpus_are_hidden_from_tasks_that_asked_for_none() -> None:
    assert environment("auto", {"A": "1"}) == {"A": "1", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1"}


def test_a_cluster_of_its_own_has_a_token_of_its_own_and_writes_none(home: Path) -> None:
    first, second = environment("local", {}), environment("local", {})
    assert first["RAY_AUTH_MODE"] == "token"
    assert len(first["RAY_AUTH_TOKEN"]) == 64
    assert first["RAY_AUTH_TOKEN"] != second["RAY_AUTH_TOKEN"]
    assert first["RAY_USAGE_STATS_ENABLED"] == "0"
    assert list(home.iterdir()) == []


def test_what_the_user_says_of_tokens_is_left_alone() -> None:
    assert "RAY_AUTH_TOKEN" not in environment("local", {"RAY_AUTH_MODE": "disabled"})
    assert environment("local", {"RAY_AUTH_TOKEN": "mine"})["RAY_AUTH_TOKEN"] == "mine"
    given = {"RAY_AUTH_MODE": "disabled", "RAY_AUTH_TOKEN": "mine"}
    assert environment("head:6379", given)["RAY_AUTH_MODE"] == "disabled"


def test_the_token_that_is_here_is_shown_to_a_cluster_that_is_named(home: Path) -> None:
    """Ray shows it where it finds the cluster by itself, and not where its address is given."""
    assert "RAY_AUTH_MODE" not in environment("head:6379", {})
    (home / ".ray").mkdir()
    (home / ".ray" / "auth_token").write_text("t")
    assert environment("head:6379", {})["RAY_AUTH_MODE"] == "token"
    elsewhere = home / "elsewhere"
    assert "RAY_AUTH_MODE" not in environment("head:6379", {"RAY_AUTH_TOKEN_PATH": str(elsewhere)})
    elsewhere.write_text("t")
    assert environment("head:6379", {"RAY_AUTH_TOKEN_PATH": str(elsewhere)})["RAY_AUTH_MODE"] == "token"
