"""How trials run on a Ray cluster, as a study file says it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bomix.errors import Fault, count_faults
from bomix.execution.ray.environment import MISSING, installed

if TYPE_CHECKING:
    from bomix.contracts.evaluator import Evaluator
    from bomix.execution.pool.executor import PoolExecutor

_MEMORY = re.compile(r"(\d+(?:\.\d+)?)([KMGT])B?", re.IGNORECASE)
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
"""Letters of sizes to bytes, as Slurm counts them."""
_ADDRESS = re.compile(r"auto|local|[^\s/:]+:\d+|\[[0-9a-fA-F:]+\]:\d+")


@dataclass(frozen=True)
class RayExecution:
    """Trials run as tasks of a Ray cluster, each in a process of its own that ends with the driver.

    Example:
        >>> from bomix.execution.ray.spec import RayExecution
        >>> execution = RayExecution(workers=8, gpus_per_trial=0.25, memory="4G")
        >>> [fault.where for fault in RayExecution(address="head", gpus_per_trial=1.5).faults()]
        ['address', 'gpus_per_trial']

    Attributes:
        address: ``auto`` for the cluster that this machine is a node of, or that ``RAY_ADDRESS`` names; ``host:port``
            of the head of one; ``local`` to start one on this machine, which ends with the run.
        workers: Tasks at a time, those that wait in Ray for room among them; each is a trial, or several that are
            trained as one.
        cpus_per_trial: CPUs that a task is counted as; numerical libraries start as many threads, one at least.
        gpus_per_trial: GPUs of a task, all on one node; below one a share of a GPU, which several tasks then use.
        memory: Memory that a task is counted as, as ``16G``; nobody holds it to that. Null for none.
        attempts: How often a trial is tried before it counts as failed.
        max_failures: Failed trials after which a run of the study gives up.
        max_lost: How often one trial may be lost with its node in one run before it counts as failed; null for no
            limit.
        timeout_s: Seconds after which an attempt is ended and counts as failed; null for no limit. A week by default.
            Trials that are trained as one have together as many as one after the other.
        silence_s: Seconds without a report of progress or anything new in the attempt's log after which it is ended
            and counts as failed; null for no limit. A day by default.
        grace_s: Seconds between SIGTERM and SIGKILL where an attempt is ended, or the run is.
        ask_ahead: New trials that are asked for while all workers are busy, so that none waits for an ask. They know
            nothing of the trials that end meanwhile.
        placement_s: Seconds that trials wait while the cluster has no node that could ever hold one, since one may
            join; then the run ends. Null for no limit.
    """

    address: str = "auto"
    workers: int = 1
    cpus_per_trial: float = 1.0
    gpus_per_trial: float = 0.0
    memory: str | None = None
    attempts: int = 1
    max_failures: int = 3
    max_lost: int | None = 10
    timeout_s: float | None = 604_800.0
    silence_s: float | None = 86_400.0
    grace_s: float = 10.0
    ask_ahead: int = 0
    placement_s: float | None = 600.0

    def faults(self) -> list[Fault]:
        """What Ray would refuse, or take for something else."""
        counts = {"workers": self.workers, "attempts": self.attempts, "max_failures": self.max_failures}
        found = [*count_faults(1, **counts), *count_faults(0, max_lost=self.max_lost, ask_ahead=self.ask_ahead)]
        if not self.grace_s >= 0:
            found.append(Fault("grace_s", f"expected seconds from 0, found {self.grace_s:g}"))
        if not _ADDRESS.fullmatch(self.address):
            cure = "; a driver is no Ray client: run bomix on a node of the cluster" if "://" in self.address else ""
            what = f"expected 'auto', 'local' or 'host:port', found '{self.address}'{cure}"
            found.append(Fault("address", what))
        for name, amount in {"cpus_per_trial": self.cpus_per_trial, "gpus_per_trial": self.gpus_per_trial}.items():
            if not amount >= 0.0:
                found.append(Fault(name, f"expected a number from 0, found {amount:g}"))
            elif amount > 1.0 and amount != int(amount):
                found.append(Fault(name, f"above one Ray takes whole numbers alone, found {amount:g}"))
        if self.memory is not None and not _MEMORY.fullmatch(self.memory):
            found.append(Fault("memory", f"expected a size such as '16G' or '4000M', found '{self.memory}'"))
        limits = {"timeout_s": self.timeout_s, "silence_s": self.silence_s, "placement_s": self.placement_s}
        return found + [
            Fault(name, f"expected a positive number of seconds, or null for no limit, found {limit:g}")
            for name, limit in limits.items()
            if limit is not None and not limit > 0
        ]

    @property
    def demand(self) -> dict[str, float]:
        """What a task takes of its node, by Ray's names; memory in bytes."""
        found = {"CPU": self.cpus_per_trial, "GPU": self.gpus_per_trial}
        if self.memory is not None and (match := _MEMORY.fullmatch(self.memory)) is not None:
            found["memory"] = round(float(match[1]) * _UNITS[match[2].upper()])
        return found

    def lacks(self, folder: Path | None) -> list[str]:
        """Ray itself, and CPUs and GPUs beyond those of this machine where it is to be the cluster."""
        from bomix.execution.local import present

        found = [] if installed() else [MISSING]
        if self.address == "local":
            count, devices = os.cpu_count() or 1, present.devices()
            if self.cpus_per_trial > count:
                found.append(f"a trial takes {self.cpus_per_trial:g} CPUs (execution.cpus_per_trial); here are {count}")
            if devices is not None and self.gpus_per_trial > len(devices):
                here = len(devices)
                found.append(f"a trial takes {self.gpus_per_trial:g} GPUs (execution.gpus_per_trial); here are {here}")
        return found

    def start(self, evaluator: Evaluator, *, folder: Path | None = None) -> PoolExecutor:
        """Connect to the cluster, or start one.

        Args:
            evaluator: What trains; it is pickled, so its class lives in an importable module.
            folder: Not used: what is kept lies in the attempts' own folders.

        Raises:
            EvaluationError: Ray is not installed, there is no such cluster, or the evaluator cannot be pickled.
        """
        from bomix.execution.pool.warm import Limits
        from bomix.execution.ray.pool import start

        return start(
            evaluator,
            address=self.address,
            workers=self.workers,
            demand=self.demand,
            placement_s=self.placement_s,
            limits=Limits(self.timeout_s, self.silence_s, self.grace_s),
        )
