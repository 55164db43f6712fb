"""What a slot has for itself: devices and CPU cores, given to its trials by their environment and their affinity."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bomix.errors import Fault, SetupError

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The variable that says which devices a process sees, on AMD's as well."""
HIP_VISIBLE = "HIP_VISIBLE_DEVICES"
"""AMD's own, which goes before the other there."""
DEVICE_SHARE = "BOMIX_DEVICE_SHARE"
"""Variable with the part of a device's memory that a trial may fill; above 0, 1 where it has the device for itself."""
_ORDER = "CUDA_DEVICE_ORDER"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_UUIDS = ("GPU-", "MIG-")
"""How the names of devices begin that ``nvidia-smi -L`` lists."""
_TOPOLOGY = Path("/sys/devices/system/cpu")
"""Where Linux says which of its CPUs are threads of one core."""


@dataclass(frozen=True)
class Slot:
    """A place for a trial.

    Attributes:
        number: From 0; ``BOMIX_SLOT`` of its trials.
        environment: Variables that its trials have besides.
        cpus: The CPUs that they run on; empty for all.
    """

    number: int
    environment: Mapping[str, str] = field(default_factory=dict)
    cpus: tuple[int, ...] = ()


def device_faults(devices: Sequence[int | str], workers: int) -> list[Fault]:
    """What is wrong with a list of devices that so many slots share."""
    found = []
    for place, name in enumerate(devices):
        if isinstance(name, str) and not name.startswith(_UUIDS):
            found.append(Fault(f"devices[{place}]", f"expected a number, or a name of `nvidia-smi -L`, found '{name}'"))
        elif not isinstance(name, str) and (isinstance(name, bool) or name < 0):
            found.append(Fault(f"devices[{place}]", f"expected a number from 0, found {name}"))
    if len(set(devices)) < len(devices):
        found.append(Fault("devices", "a device is named twice; more workers than devices share them"))
    if len(devices) > workers > 0 and len(devices) % workers:
        what = f"{len(devices)} devices cannot be dealt out to {workers} workers alike"
        found.append(Fault("devices", f"{what}; name as many for each, or set execution.workers"))
    return found


def slots(
    workers: int,
    *,
    devices: Sequence[int | str] = (),
    cpus_per_trial: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> list[Slot]:
    """What each slot has for itself.

    Args:
        workers: How many there are.
        devices: Numbers, among those that this process sees, or names of devices. Where there are more than slots,
            each gets as many; where there are fewer, slots take turns and share them. Empty leaves all to all.
        cpus_per_trial: CPUs of each slot; None leaves all to all.
        environment: Variables of this process; its own unless given.

    Raises:
        EvaluationError: A device that this process does not see, or more CPUs than it may run on.
    """
    known = os.environ if environment is None else environment
    variables = _of_devices(workers, devices, known) if devices else [{} for _ in range(workers)]
    if cpus_per_trial is None:
        return [Slot(number, variables[number]) for number in range(workers)]
    cpus = _of_cpus(workers, cpus_per_trial)
    threads = dict.fromkeys(THREADS, str(cpus_per_trial))
    return [Slot(number, variables[number] | threads, cpus[number]) for number in range(workers)]


def _of_devices(workers: int, devices: Sequence[int | str], known: Mapping[str, str]) -> list[dict[str, str]]:
    """The variables of each slot, so that its trials see its devices and no others."""
    variable = HIP_VISIBLE if HIP_VISIBLE in known else VISIBLE
    visible = _listed(known[variable]) if variable in known else None
    names = [_named(each, visible, variable) for each in devices]
    each = max(1, len(names) // workers)
    found = []
    for number in range(workers):
        own = [names[(number * each + place) % len(names)] for place in range(each)]
        sharing = sum(slot % len(names) == number % len(names) for slot in range(workers)) if each == 1 else 1
        values = {VISIBLE: ",".join(own), DEVICE_SHARE: f"{1 / sharing:.6g}"}
        if HIP_VISIBLE in known:
            values[HIP_VISIBLE] = values[VISIBLE]
        if visible is None and _ORDER not in known:
            values[_ORDER] = "PCI_BUS_ID"  # the numbers of nvidia-smi; CUDA's own order begins with the fastest
        found.append(values)
    return found


def _listed(value: str) -> list[str]:
    """The devices that a variable names; CUDA reads no further than the first that is none."""
    found: list[str] = []
    for name in (part.strip() for part in value.split(",")):
        if not (name.isdecimal() or name.startswith(_UUIDS)):
            break
        found.append(name)
    return found


def _named(device: int | str, visible: Sequence[str] | None, variable: str) -> str:
    """A device as CUDA names it.

    Args:
        device: A number, among those that this process sees, or a name.
        visible: What it sees, in order; None where that is all there is.
        variable: The variable that says so.

    Raises:
        EvaluationError: It does not see the device.
    """
    if visible is None:
        return str(device)
    if isinstance(device, int) and device < len(visible):
        return visible[device]
    if isinstance(device, str) and any(_may_be(device, other) for other in visible):
        return device
    raise SetupError(
        f"execution.devices names {device}, and {variable} lets this process see {len(visible)} "
        f"({','.join(visible) or 'none'}); numbers count from 0 among those"
    )


def _may_be(name: str, other: str) -> bool:
    """Whether two names may be of one device: CUDA takes the beginning of one for it, and a number may be any."""
    return other.isdecimal() or other.startswith(name) or name.startswith(other)


def _of_cpus(workers: int, each: int) -> list[tuple[int, ...]]:
    """The CPUs of each slot, threads of one core together; none where a system knows no affinity.

    Raises:
        EvaluationError: There are not enough.
    """
    if sys.platform != "linux":
        return [()] * workers
    mine = sorted(os.sched_getaffinity(0), key=_place)
    if workers * each > len(mine):
        raise SetupError(
            f"{workers} workers of {each} CPUs each need {workers * each}, and this process may run on {len(mine)}; "
            "lower execution.workers or execution.cpus_per_trial"
        )
    return [tuple(mine[number * each : (number + 1) * each]) for number in range(workers)]


def _place(cpu: int) -> tuple[int, int, int]:
    """Where a CPU is: its chip, its core, and its number."""
    chip, core = (_number(_TOPOLOGY / f"cpu{cpu}" / "topology" / name) for name in ("physical_package_id", "core_id"))
    return chip, core, cpu


def _number(path: Path) -> int:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # some virtual machines do not say
        return 0
