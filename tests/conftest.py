"""What every test stands on: one thread, no network, nothing written in the user's home."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

# Read once, at the first import of NumPy, torch and the hub clients, hence before any of them. Child processes
# inherit all of it. The cache stays between runs, as some corpora take a minute to build; its keys hash what
# enters them.
_CACHE = Path(__file__).resolve().parents[1] / ".cache"
os.environ |= {
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "BOMIX_CACHE": str(_CACHE / "bomix"),
    "HF_HOME": str(_CACHE / "huggingface"),
    "HF_HUB_OFFLINE": "1",
}
# Compiled files are kept, also where the image of a container says otherwise: the tests start hundreds of processes,
# each of which would compile all that it imports of bomix anew, and every worker all of the tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# The width of the terminal that the tests are run from, which pytest-xdist hands on, is none of theirs.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)


pytest_plugins = ["tests.known.chains", "tests.known.world", "tests.known.runs", "tests.known.planted"]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a GPU where there is none; torch is imported only for tests that are marked."""
    if item.get_closest_marker("gpu") is not None:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")
