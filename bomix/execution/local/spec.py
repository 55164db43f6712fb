"""How trials run on this machine, as a study file says it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bomix.errors import Fault, SetupError, count_faults
from bomix.execution.local.slots import device_faults, slots

if TYPE_CHECKING:
    from bomix.contracts.evaluator import Evaluator
    from bomix.execution.local.executor import LocalExecutor


@dataclass(frozen=True)
class LocalExecution:
    """Trials run on this machine, each in a process of its own that ends with the driver, or several as one in one.

    Example:
        >>> execution = bomix.LocalExecution(workers=4, attempts=2)  # four trainings at a time, each tried twice
        >>> study = bomix.Study(["code", "web"], ["loss"], execution=execution)
        >>> bomix.Study(["code", "web"], ["loss"], execution=bomix.LocalExecution(workers=0))
        Traceback (most recent call last):
        bomix.errors.FaultsError: execution.workers: expected at least 1, found 0

    Attributes:
        workers: Processes that train at a time, each a trial, or several where the evaluator can train them as one.
        attempts: How often a trial is tried before it counts as failed.
        max_failures: Failed trials after which a run of the study gives up.
        timeout_s: Seconds after which an attempt is ended and counts as failed; null for no limit. A week by default.
            Trials that are trained as one have together as many as one after the other.
        silence_s: Seconds without a report of progress or anything new in the attempt's log after which it is ended
            and counts as failed; null for no limit. A day by default.
        grace_s: Seconds between SIGTERM and SIGKILL where an attempt is ended, or the run is: what a trainer may take
            to save what it has. What it started gets both as well, wherever it moved.
        devices: The GPUs that trials are trained on, dealt out over the workers: numbers, among those that
            ``CUDA_VISIBLE_DEVICES`` lets bomix see where that is set, or names as ``nvidia-smi -L`` lists them. Each
            trial sees its own alone. More workers than devices share them. Empty leaves all to every trial.
        cpus_per_trial: CPUs that each worker has for itself, no other worker's trials run on them, and threads that
            numerical libraries start there; null leaves all to every trial.
        ask_ahead: New trials that are asked for while all workers are busy, so that none waits for an ask. They know
            nothing of the trials that end meanwhile.
    """

    workers: int = 1
    attempts: int = 1
    max_failures: int = 3
    timeout_s: float | None = 604_800.0
    silence_s: float | None = 86_400.0
    grace_s: float = 10.0
    devices: tuple[int | str, ...] = ()
    cpus_per_trial: int | None = None
    ask_ahead: int = 0

    def faults(self) -> list[Fault]:
        """Counts and limits must be positive, and devices be dealt out alike."""
        named = {"workers": self.workers, "attempts": self.attempts, "max_failures": self.max_failures}
        if self.cpus_per_trial is not None:
            named["cpus_per_trial"] = self.cpus_per_trial
        limits = {"timeout_s": self.timeout_s, "silence_s": self.silence_s}
        return [
            *(Fault(k, f"expected at least 1, found {v}") for k, v in named.items() if v < 1),
            *(
                Fault(k, f"expected a positive number of seconds, or null for no limit, found {v:g}")
                for k, v in limits.items()
                if v is not None and not v > 0
            ),
            *count_faults(0, ask_ahead=self.ask_ahead),
            *([] if self.grace_s >= 0 else [Fault("grace_s", f"expected seconds from 0, found {self.grace_s:g}")]),
            *device_faults(self.devices, self.workers),
        ]

    def lacks(self, folder: Path | None) -> list[str]:
        """Devices that are not here, and CPUs beyond those that are."""
        from bomix.execution.local import present

        found = present.absent(self.devices)
        try:
            slots(self.workers, devices=self.devices, cpus_per_trial=self.cpus_per_trial)
        except SetupError as error:
            return [*filter(None, [found]), str(error)]
        return [] if found is None else [found]

    def start(self, evaluator: Evaluator, *, folder: Path | None = None) -> LocalExecutor:
        """Start the process that trials are forked from.

        Args:
            evaluator: What trains; it is pickled, so its class lives in an importable module.
            folder: Not used: nothing is kept beside the attempts' own folders.

        Raises:
            EvaluationError: The evaluator cannot be pickled, or there are fewer devices or CPUs than are named.
        """
        from bomix.execution.local.executor import LocalExecutor

        return LocalExecutor(
            evaluator,
            slots=slots(self.workers, devices=self.devices, cpus_per_trial=self.cpus_per_trial),
            timeout_s=self.timeout_s,
            silence_s=self.silence_s,
            grace_s=self.grace_s,
        )
