"""Which GPUs this machine has, as its driver tells; torch is not asked, which need not be the trainer's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bomix.execution.local.slots import HIP_VISIBLE, VISIBLE

_PATIENCE_S = 20.0
"""Seconds for `nvidia-smi`: it takes some where the driver is not kept loaded."""
_NODES = ("nvidiactl", "nvidia0", "kfd")
"""Device files of NVIDIA's and AMD's drivers."""
_DEV = Path("/dev")
_NAME = re.compile(r"\(UUID: ((?:GPU|MIG)-[^)\s]+)\)")


def devices() -> tuple[str, ...] | None:
    """The names of the GPUs of this machine, those of parts of them as well; None where nobody can tell."""
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    except FileNotFoundError:
        driven = sys.platform != "linux" or any((_DEV / name).exists() for name in _NODES)
        return None if driven else ()
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return () if "no devices" in (done.stdout + done.stderr).lower() else None
    return tuple(_NAME.findall(done.stdout))


def absent(named: Sequence[int | str]) -> str | None:
    """Which of the devices that a study file names are not here, in a sentence; None where all are, or may be.

    Where a variable says what this process sees, numbers are of that, see :func:`bomix.execution.local.slots.slots`.
    """
    if not named or VISIBLE in os.environ or HIP_VISIBLE in os.environ or (known := devices()) is None:
        return None
    count = sum(name.startswith("GPU-") for name in known)
    gone = [
        each
        for each in named
        if (not any(name.startswith(each) for name in known) if isinstance(each, str) else each >= count)
    ]
    if not gone:
        return None
    has = f"has {count} ({', '.join(known)})" if known else "has no GPU"
    return f"execution.devices names {', '.join(map(str, gone))}, and this machine {has}; numbers count from 0"
