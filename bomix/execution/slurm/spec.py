"""How trials run on a cluster with Slurm, as a study file says it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bomix.errors import Fault, SetupError, count_faults
from bomix.execution.slurm.resources import Resources

if TYPE_CHECKING:
    from bomix.contracts.evaluator import Evaluator
    from bomix.contracts.executor import Attempt
    from bomix.contracts.queued import QueuedJob
    from bomix.execution.slurm.executor import SlurmExecutor
    from bomix.trial import Trial

_TIME = re.compile(r"\d+(:\d+){0,2}|\d+-\d+(:\d+){0,2}")
"""The forms of a time limit that Slurm takes."""
_MEMORY = re.compile(r"(\d+)([KMGT]?)B?", re.IGNORECASE)
_UNITS = {"": 1.0, "K": 2.0**-10, "M": 1.0, "G": 2.0**10, "T": 2.0**20}
"""Letters of Slurm's sizes to MiB; without one a size is in MiB."""
_OWN = ("job-name", "output", "error", "open-mode", "array", "requeue", "no-requeue", "wrap", "parsable", "wait")
"""Options of sbatch by which bomix finds its jobs again."""
_FIELDS = {"partition": "partition", "time": "time", "cpus-per-task": "cpus", "mem": "memory"}
"""Options of sbatch to the keys that stand for them."""


