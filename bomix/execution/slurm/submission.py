"""From trials to jobs: gathered for an array, written down before they are submitted, and found again."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bomix.contracts.executor import Attempt
from bomix.execution.slurm import job_file, script, states
from bomix.execution.slurm.job_file import JobFile
from bomix.execution.slurm.jobs import Job
from bomix.execution.slurm.resources import Resources
from bomix.io.store import files, records
from bomix.trial import Trial

_LONGEST_ARRAY = 1000
"""Jobs of an array at most: Slurm's ``MaxArraySize`` is 1001 where nobody changed it."""
_TOKEN = 8
"""Bytes of a token."""

Group = Sequence[tuple[Trial, Attempt]]
"""Trials that are trained as one, each with its attempt."""


class Submission:
    """Trials that wait to be submitted together.

    Args:
        wanted: What is asked of the cluster.
        study: The study's folder.
        path: Folders that Python looks for modules in.
        environment: Variables that the evaluator's processes start with.
    """

    def __init__(self, wanted: Resources, study: Path, path: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self._wanted = wanted
        self._study = study
        self._path = path
        self._environment = environment
        self._groups: list[Group] = []
        self._since = 0.0

    def __len__(self) -> int:
        return len(self._groups)

    @property
    def age(self) -> float:
        """Seconds for which the first of them waits."""
        return time.monotonic() - self._since if self._groups else 0.0

    def add(self, group: Group) -> None:
        """Have one more wait."""
        if not self._groups:
            self._since = time.monotonic()
        self._groups.append([(trial, Attempt(each.number, each.folder.resolve())) for trial, each in group])

    def jobs(self) -> list[Job]:
        """All that wait as jobs, whose files and scripts are written; none waits any more."""
        found = self.arrays()
        self._groups = []
        for jobs in found:
            files.replace(jobs[0].script, script.text([job.file for job in jobs], self._wanted))
            for job in jobs:
                job.file.write()
        return [job for jobs in found for job in jobs]

    def arrays(self, token: str | None = None) -> list[list[Job]]:
        """All that wait, by the scripts that they are submitted with; nothing is written.

        Those that are given the same memory are an array, where arrays are wanted.

        Args:
            token: Stands for those that are drawn, one for each script, where nothing is submitted.
        """
        by_memory: dict[int | None, list[Group]] = {}
        for group in self._groups:
            by_memory.setdefault(self._memory(group), []).append(group)
        width = _LONGEST_ARRAY if self._wanted.array else 1
        return [
            self._together(groups[first : first + width], memory, token or secrets.token_hex(_TOKEN))
            for memory, groups in by_memory.items()
            for first in range(0, len(groups), width)
        ]

    def _together(self, groups: Sequence[Group], memory: int | None, token: str) -> list[Job]:
        """The jobs of one script: an array, or a single one."""
        (trial, attempt), folder = groups[0][0], groups[0][0][1].folder
        name = job_file.name_of(self._study, trial.id, attempt.number, token)
        found = []
        for number, group in enumerate(groups):
            element = number if len(groups) > 1 else None
            file = JobFile(
                name=name,
                study=str(self._study),
                attempts=tuple((records.trial_to_json(one, handed=True), str(each.folder)) for one, each in group),
                output=str(script.output_of(folder, element)),
                path=self._path,
                environment=self._environment,
                element=element,
                memory=memory,
                token=token,
            )
            found.append(Job.of(file, group, folder / script.FILE))
        return found

    def _memory(self, group: Group) -> int | None:
        """MiB of a job: more for each earlier attempt at one of its trials that ran out of memory."""
        memory = self._wanted.memory
        if memory is None or self._wanted.memory_factor == 1.0:
            return memory
        spent = [
            sum(
                (file := job_file.read(folder)) is not None and file.state == states.OUT_OF_MEMORY
                for folder in attempt.folder.parent.glob("*/")
                if folder != attempt.folder
            )
            for _, attempt in group
        ]
        return round(memory * self._wanted.memory_factor ** max(spent))


def places() -> tuple[str, ...]:
    """Folders that modules are looked for in here, those of the installation left out: a job may run another one."""
    return tuple(place for place in sys.path if not place.startswith((sys.prefix, sys.base_prefix)))


def recorded(pending: Sequence[tuple[Trial, Attempt]]) -> list[Job]:
    """The jobs that earlier drivers wrote down for the latest attempts at some trials.

    Left out are those of which it is known that there is nothing to wait for: an earlier driver told of their end, or
    they could not load the evaluator.

    Raises:
        EvaluationError: A file is not what was written.
    """
    jobs: dict[Path, Job] = {}
    for trial, attempt in pending:
        folder = attempt.folder.resolve()
        if (file := job_file.read(folder)) is None or all(str(folder) != where for _, where in file.attempts):
            continue
        job = jobs.setdefault(file.folder, Job(file, {}, [], file.folder / script.FILE, taken_over=True))
        job.trials[trial.id] = (trial, folder)
        job.left.append(trial.id)
    return [job for job in jobs.values() if job.may_come_back]
