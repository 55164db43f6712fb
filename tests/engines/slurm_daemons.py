"""A Slurm of one node for tests: its daemons are started and ended by their process ids, on the loopback alone."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sacct")
_SBIN = "/usr/sbin"

_CONF = """ClusterName=bomix
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={run}/munge.sock
CryptoType=crypto/munge
SlurmctldPort={port}
SlurmdPort={node_port}
StateSaveLocation={base}/state
SlurmdSpoolDir={spool}
SlurmctldPidFile={run}/slurmctld.pid
SlurmdPidFile={run}/slurmd.pid
SlurmctldLogFile={base}/log/slurmctld.log
SlurmdLogFile={base}/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={base}/log/jobcomp.log
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0,sched_min_interval=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
SlurmdParameters=config_overrides
KillWait=2
MinJobAge={min_job_age}
InactiveLimit=0
SlurmctldTimeout=30
SlurmdTimeout=10
MessageTimeout=10
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


def missing() -> str | None:
    """Why there can be no cluster here; None where there can."""
    path = f"{os.environ.get('PATH', '')}:{_SBIN}"
    absent = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if absent:
        return f"Slurm is not installed here ({', '.join(absent)}); docs/guide/clusters.md names the packages"
    return None if os.geteuid() == 0 else "the daemons of a Slurm of one node are started by root"


class Cluster:
    """A running Slurm of one node.

    Args:
        base: An empty folder for its state and logs.
        cpus: Processors that the node claims to have.
        min_job_age: Seconds for which the controller remembers a job that has ended.
        spool: The folder in which the node keeps scripts; None for one in ``base``.
    """

    def __init__(self, base: Path, *, cpus: int = 4, min_job_age: int = 300, spool: Path | None = None) -> None:
        self.base = base
        self.run = base / "run"
        self.host = socket.gethostname().split(".")[0]
        for name in ("state", "log", "run", "spool"):
            (base / name).mkdir()
        key = base / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        ports = _free_ports(2)
        (base / "slurm.conf").write_text(
            _CONF.format(
                base=base,
                run=self.run,
                spool=spool or base / "spool",
                host=self.host,
                cpus=cpus,
                min_job_age=min_job_age,
                port=ports[0],
                node_port=ports[1],
            )
        )
        self.environment = {**os.environ, "SLURM_CONF": str(base / "slurm.conf")}
        self.environment["PATH"] = f"{self.environment.get('PATH', '')}:{_SBIN}"

    def start(self) -> None:
        """Start all of it, and wait until the node is idle."""
        run = self.run
        self._do(
            f"{_SBIN}/munged --force --key-file={self.base}/munge.key --socket={run}/munge.sock "
            f"--pid-file={run}/munged.pid --log-file={self.base}/log/munged.log --seed-file={run}/munge.seed"
        )
        self.start_controller(fresh=True)
        self.start_node()
        self.until(lambda: "idle" in self.ask("sinfo", "-h", "-o", "%T"), "the node is not idle")

    def start_controller(self, *, fresh: bool = False) -> None:
        """Start slurmctld, which goes on with the jobs that it knew unless it is to be fresh."""
        self._do(f"{_SBIN}/slurmctld {'-c' if fresh else ''}")

    def start_node(self) -> None:
        """Start slurmd."""
        self._do(f"{_SBIN}/slurmd -N {self.host}")

    def kill(self, daemon: str, number: int = signal.SIGKILL) -> None:
        """Kill ``slurmctld`` or ``slurmd``: as a machine that fails does, without a word, unless asked by another."""
        pid = self._pid(daemon)
        assert pid is not None
        os.kill(pid, number)
        self.until(lambda: not _lives(pid), f"{daemon} lives")

    def stop(self) -> None:
        """End every job and every daemon."""
        if self._pid("slurmctld") is not None:
            for job in self.ask("squeue", "-h", "-r", "-o", "%i").split():
                self.ask("scancel", job)
            deadline = time.monotonic() + 10.0
            while self.ask("squeue", "-h").strip() and time.monotonic() < deadline:
                time.sleep(0.2)
        for daemon in ("slurmd", "slurmctld", "munged"):
            if (pid := self._pid(daemon)) is not None:
                os.kill(pid, signal.SIGTERM)
                deadline = time.monotonic() + 10.0
                while _lives(pid) and time.monotonic() < deadline:
                    time.sleep(0.05)
                if _lives(pid):
                    os.kill(pid, signal.SIGKILL)

    def ask(self, *command: str) -> str:
        """What a client of Slurm prints; empty where it fails."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        return done.stdout if done.returncode == 0 else ""

    def until(self, holds: Callable[[], bool], complaint: str, patience: float = 60.0) -> None:
        """Wait for something to hold."""
        deadline = time.monotonic() + patience
        while not holds():
            assert time.monotonic() < deadline, complaint
            time.sleep(0.1)

    def _do(self, command: str) -> None:
        subprocess.run(command.split(), env=self.environment, check=True, timeout=60, stdout=subprocess.DEVNULL)

    def _pid(self, daemon: str) -> int | None:
        try:
            pid = int((self.run / f"{daemon}.pid").read_text())
        except (FileNotFoundError, ValueError):
            return None
        return pid if _lives(pid) else None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def main() -> None:
    """Run a Slurm of one node until Ctrl-C; jobs that run then are cancelled."""
    if (reason := missing()) is not None:
        sys.exit(reason)
    with tempfile.TemporaryDirectory(prefix="bomix-slurm-") as folder:
        cluster = Cluster(Path(folder), cpus=os.cpu_count() or 1)
        ends = {signal.SIGINT, signal.SIGTERM}
        try:
            cluster.start()
            signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # they are waited for; the daemons were started without
            print(f"export SLURM_CONF={cluster.environment['SLURM_CONF']}", flush=True)
            signal.sigwait(ends)
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
