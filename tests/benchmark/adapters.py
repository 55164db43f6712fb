"""Methods that cost nothing, for the benchmark's own tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bomix.problem import Problem


class Grid:
    """Asks for the vertices, one after the other, and recommends the uniform mixture."""

    def __init__(self, problem: Problem, *, seed: int) -> None:
        self.d = problem.space.dimension
        self.told: list[tuple[np.ndarray, np.ndarray]] = []

    def ask(self) -> np.ndarray:
        return np.eye(self.d)[len(self.told) % self.d]

    def tell(self, weights: np.ndarray, losses: np.ndarray) -> None:
        self.told.append((weights, losses))

    def recommend(self) -> Mapping[str, np.ndarray]:
        return {"own": np.full(self.d, 1.0 / self.d)}


class Reversed(Grid):
    """The same from the other end."""

    def ask(self) -> np.ndarray:
        return np.eye(self.d)[-1 - len(self.told) % self.d]


class Killed(Grid):
    """Dies the first time it is asked; ``marker`` remembers."""

    def __init__(self, problem: Problem, *, seed: int, marker: str) -> None:
        super().__init__(problem, seed=seed)
        self.marker = Path(marker)

    def ask(self) -> np.ndarray:
        if not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().ask()


class Broken(Grid):
    """Cannot ask."""

    def ask(self) -> np.ndarray:
        raise RuntimeError("no idea")


class Stray(Grid):
    """Asks for what is no mixture."""

    def ask(self) -> np.ndarray:
        return np.full(self.d, 0.7)
