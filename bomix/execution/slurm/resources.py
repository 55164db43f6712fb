"""What a job asks of a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Resources:
    """What a job asks of a cluster; None leaves it to the cluster.

    Attributes:
        partition: Where it runs.
        time: Its limit, in a form that Slurm takes.
        gpus: GPUs: a number, or kind and number.
        cpus: Processors.
        memory: MiB of a first attempt.
        memory_factor: By how much that grows with each attempt that ran out of it.
        setup: Lines of shell before the training.
        python: The interpreter; None for this one.
        options: Other options of sbatch, without the dashes.
        array: Whether jobs that are submitted together are an array.
        max_running: How many jobs of an array run at a time.
    """

    partition: str | None = None
    time: str | None = None
    gpus: str | None = None
    cpus: int | None = None
    memory: int | None = None
    memory_factor: float = 1.0
    setup: tuple[str, ...] = ()
    python: str | None = None
    options: Mapping[str, str | int | bool] = field(default_factory=dict)
    array: bool = True
    max_running: int | None = None
