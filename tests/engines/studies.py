"""Studies that are run by `bomix optimize` in a process of its own, for tests of engines."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bomix.study.study import Study
from bomix.trial import Record
from tests.engines.evaluators import runs

BOMIX = [sys.executable, "-m", "bomix.cli.main"]


def write(folder: Path, execution: Mapping[str, Any], *, trials: int = 1, **evaluator: Any) -> Path:
    """Write a study of three domains whose trials sleep; the mixtures come from a design."""
    data = {
        "domains": {"code": {}, "web": {}, "books": {}},
        "evaluator": {"kind": "tests.engines.evaluators:Sleeper", **evaluator},
        "strategy": "sobol",
        "budget": {"trials": trials},
        "execution": dict(execution),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.yaml").write_text(yaml.safe_dump(data))
    return folder


def start(study: Path, *options: str) -> subprocess.Popen[str]:
    """Start a driver."""
    command = [*BOMIX, "optimize", str(study), "-v", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(driver: subprocess.Popen[str], *, code: int = 0, patience: float = 240.0) -> str:
    """Wait for a driver; returns what it said."""
    try:
        said, _ = driver.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        driver.kill()
        raise AssertionError(driver.communicate()[0]) from None
    assert driver.returncode == code, said
    return said


def optimize(study: Path, *options: str, code: int = 0) -> str:
    """Run a driver to its end."""
    return finish(start(study, *options), code=code)


def records(study: Path) -> tuple[Record, ...]:
    """What is recorded."""
    return tuple(Study.open(study).history.all_records)


def until_begun(study: Path, trial: int = 0, attempt: int = 1, patience: float = 120.0) -> None:
    """Wait until an attempt trains."""
    deadline = time.monotonic() + patience
    while ("began", trial, attempt) not in runs(study):
        assert time.monotonic() < deadline, f"trial {trial} has not begun: {runs(study)}"
        time.sleep(0.05)


def nothing_ran_twice(study: Path) -> None:
    """Each attempt was begun by one process."""
    began = [(trial, attempt) for what, trial, attempt in runs(study) if what == "began"]
    assert len(began) == len(set(began)), began