@dataclass(frozen=True)
class SlurmExecution:
    """Trials run as jobs of a Slurm cluster, and go on when the driver ends; the next one takes them over.

    Example:
        >>> from bomix.execution.slurm.spec import SlurmExecution
        >>> execution = SlurmExecution(workers=8, partition="gpu", gpus="1", time="4:00:00", memory="32G")
        >>> [fault.where for fault in SlurmExecution(workers=0, time="4 hours").faults()]
        ['workers', 'time']

    Attributes:
        workers: Jobs in the queue at a time, running and waiting; each is a trial, or several that are trained as one.
        attempts: How often a trial is tried before it counts as failed.
        max_failures: Failed trials after which a run of the study gives up.
        max_lost: How often one trial may be lost in one run, preempted or cut off by the cluster, before it counts as
            failed; null for no limit.
        partition: Null for the cluster's own choice, as for every key below.
        time: Limit of a job, in minutes or as ``hours:minutes:seconds`` or ``days-hours``.
        gpus: GPUs of a job: a number, or kind and number as in ``a100:2``.
        cpus: Processors of a job.
        memory: Memory of a job's node that it may use, as ``32G``.
        memory_factor: By how much the memory grows with each attempt at a trial that ran out of it.
        setup: Lines of shell before the training begins: ``module load cuda``, say.
        python: The interpreter that jobs call; null for the one that runs bomix.
        options: Other options of sbatch, without the dashes: ``{account: nlp, qos: high, exclusive: true}``.
        array: Whether jobs that are submitted together are an array.
        max_running: How many jobs of an array run at a time; null for no limit.
        silence_s: Seconds without a report of progress or anything new in the attempt's log after which its job is
            cancelled and the trial counts as failed; null for no limit. A day by default. A driver looks at it; where
            none runs, the next one does.
        ask_ahead: New trials that are asked for while ``workers`` jobs are in the queue, so that the next is submitted
            as soon as one has ended. They know nothing of the trials that end meanwhile.
        poll_s: Seconds between two looks at the queue, which show all jobs; what jobs write is seen at once.
    """

    workers: int = 1
    attempts: int = 1
    max_failures: int = 3
    max_lost: int | None = 10
    partition: str | None = None
    time: str | None = None
    gpus: str | None = None
    cpus: int | None = None
    memory: str | None = None
    memory_factor: float = 1.0
    setup: tuple[str, ...] = ()
    python: str | None = None
    options: Mapping[str, str | int | bool] = dataclasses.field(default_factory=dict)
    array: bool = True
    max_running: int | None = None
    silence_s: float | None = 86_400.0
    ask_ahead: int = 0
    poll_s: float = 15.0

    def faults(self) -> list[Fault]:
        """What Slurm would refuse, or take for something else."""
        counts = {"workers": self.workers, "attempts": self.attempts, "max_failures": self.max_failures}
        stated = {"cpus": self.cpus, "max_running": self.max_running}
        found = count_faults(1, **counts, **{name: value for name, value in stated.items() if value is not None})
        found += count_faults(0, max_lost=self.max_lost, ask_ahead=self.ask_ahead)
        if self.silence_s is not None and not self.silence_s > 0:
            what = f"expected a positive number of seconds, or null for no limit, found {self.silence_s:g}"
            found.append(Fault("silence_s", what))
        if self.time is not None and not _TIME.fullmatch(self.time):
            what = f"expected minutes, 'hours:minutes:seconds' or 'days-hours', in quotes, found '{self.time}'"
            found.append(Fault("time", what))
        if self.memory is not None and not _MEMORY.fullmatch(self.memory):
            found.append(Fault("memory", f"expected a size such as '32G' or '4000M', found '{self.memory}'"))
        found += self._growth_faults()
        if not self.poll_s >= 1.0:
            found.append(Fault("poll_s", f"expected at least a second, found {self.poll_s:g}"))
        for name in self.options:
            if name == "M" or (len(name) > 1 and "clusters".startswith(name)):  # sbatch takes names cut short
                what = "a study runs on one cluster; drive it from a login node of that one, and leave this out"
                found.append(Fault(f"options.{name}", what))
            elif name in _OWN:
                found.append(Fault(f"options.{name}", "bomix sets it, to find its jobs again; leave it out"))
            elif name in _FIELDS:
                found.append(Fault(f"options.{name}", f"the key '{_FIELDS[name]}' of the execution stands for it"))
        texts = {"partition": self.partition, "gpus": self.gpus, "python": self.python}
        texts |= {f"options.{name}": f"{name}{value}" for name, value in self.options.items()}
        found += [Fault(k, "expected one line") for k, v in texts.items() if v is not None and len(v.splitlines()) != 1]
        return found

    def _growth_faults(self) -> list[Fault]:
        if not self.memory_factor >= 1.0:
            return [Fault("memory_factor", f"expected a factor from 1, found {self.memory_factor:g}")]
        if self.memory_factor == 1.0:
            return []
        if self.memory is None:
            return [Fault("memory_factor", "there is no 'memory' that could grow; state it")]
        if self.attempts < 2:
            return [Fault("memory_factor", "memory grows with the second attempt; give 'attempts' of at least 2")]
        return []

    @property
    def resources(self) -> Resources:
        """What a job asks of the cluster."""
        match = None if self.memory is None else _MEMORY.fullmatch(self.memory)
        return Resources(
            partition=self.partition,
            time=self.time,
            gpus=self.gpus,
            cpus=self.cpus,
            memory=None if match is None else max(1, round(int(match[1]) * _UNITS[match[2].upper()])),
            memory_factor=self.memory_factor,
            setup=self.setup,
            python=self.python,
            options=self.options,
            array=self.array,
            max_running=self.max_running,
        )

    def start(self, evaluator: Evaluator, *, folder: Path | None = None, leaves: bool = False) -> SlurmExecutor:
        """Get ready to submit jobs.

        Args:
            evaluator: What trains; jobs build it from the study's folder for themselves, and it must be the same.
            folder: The study's, which the nodes of the cluster see under the same path.
            leaves: Whether the driver does not wait, see :meth:`leaving`.

        Raises:
            EvaluationError: The study has no folder, or one that Slurm cannot be told of, or one that says of no such
                evaluator.
        """
        from bomix.execution.slurm.executor import SlurmExecutor

        name = type(evaluator).__name__
        if folder is None:
            what = f"{name} cannot be evaluated by jobs of Slurm: the study is kept in memory, which no node sees"
            raise SetupError(f"{what}; give the study a folder on a file system that all nodes share")
        _check_place(folder)
        return SlurmExecutor(
            evaluator,
            folder=folder,
            resources=self.resources,
            workers=self.workers,
            silence_s=self.silence_s,
            poll_s=self.poll_s,
            leaves=leaves,
        )

    def leaving(self) -> LeavingSlurmExecution:
        """The same for a driver that does not wait."""
        return LeavingSlurmExecution(self)

    def jobs(self, attempts: Sequence[tuple[Trial, Attempt]]) -> list[QueuedJob]:
        """Where the jobs of pending trials stand."""
        from bomix.execution.slurm import queued

        return queued.jobs(attempts)

    def cancel(self, attempts: Sequence[tuple[Trial, Attempt]]) -> list[QueuedJob]:
        """End the jobs of pending trials, which stay pending."""
        from bomix.execution.slurm import queued

        return queued.cancel(attempts)

    def lacks(self, folder: Path | None) -> list[str]:
        """Slurm's commands, and what the cluster has against such a job; it is asked, and nothing is submitted."""
        from bomix.execution.slurm import queued

        try:
            if folder is not None:
                _check_place(folder)
            return queued.lacks(self.resources, folder=folder)
        except SetupError as error:
            return [str(error)]

    def preview(self, attempts: Sequence[tuple[Trial, Attempt]], *, folder: Path) -> list[str]:
        """The scripts that would be submitted for some trials."""
        from bomix.execution.slurm import queued

        _check_place(folder)
        return queued.preview(attempts, self.resources, folder=folder)


def _check_place(folder: Path) -> None:
    """Refuse a study's folder that cannot stand in a script.

    A line break would end the directive that it stands in, and Slurm takes no pattern with a backslash for one.
    """
    place = str(folder.resolve())
    if any(ord(character) < 32 or character in "\x7f\\" for character in place):
        what = "has a control character or a backslash in its path, which no script of Slurm can say"
        raise SetupError(f"the study's folder {place!r} {what}; rename it")


@dataclass(frozen=True)
class LeavingSlurmExecution:
    """Jobs of Slurm for a driver that submits what can be, records what has ended, and does not wait.

    Attributes:
        of: What the study file says.
    """

    of: SlurmExecution

    @property
    def attempts(self) -> int:
        """How often a trial is tried before it counts as failed."""
        return self.of.attempts

    @property
    def max_failures(self) -> int:
        """Failed trials after which a run of the study gives up."""
        return self.of.max_failures

    @property
    def max_lost(self) -> int | None:
        """How often one trial may be lost in one run."""
        return self.of.max_lost

    def start(self, evaluator: Evaluator, *, folder: Path | None = None) -> SlurmExecutor:
        """Get ready to submit jobs; arguments and errors as those of :meth:`SlurmExecution.start`."""
        return self.of.start(evaluator, folder=folder, leaves=True)
