"""What Ray's errors say of a trial. The task itself raises none: each is one of the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ray import exceptions

_NODE = (exceptions.NodeDiedError, exceptions.LocalRayletDiedError)
_NOT_THERE = (ImportError, AttributeError, exceptions.RuntimeEnvSetupError)
"""What is raised where a worker cannot load what it is to call."""


@dataclass(frozen=True)
class Crashed:
    """A worker ended under its task; its node may have ended it by going itself.

    Attributes:
        said: What Ray says of it.
    """

    said: str

    def gone(self, began: Mapping[str, Any] | None, *, lives: bool) -> dict[str, Any]:
        """What is told of the task.

        Args:
            began: What its worker told when it began; None where it had not begun.
            lives: Whether its node is alive.
        """
        if not lives:
            return {"message": f"lost with its node: {self.said}"}
        if began is None:
            what = f"the Ray worker of the trial ended before it began, and no node did: {self.said}"
            return {"message": what, "lost": False}
        what = f"the Ray worker of the trial was killed on {began.get('node')}"
        return {"message": f"{what}, by whoever ends processes there, or for lack of memory", "lost": False}


def gone(error: BaseException) -> Crashed | dict[str, Any]:
    """What an error of a task says: the fields of :class:`bomix.execution.pool.calls.Gone`, or a crash."""
    said = _first_lines(str(error))
    if isinstance(error, exceptions.OutOfMemoryError):
        cure = "let fewer trials run on a node: state execution.memory, or more of cpus_per_trial"
        return {"message": f"out of memory: Ray ended the trial, since its node had none left; {cure}", "lost": False}
    if isinstance(error, _NODE):
        return {"message": f"its node is gone: {said}"}
    if isinstance(error, exceptions.WorkerCrashedError):
        return Crashed(said)
    if isinstance(error, _NOT_THERE):
        cure = "install bomix, and what the evaluator needs, on every node"
        return {"message": f"a worker cannot load what it is to call ({said}); {cure}", "last": True}
    return {"message": f"Ray lost it: {type(error).__name__}: {said}"}


def _first_lines(said: str) -> str:
    """The beginning of what Ray says, which goes on with its internals."""
    return " ".join(said.split())[:400]
