"""Importing bomix is cheap, and what it offers is there.

The time itself is not asserted, as machines differ. To see it, and what takes it::

    python -c "import time; t = time.perf_counter(); import bomix; print(time.perf_counter() - t)"
    time bomix --help
    python -X importtime -m bomix.cli.main --help 2>&1 | sort -t '|' -k 2 -n | tail
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import bomix

HEAVY = {
    "botorch",
    "datasets",
    "gpytorch",
    "pandas",
    "pyarrow",
    "pyro",
    "scipy.optimize",
    "scipy.stats",
    "tokenizers",
    "torch",
    "transformers",
    "xarray",
}

HELP = """
import sys
from bomix.cli.main import main
sys.argv = ["bomix", "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""


def modules_after(code: str) -> set[str]:
    """Names of the modules that a fresh interpreter holds after running ``code``."""
    report = "\nimport json, sys\nsys.stderr.write(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("code", ["import bomix", HELP], ids=["import", "help"])
def test_nothing_heavy_is_imported(code: str) -> None:
    assert modules_after(code) & HEAVY == set()


@pytest.mark.parametrize("name", bomix.__all__)
def test_public_names_resolve(name: str) -> None:
    assert getattr(bomix, name) is not None
    assert name in dir(bomix)


def test_the_table_of_public_names_is_all_there_is() -> None:
    assert {"__version__", *bomix._HOMES} == set(bomix.__all__)


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="'bomix' has no attribute 'Sudy'"):
        bomix.Sudy  # noqa: B018
