"""Where a run trains and in which precision: chosen sensibly, never required."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from bomix.errors import EvaluationError

if TYPE_CHECKING:
    from bomix.training.spec import TrainingSpec


WIDEST_ON_CPU = 16
"""Models that a CPU trains side by side, at most: more are no faster, and their results come later."""


PEAKS: Mapping[str, float] = MappingProxyType(
    {
        "B200": 2.25e15,
        "H200": 9.89e14,
        "H100 PCIe": 7.56e14,
        "H100 NVL": 8.35e14,
        "H100": 9.89e14,
        "A100": 3.12e14,
        "L40S": 3.62e14,
        "L4": 1.21e14,
        "RTX 4090": 1.65e14,
    }
)
"""Part of a GPU's name to the operations a second of its dense products in bfloat16, as its maker states them."""


@dataclass(frozen=True)
class Hardware:
    """What was chosen.

    Attributes:
        device: A torch device, ``cpu`` or ``cuda:0``.
        dtype: ``bf16`` (matrix products in bfloat16, parameters in 32 bits) or ``fp32``.
        compile: Whether ``torch.compile`` is used.
    """

    device: str
    dtype: Literal["bf16", "fp32"]
    compile: bool

    @property
    def is_cuda(self) -> bool:
        """Whether it is a CUDA device."""
        return self.device.startswith("cuda")

    def peak(self) -> float | None:
        """Operations a second of dense products in bfloat16; None on a CPU and on a GPU that is not in the table."""
        if not self.is_cuda or self.dtype != "bf16":
            return None
        import torch

        name = torch.cuda.get_device_name(self.device)
        words = f" {name.replace('-', ' ')} "
        return next((peak for part, peak in PEAKS.items() if f" {part} " in words), None)

    def current(self) -> AbstractContextManager[Any]:
        """The context in which its device is the current one: streams and recorded steps are made on that."""
        if not self.is_cuda:
            return nullcontext()
        import torch

        return torch.cuda.device(self.device)

    def synchronize(self) -> None:
        """Wait until the device is done, so that a clock can be read."""
        if self.is_cuda:
            import torch

            torch.cuda.synchronize(self.device)


def choose(
    device: str = "auto", dtype: Literal["auto", "bf16", "fp32"] = "auto", compile: Literal["auto"] | bool = "auto"
) -> Hardware:
    """Choose a device and a precision.

    ``auto`` is CUDA where there is a device, each slot of the driver with its own in turn, in bfloat16 where the
    device has it; else the CPU, in bfloat16 where it multiplies in it. Neither compiles: on a GPU a step is recorded
    and replayed, which takes a second, and on a CPU compiling takes minutes and gains little at the sizes that it
    trains.

    Raises:
        EvaluationError: A device that is not there.
    """
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    # The driver numbers its slots, so that trials side by side spread over the devices.
    slot = int(os.environ.get("BOMIX_SLOT", "0"))
    name = (f"cuda:{slot % count}" if count else "cpu") if device in ("auto", "cuda") else device
    if device == "cuda" or name.startswith("cuda"):
        index = int(name.partition(":")[2] or 0) if name.startswith("cuda") else 0
        if index >= count:
            raise EvaluationError(f"device '{device}' is not here ({count} CUDA devices); set device: auto or cpu")
    is_cuda = name.startswith("cuda")
    if dtype == "auto":
        # Emulated bfloat16, which older GPUs "support", is slower than 32 bits.
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False) if is_cuda else _cpu_has_bf16()
        dtype = "bf16" if has_bf16 else "fp32"
    return Hardware(name, dtype, False if compile == "auto" else compile)


def models_that_fit(spec: TrainingSpec, vocabulary: int) -> int:
    """How many models are best trained side by side in the memory that is free now; at least one.

    Half of what is free serves on a CPU, where other slots train as well, and nine tenths on a GPU, counted as
    :meth:`bomix.training.spec.TrainingSpec.bytes_per_model` does.

    Raises:
        EvaluationError: A device that is not there.
    """
    hardware = choose(spec.device, spec.dtype, spec.compile)
    fitting = max(1, int(_free(hardware) // spec.bytes_per_model(vocabulary, hardware.dtype)))
    return fitting if hardware.is_cuda else min(fitting, WIDEST_ON_CPU)


def part_that_fits(spec: TrainingSpec, vocabulary: int) -> int:
    """How many sequences of a batch are best read at a time by one model in the memory that is free now.

    That is what the device reads of a batch, or its largest divisor with which the model fits; at least one.

    Raises:
        EvaluationError: A device that is not there.
    """
    hardware = choose(spec.device, spec.dtype, spec.compile)
    free, whole = _free(hardware), spec.device_sequences
    for part in (part for part in range(whole, 0, -1) if whole % part == 0):
        if replace(spec, micro_sequences=part).bytes_per_model(vocabulary, hardware.dtype) <= free:
            return part
    return 1


def _free(hardware: Hardware) -> float:
    """Bytes that may be filled."""
    if hardware.is_cuda:
        import torch

        free, whole = torch.cuda.mem_get_info(hardware.device)
        # The driver says so where several of its slots share the device.
        return 0.9 * min(free, whole * float(os.environ.get("BOMIX_DEVICE_SHARE", "1")))
    import psutil

    return 0.5 * psutil.virtual_memory().available


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use this many CPU threads inside the block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 natively. The probes are private to torch and may not be there."""
    import torch

    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    # Private names, which come and go with versions of torch.
    return any(bool(getattr(torch.cpu, probe, lambda: False)()) for probe in probes)


def process_environment() -> dict[str, str]:
    """Variables to set before a training process starts; they do nothing once it runs.

    One thread, because two collapse where cores are shared, and high thresholds for glibc's allocator, because a
    small model's buffers otherwise go back to the kernel and are faulted in again at every step (30-46 % of the time).
    """
    return {
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "MALLOC_MMAP_THRESHOLD_": "4294967296",
        "MALLOC_TRIM_THRESHOLD_": "4294967296",
        "MALLOC_TOP_PAD_": "67108864",
    }
