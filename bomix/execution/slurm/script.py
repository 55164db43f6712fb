"""The script of a job, or of an array of jobs, as ``sbatch`` takes it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from bomix.execution.slurm.job_file import JobFile
from bomix.execution.slurm.resources import Resources

FILE = "submit.sh"
MODULE = "bomix.execution.slurm.job"
"""What a job runs."""


def text(jobs: Sequence[JobFile], wanted: Resources) -> str:
    """The script.

    Args:
        jobs: One job, or the elements of an array in their order; they share a name, a token, memory and the
            file of output.
        wanted: What is asked of the cluster.
    """
    first = jobs[0]
    options = {"job-name": first.name, "output": _pattern(first), "open-mode": "append", "no-requeue": True}
    options |= {"partition": wanted.partition, "time": wanted.time, "cpus-per-task": wanted.cpus}
    options |= {"gres": f"gpu:{wanted.gpus}" if wanted.gpus else None}
    options |= {"mem": None if first.memory is None else f"{first.memory}M"}
    if first.element is not None:
        most = "" if wanted.max_running is None else f"%{wanted.max_running}"
        options["array"] = f"0-{len(jobs) - 1}{most}"
    options |= dict(wanted.options)
    folders = "\n".join(f"  {shlex.quote(str(job.folder))}" for job in jobs)
    directives = "\n".join(
        f"#SBATCH --{name}" if value is True else f"#SBATCH --{name}={_quoted(str(value))}"
        for name, value in options.items()
        if value is not None and value is not False
    )
    setup = "".join(f"{line}\n" for line in wanted.setup)
    python = shlex.quote(wanted.python or sys.executable)
    return (
        f"#!/bin/bash\n{directives}\nattempts=(\n{folders}\n)\n{setup}"
        f'exec {python} -P -m {MODULE} "${{attempts[${{SLURM_ARRAY_TASK_ID:-0}}]}}"'
        f" {shlex.quote(first.token)}\n"
    )


def output_of(folder: Path, element: int | None) -> Path:
    """Where Slurm writes what a script prints.

    Args:
        folder: The folder of the first attempt of a submission.
        element: The number of a job in its array.
    """
    return folder / ("slurm.out" if element is None else f"slurm-{element}.out")


def _pattern(first: JobFile) -> str:
    """The same for all elements of an array; Slurm takes the job's number for ``%j``, and ``%%`` for a percent sign."""
    folder = str(first.folder).replace("%", "%%")
    return f"{folder}/slurm.out" if first.element is None else f"{folder}/slurm-%a.out"


def _quoted(value: str) -> str:
    """A value of a directive, in quotes where Slurm would take a part of it for quotes, a comment or another option."""
    if not any(character.isspace() or character in "\"'#\\" for character in value):
        return value
    inner = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inner}"'
