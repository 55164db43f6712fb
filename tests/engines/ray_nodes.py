"""A Ray cluster whose nodes have network namespaces of their own, so that one can die, or be cut off, on its own."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

HEAD = "10.77.0.1"
PORT = 6399
ADDRESS = f"{HEAD}:{PORT}"
PLACES = {"a": HEAD, "b": "10.77.0.2"}
"""The namespace of the head, and of the other nodes, with their addresses."""
_CLONE_NEWNET = 0x40000000


def missing() -> str | None:
    """Why no such cluster can be started here; None where it can."""
    if importlib.util.find_spec("ray") is None:
        return "Ray is not installed (pip install 'bomix[ray]')"
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return "namespaces take root and the command ip (Debian: iproute2)"
    return None


class Cluster:
    """A head without processors, and nodes that join it; a token lets in.

    Args:
        folder: A folder with a short path, for sockets, logs and the token.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = folder / "token"
        self.token.write_text("c" * 64)
        self.token.chmod(0o600)
        self.heads: set[int] = set()
        self.joined: set[int] = set()
        self.names = {place: f"bomix{os.getpid()}{place}" for place in PLACES}

    @property
    def environment(self) -> dict[str, str]:
        """That of daemons."""
        own = {"HOME": str(self.folder), "RAY_USAGE_STATS_ENABLED": "0"}
        own |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.token)}
        return {**os.environ, **own}

    def start(self) -> None:
        """Make the namespaces and start the head."""
        for name in self.names.values():
            _ip("netns", "add", name)
        _ip(
            "link",
            "add",
            "bomixa",
            "netns",
            self.names["a"],
            "type",
            "veth",
            "peer",
            "bomixb",
            "netns",
            self.names["b"],
        )
        for place, address in PLACES.items():
            _ip("-n", self.names[place], "addr", "add", f"{address}/24", "dev", f"bomix{place}")
            _ip("-n", self.names[place], "link", "set", "lo", "up")
        self.mend()
        self.start_head()

    def start_head(self) -> None:
        """Start the head, which runs no tasks."""
        options = ("--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={self.folder / 'ray'}")
        self._ray("a", *options, cpus=0)
        self.heads = set(self.pids("a"))

    def join(self, place: str = "b", *, cpus: int = 3, gpus: int = 0, **environment: str) -> None:
        """Start a node.

        Args:
            place: Its namespace; several may be in one.
            cpus: Its processors, as Ray counts them.
            gpus: Its GPUs, which nobody has.
            environment: What it has in its environment besides.
        """
        before = set(self.pids(place))
        self._ray(place, f"--address={ADDRESS}", cpus=cpus, gpus=gpus, environment=environment)
        self.joined |= set(self.pids(place)) - before

    def leave(self) -> None:
        """End the nodes that joined at the place of the head."""
        for pid in set(self.pids("a")) & self.joined:
            os.kill(pid, signal.SIGKILL)

    def lose_head(self) -> None:
        """End the head, without the processes of this machine that it did not start."""
        for pid in set(self.pids("a")) & self.heads:
            os.kill(pid, signal.SIGKILL)

    def blind(self, hidden: Path) -> None:
        """Start a node that sees an empty folder in the place of one."""
        self._ray("b", f"--address={ADDRESS}", cpus=1, before=f"mount -t tmpfs none '{hidden}' && ")

    def kill(self, place: str) -> None:
        """End everything at a place at once, as a power cut does."""
        for pid in self.pids(place):
            os.kill(pid, signal.SIGKILL)
        until(lambda: not self.pids(place), "processes are left")

    def cut(self) -> None:
        """Cut the link between the places."""
        _ip("-n", self.names["b"], "link", "set", "bomixb", "down")

    def mend(self) -> None:
        """Mend it."""
        for place, name in self.names.items():
            _ip("-n", name, "link", "set", f"bomix{place}", "up")

    def stop(self) -> None:
        """End everything."""
        for name in self.names.values():
            self.kill(name[-1])
            _ip("netns", "del", name)

    def pids(self, place: str) -> list[int]:
        """The processes at a place, but for this one."""
        found = _ip("netns", "pids", self.names[place]).split()
        return [pid for pid in map(int, found) if pid != os.getpid()]

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Have this thread, and what it starts, be at the place of the head."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/self/ns/net") as before, open(f"/run/netns/{self.names['a']}") as there:
            assert libc.setns(there.fileno(), _CLONE_NEWNET) == 0
            try:
                yield
            finally:
                assert libc.setns(before.fileno(), _CLONE_NEWNET) == 0

    def _ray(
        self,
        place: str,
        *options: str,
        cpus: int,
        gpus: int = 0,
        environment: Mapping[str, str] | None = None,
        before: str = "",
    ) -> None:
        own = (
            f"--node-ip-address={PLACES[place]}",
            f"--num-cpus={cpus}",
            f"--num-gpus={gpus}",
            "--disable-usage-stats",
        )
        call = [sys.executable, "-m", "ray.scripts.scripts", "start", *options, *own]
        command = ["ip", "netns", "exec", self.names[place], "sh", "-c", f'{before}exec "$@"', "sh", *call]
        with (self.folder / "start.log").open("ab") as log:
            done = subprocess.run(
                command, env={**self.environment, **(environment or {})}, stdout=log, stderr=log, timeout=180
            )
        assert done.returncode == 0, (self.folder / "start.log").read_text()[-3000:]


def until(holds: Callable[[], object], what: str, *, patience: float = 90.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
    return done.stdout
