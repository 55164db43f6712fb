"""The environment variables that a training process on a CPU should start with."""

from __future__ import annotations


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
