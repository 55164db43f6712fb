"""The nodes of a Ray cluster: which are alive, which could hold a trial, and which do not see its folder."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from bomix.errors import SetupError

_SAID_AFTER_S = 5.0
"""Seconds without a node for the trials before that is said: one that restarts takes some."""
_UNITS = {"CPU": "CPU", "GPU": "GPU", "memory": "bytes of memory"}


class Nodes:
    """What is known of the nodes.

    Args:
        demand: What a trial takes of its node, by Ray's names.
        placement_s: Seconds that trials wait without a node that could hold one; None for no limit.
    """

    def __init__(self, demand: Mapping[str, float], placement_s: float | None) -> None:
        self._demand = demand
        self._placement_s = placement_s
        self._alive: dict[str, Mapping[str, Any]] = {}
        self.died = 0
        """Nodes that were alive at a look and were not at the next one."""
        self._avoided: list[str] = []
        self._without: float | None = None
        self._said = False

    def look(self, found: Iterable[Mapping[str, Any]]) -> None:
        """Take what ``ray.nodes()`` says."""
        before, self._alive = self._alive, {node["NodeID"]: node for node in found if node["Alive"]}
        self.died += len(before.keys() - self._alive.keys())

    def alive(self, node: object) -> bool:
        """Whether a node was alive at the last look."""
        return node in self._alive

    def avoid(self, node: str) -> bool:
        """Give a node no more trials; whether another one could hold them."""
        if node not in self._avoided:
            self._avoided.append(node)
        return self.suffice()

    def suffice(self) -> bool:
        """Whether a node could hold a trial, were it idle."""
        return any(
            node not in self._avoided and holds(self._demand, found["Resources"]) for node, found in self._alive.items()
        )

    @property
    def options(self) -> dict[str, Any]:
        """Options of a task that keep it from the nodes that are avoided."""
        if not self._avoided:
            return {}
        return {"label_selector": {"ray.io/node-id": f"!in({','.join(self._avoided)})"}}

    def waiting(self, anything: bool) -> str | None:
        """What is to be said where tasks wait for a node that is not there; None where there is nothing new.

        Args:
            anything: Whether there are tasks.

        Raises:
            EvaluationError: They have waited too long.
        """
        if not anything or self.suffice():
            self._without, self._said = None, False
            return None
        now = time.monotonic()
        self._without = now if self._without is None else self._without
        what = f"no node of the Ray cluster could hold a trial, which takes {named(self._demand)}; {self._seen()}"
        if self._placement_s is not None and now > self._without + self._placement_s:
            raise SetupError(
                f"{what}. None has joined in {self._placement_s:g} s (execution.placement_s); ask for less, or start "
                "such a node and run the same command again"
            )
        if self._said or now < self._without + _SAID_AFTER_S:
            return None
        self._said = True
        limit = "" if self._placement_s is None else f" for {self._placement_s:g} s at most"
        return f"{what}. Trials wait{limit} for one that joins"

    def _seen(self) -> str:
        """What the nodes have."""
        if not self._alive:
            return "there is none"
        seen = [
            f"{node['NodeManagerAddress']} has {named(offered(self._demand, node['Resources']))}"
            + (" and does not see the study's folder" if key in self._avoided else "")
            for key, node in sorted(self._alive.items())
        ]
        return ", ".join(seen[:4]) + (f", and {len(seen) - 4} more alike or less" if len(seen) > 4 else "")


def holds(demand: Mapping[str, float], resources: Mapping[str, float]) -> bool:
    """Whether a node with some resources could hold what takes some, were it idle."""
    return all(resources.get(name, 0.0) >= amount for name, amount in demand.items())


def offered(demand: Mapping[str, float], resources: Mapping[str, float]) -> dict[str, float]:
    """What a node has of what is asked for."""
    return {name: resources.get(name, 0.0) for name in demand}


def named(resources: Mapping[str, float]) -> str:
    """Resources in words."""
    return " and ".join(f"{amount:,.10g} {_UNITS[name]}" for name, amount in resources.items())
