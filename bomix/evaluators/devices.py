"""A model that several devices train together: torch's launcher starts a process for each; they end with the trial."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bomix import progress
from bomix.errors import EvaluationError
from bomix.evaluators.command import end_program
from bomix.training import checkpoint, device
from bomix.training.spec import DEVICES

if TYPE_CHECKING:
    from bomix.training.checkpoint import Place
    from bomix.training.data.tokens import Corpus
    from bomix.training.run import Run, Trained

LOOK_S = 0.2
"""Seconds between looks at the processes: progress is reported once a second."""
LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo", "NCCL_SOCKET_IFNAME": "lo"}
"""The processes talk on this machine alone, whatever its name is to others."""


def train(corpus: Corpus, run: Run, place: Place) -> Trained | EvaluationError:
    """Train a run on as many devices as it names, and read what they leave: the checkpoint of the last step.

    Args:
        corpus: The tokens; a stored corpus.
        run: The run.
        place: Where its checkpoints lie, and which one it goes on from.

    Returns:
        What it brought back, or why its loss left the numbers.

    Raises:
        EvaluationError: A process ended before the run did, or devices are missing.
        DataError: What they left is damaged.
    """
    from bomix.training import loop
    from bomix.training.rank_process import FAILURE_FILE, request

    place.folder.mkdir(parents=True, exist_ok=True)
    if place.step < run.steps:
        _check(run)
        with tempfile.TemporaryDirectory(dir=place.folder, prefix=DEVICES) as name:
            folder = Path(name)
            slot = int(os.environ.get("BOMIX_SLOT", "0"))
            (folder / "request.json").write_text(request(corpus, run, place, slot=slot), encoding="utf-8")
            code = _wait(folder, run)
            if (failure := folder / FAILURE_FILE).exists():
                return EvaluationError(json.loads(failure.read_text(encoding="utf-8")))
        if code:
            raise EvaluationError(
                f"one of the {run.spec.devices} processes that train the model together ended, and with it the others; "
                "the log says why"
            )
        place = replace(place, found=place.folder / checkpoint.FILE, step=run.steps)
    try:
        (found,) = loop.train_together(corpus, [run], places=[place])
    except OSError as error:
        raise EvaluationError(f"the processes left no last checkpoint ({error}); the log says why") from error
    return found


def _check(run: Run) -> None:
    """Raise EvaluationError where there are fewer devices than the run names; a CPU has as many as are asked for."""
    import torch

    hardware = device.choose(run.spec.device, run.spec.dtype, run.spec.compile)
    if hardware.is_cuda and (count := torch.cuda.device_count()) < run.spec.devices:
        raise EvaluationError(f"{run.spec.devices} devices are asked for and {count} are here; lower evaluator.devices")


def _wait(folder: Path, run: Run) -> int:
    """Wait for the processes, and hand their progress on; the launcher's exit status."""
    from bomix.training.rank_process import FAILURE_FILE, PROGRESS_FILE

    told = ""
    with _launched(folder, run) as process:
        while process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(LOOK_S)
            if (folder / FAILURE_FILE).exists():
                break
            with contextlib.suppress(FileNotFoundError):
                if (now := (folder / PROGRESS_FILE).read_text(encoding="utf-8")) != told:
                    told = now
                    progress.report(progress.Progress(**json.loads(now)))
        return process.returncode or 0


@contextmanager
def _launched(folder: Path, run: Run) -> Iterator[subprocess.Popen[bytes]]:
    """The launcher of the processes; it and they are ended with the block. What they say goes to the trial's log."""
    options = {
        "nnodes": "1",
        "nproc-per-node": str(run.spec.devices),
        "max-restarts": "0",
        "rdzv-backend": "c10d",
        "rdzv-endpoint": "127.0.0.1:0",
        "local-addr": "127.0.0.1",
    }
    argv = [sys.executable, "-m", "torch.distributed.run", *(f"--{name}={value}" for name, value in options.items())]
    argv += ["-m", "bomix.training.rank_process", str(folder / "request.json")]
    process = subprocess.Popen(argv, env=_environment(run), stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        end_program(process)


def _environment(run: Run) -> Mapping[str, str]:
    found = LOOPBACK | dict(os.environ)
    found["OMP_NUM_THREADS"] = str(run.spec.threads)
    found["PYTHONSAFEPATH"] = "1"  # the folder that bomix was called in is no place to import from
    found["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return found
