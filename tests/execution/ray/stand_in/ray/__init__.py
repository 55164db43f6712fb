"""Stands in for Ray where that is not installed: tasks run in threads of the driver, on one node.

``STAND_IN`` in the environment says in JSON what goes wrong: ``init``, the error of a connection; ``errors``, the names
of those that the first tasks come back with; ``dies``, whether their node does as well; ``cpus`` of the node.
"""

from __future__ import annotations

import builtins
import json
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ray import exceptions

_said: dict[str, Any] = json.loads(os.environ.get("STAND_IN", "{}"))
_errors: list[str] = list(_said.get("errors", ()))
_pool = ThreadPoolExecutor(8)
_alive = [True]


class ObjectRef:
    def __init__(self, value: Future[Any]) -> None:
        self.value = value

    def future(self) -> Future[Any]:
        return self.value


class _Task:
    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call

    def options(self, *, name: str, label_selector: dict[str, str] | None = None) -> _Task:
        return self

    def remote(self, *arguments: Any) -> ObjectRef:
        if _errors:
            future: Future[Any] = Future()
            future.set_exception(getattr(exceptions, _errors.pop(0))("as it was told"))
            _alive[0] = not _said.get("dies")
            return ObjectRef(future)
        values = [each.value.result() if isinstance(each, ObjectRef) else each for each in arguments]
        return ObjectRef(_pool.submit(self.call, *values))


class _Context:
    def get_accelerator_ids(self) -> dict[str, list[str]]:
        return {"GPU": []}

    def get_node_id(self) -> str:
        return "node"


def init(**options: Any) -> None:
    if "init" in _said:
        kind, message = _said["init"]
        raise {**vars(builtins), **vars(exceptions)}[kind](message)


def remote(*, max_retries: int, num_cpus: float, num_gpus: float, memory: float | None) -> Callable[..., _Task]:
    assert max_retries == 0
    return _Task


def put(value: Any) -> ObjectRef:
    future: Future[Any] = Future()
    future.set_result(value)
    return ObjectRef(future)


def nodes() -> list[dict[str, Any]]:
    resources = {"CPU": _said.get("cpus", 4.0), "GPU": 0.0}
    node = {"NodeID": "node", "NodeManagerAddress": "10.0.0.1", "Resources": resources}
    return [{**node, "Alive": _alive[0]}, {**node, "NodeID": "other", "Alive": True}]


def cancel(reference: ObjectRef, *, force: bool) -> None:
    reference.value.cancel()


def get_runtime_context() -> _Context:
    return _Context()


def shutdown() -> None:
    _pool.shutdown(wait=False)
