"""What a study file may say of Ray, where Ray need not be installed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from bomix.config import registry
from bomix.errors import EvaluationError
from bomix.execution.ray import pool
from bomix.execution.ray.environment import installed
from bomix.execution.ray.spec import RayExecution
from bomix.testing.base import CountsBattery
from bomix.testing.endings import Ending


class TestRayExecution(CountsBattery):
    group = "executor"
    kind = "ray"
    spec = RayExecution(address="head:6379", workers=4, gpus_per_trial=0.25, memory="16G", placement_s=None)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("address", "head", "expected 'auto', 'local' or 'host:port', found 'head'"),
        ("address", "ray://head:10001", "a driver is no Ray client: run bomix on a node of the cluster"),
        ("gpus_per_trial", 1.5, "above one Ray takes whole numbers alone, found 1.5"),
        ("gpus_per_trial", -1.0, "expected a number from 0, found -1"),
        ("cpus_per_trial", float("nan"), "expected a number from 0, found nan"),
        ("memory", "16", "expected a size such as '16G' or '4000M', found '16'"),
        ("timeout_s", 0.0, "expected a positive number of seconds"),
        ("grace_s", -1.0, "expected seconds from 0, found -1"),
    ],
)
def test_what_ray_would_refuse_is_named(key: str, value: Any, said: str) -> None:
    (fault,) = RayExecution(**{key: value}).faults()
    assert fault.where == key
    assert said in fault.what


@pytest.mark.parametrize("address", ["auto", "local", "10.0.0.7:6379", "head.cluster.example:6379", "[fd00::1]:6379"])
def test_addresses(address: str) -> None:
    assert RayExecution(address=address).faults() == []


def test_memory_is_counted_in_bytes_and_only_where_it_is_stated() -> None:
    assert RayExecution(cpus_per_trial=2, memory="1.5G").demand == {"CPU": 2, "GPU": 0.0, "memory": 1.5 * 2**30}
    assert RayExecution().demand == {"CPU": 1.0, "GPU": 0.0}


def test_a_study_file_names_it() -> None:
    assert registry.resolve("executor", "ray") is RayExecution


def test_without_ray_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "installed", lambda: False)
    with pytest.raises(EvaluationError, match=r"needs Ray, which is not installed here; pip install 'bomix\[ray\]'"):
        RayExecution().start(Ending())


def test_a_folder_called_ray_is_no_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray itself leaves one in the folder for temporary files."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    (tmp_path / "ray").mkdir()
    assert not installed()
    assert RayExecution().lacks(None) == [
        "execution 'ray' needs Ray, which is not installed here; pip install 'bomix[ray]'"
    ]
    (tmp_path / "ray" / "__init__.py").touch()
    importlib.invalidate_caches()
    assert installed()


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed (pip install 'bomix[ray]')")
def test_an_address_where_nothing_answers_is_named() -> None:
    with pytest.raises(EvaluationError, match=r"nothing answers at 127.0.0.1:1 .*is the head of the Ray cluster up"):
        RayExecution(address="127.0.0.1:1").start(Ending())
