"""Which nodes could hold a trial, and what is said where none could."""

from __future__ import annotations

from typing import Any

import pytest

from bomix.errors import EvaluationError
from bomix.execution.ray import nodes
from bomix.execution.ray.nodes import Nodes


def node(name: str, *, alive: bool = True, **resources: float) -> dict[str, Any]:
    return {"NodeID": name, "NodeManagerAddress": f"10.0.0.{name}", "Alive": alive, "Resources": resources}


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(nodes, "time", clock)
    return clock


def test_a_node_holds_what_it_has_in_all_and_not_what_is_free() -> None:
    found = Nodes({"CPU": 2.0, "GPU": 0.5}, None)
    found.look([node("1", CPU=8.0), node("2", CPU=1.0, GPU=1.0)])
    assert not found.suffice()
    found.look([node("1", CPU=8.0), node("3", CPU=2.0, GPU=1.0)])
    assert found.suffice()
    found.look([node("3", alive=False, CPU=2.0, GPU=1.0)])
    assert not found.suffice()
    assert not found.alive("3")
    assert found.died == 3


def test_a_node_that_is_avoided_gets_no_tasks() -> None:
    found = Nodes({"CPU": 1.0}, None)
    found.look([node("1", CPU=1.0), node("2", CPU=1.0)])
    assert found.options == {}
    assert found.avoid("1")
    assert found.options == {"label_selector": {"ray.io/node-id": "!in(1)"}}
    assert not found.avoid("2")
    assert found.options == {"label_selector": {"ray.io/node-id": "!in(1,2)"}}


def test_trials_that_no_node_could_hold_are_told_of_once_and_wait_so_long(clock: Clock) -> None:
    found = Nodes({"CPU": 1.0, "GPU": 2.0}, 60.0)
    found.look([node("1", CPU=4.0, GPU=1.0)])
    assert found.waiting(True) is None
    clock.now = 10.0
    said = found.waiting(True)
    assert said is not None
    assert "which takes 1 CPU and 2 GPU; 10.0.0.1 has 4 CPU and 1 GPU. Trials wait for 60 s at most" in said
    clock.now = 20.0
    assert found.waiting(True) is None
    clock.now = 61.0
    with pytest.raises(EvaluationError, match=r"None has joined in 60 s \(execution.placement_s\)"):
        found.waiting(True)


def test_a_node_that_joins_ends_the_wait(clock: Clock) -> None:
    found = Nodes({"CPU": 1.0}, 60.0)
    assert found.waiting(True) is None
    clock.now = 50.0
    found.look([node("1", CPU=1.0)])
    assert found.waiting(True) is None
    found.look([])
    clock.now = 100.0
    assert found.waiting(True) is None
    assert found.waiting(False) is None
