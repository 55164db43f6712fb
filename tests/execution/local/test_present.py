"""Devices that a study file names and that are not here."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.execution.local import present
from bomix.execution.local.slots import VISIBLE
from bomix.execution.local.spec import LocalExecution
from bomix.execution.ray.spec import RayExecution

LISTED = """GPU 0: NVIDIA H200 (UUID: GPU-0a1b-22)
  MIG 1g.18gb Device 0: (UUID: MIG-77-8)
GPU 1: NVIDIA H200 (UUID: GPU-99)
"""
PROGRAM = """#!/bin/sh
read -r code < {0}/code
while read -r line; do echo "$line"; done < {0}/said
exit $code
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program `nvidia-smi`, alone on the path, that prints what stands in a file beside it."""
    program = tmp_path / "nvidia-smi"
    program.write_text(PROGRAM.format(tmp_path))
    program.chmod(0o755)
    for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def says(driver: Path, text: str, code: int = 0) -> None:
    (driver / "said").write_text(text)
    (driver / "code").write_text(f"{code}\n")


def test_devices_are_those_that_the_driver_lists(driver: Path) -> None:
    says(driver, LISTED)
    assert present.devices() == ("GPU-0a1b-22", "MIG-77-8", "GPU-99")
    assert present.absent((0, 1, "GPU-99", "GPU-0a", "MIG-77-8")) is None
    said = present.absent((1, 2, "GPU-7"))
    assert said is not None
    assert said.startswith("execution.devices names 2, GPU-7, and this machine has 2 (GPU-0a1b-22, ")


def test_a_machine_without_any_says_so_and_one_that_cannot_tell_says_nothing(
    driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(driver, "No devices were found\n", code=6)
    assert "and this machine has no GPU" in str(present.absent((0,)))
    says(driver, "couldn't communicate with the NVIDIA driver\n", code=9)
    assert present.absent((0,)) is None
    (driver / "nvidia-smi").unlink()
    monkeypatch.setattr(present, "_DEV", driver)
    assert "and this machine has no GPU" in str(present.absent((0,)))
    (driver / "kfd").touch()  # AMD's, of which nothing is asked
    assert present.absent((0,)) is None


def test_what_a_variable_lets_a_process_see_is_looked_at_where_slots_are_made(
    driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(driver, "No devices were found\n", code=6)
    monkeypatch.setenv(VISIBLE, "4,5")
    assert LocalExecution(workers=2, devices=(0, 1)).lacks(None) == []
    (said,) = LocalExecution(workers=2, devices=(0, 2)).lacks(None)
    assert said.startswith("execution.devices names 2, and CUDA_VISIBLE_DEVICES lets this process see 2 (4,5)")


def test_more_than_this_machine_has_is_said_for_local_processes_and_a_local_ray(driver: Path) -> None:
    says(driver, "No devices were found\n", code=6)
    (said,) = LocalExecution(workers=2, cpus_per_trial=4096).lacks(None)
    assert said.startswith("2 workers of 4096 CPUs each need 8192, and this process may run on ")
    found = RayExecution(address="local", cpus_per_trial=4096, gpus_per_trial=0.5).lacks(None)
    assert [each.partition("; here")[0] for each in found[-2:]] == [
        "a trial takes 4096 CPUs (execution.cpus_per_trial)",
        "a trial takes 0.5 GPUs (execution.gpus_per_trial)",
    ]
    assert len(RayExecution(cpus_per_trial=4096).lacks(None)) == len(found) - 2, "another machine may have them"
