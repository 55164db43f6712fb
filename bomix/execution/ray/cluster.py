"""Connecting to a Ray cluster, or starting one; each way in which that fails is explained."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import ray
from ray.exceptions import AuthenticationError

from bomix.errors import SetupError
from bomix.execution.ray import nodes

_ANSWER_S = 10.0
"""Seconds in which a head answers at all: Ray itself tries for minutes."""
_SAID = 1 << 16
"""Bytes of this process's log that are looked through for what Ray says of a connection."""
_TOKENS = (
    "it takes those alone who have its token. Give this machine the file ~/.ray/auth_token of the head (or name it in "
    "RAY_AUTH_TOKEN_PATH, or the token in RAY_AUTH_TOKEN), set RAY_AUTH_MODE=token here and on all nodes, and start "
    "the nodes with it, too; RAY_AUTH_MODE=disabled on all of them does without"
)


@contextmanager
def connected(address: str, demand: Mapping[str, float]) -> Iterator[None]:
    """Be a driver of a cluster; a local one is started and ends with the block.

    Args:
        address: ``auto``, ``local`` or ``host:port``.
        demand: What a task takes of its node, by Ray's names.

    Raises:
        SetupError: There is no such cluster, it does not let this process in, or a local one could hold no trial.
    """
    if address == "local":
        _start(demand)
    else:
        _connect(address)
    try:
        yield
    finally:
        ray.shutdown()


def _connect(address: str) -> None:
    """Join a cluster that runs.

    Raises:
        SetupError: It cannot be joined.
    """
    if address != "auto":
        _refuse_silence(address)
    try:
        ray.init(address=address, log_to_driver=False)
    except AuthenticationError as error:
        raise SetupError(f"the Ray cluster lets nobody in without its token: {_TOKENS}") from error
    except ConnectionError as error:
        if b"InvalidAuthToken" in os.pread(2, _SAID, 0):
            raise SetupError(f"the Ray cluster at {address} does not let this process in: {_TOKENS}") from error
        if address == "auto":
            raise SetupError(
                "no Ray cluster runs here; start one (`ray start --head`, and `ray start --address=HEAD:6379` on other "
                "machines), say where it is (execution.address: host:port, or RAY_ADDRESS), or have bomix start one on "
                "this machine for the run (execution.address: local)"
            ) from error
        raise SetupError(f"the Ray cluster at {address} cannot be joined: {_short(error)}") from error
    except (RuntimeError, ValueError) as error:
        raise SetupError(f"the Ray cluster cannot be joined: {_explained(error)}") from error


def _start(demand: Mapping[str, float]) -> None:
    """Start a cluster of this machine, without dashboard, for this process alone.

    Raises:
        SetupError: It cannot be started, or could hold no trial.
    """
    try:
        ray.init(address="local", include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise SetupError(f"no Ray cluster can be started here: {_short(error)}") from error
    (node,) = ray.nodes()
    if not nodes.holds(demand, node["Resources"]):
        has = nodes.named(nodes.offered(demand, node["Resources"]))
        ray.shutdown()
        raise SetupError(f"a trial takes {nodes.named(demand)}, and this machine has {has}; ask for less")


def _refuse_silence(address: str) -> None:
    """Find out whether anything answers at an address.

    Raises:
        SetupError: Nothing does.
    """
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_S).close()
    except (OSError, OverflowError) as error:
        raise SetupError(
            f"nothing answers at {address} ({error}); is the head of the Ray cluster up, and is that its port (6379 "
            "unless `ray start --head --port` says otherwise)? bomix runs on a node of the cluster"
        ) from error


def _explained(error: Exception) -> str:
    """What Ray says of a cluster that this process does not fit to."""
    said = _short(error)
    if "version mismatch" in said.lower():
        return f"{said}; install the Python and the Ray of the cluster where bomix runs"
    return said


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:500]
