"""Every number is what it was at the commit that ``BASELINE`` names, to the last bit."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.identity.compare import Leeway, differences

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]


def recorded(checkout: Path, out: Path) -> dict:
    """What this folder's script records of a checkout."""
    script, environment = HERE / "record.py", {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, str(script), str(out), "--processes", str(min(2, os.cpu_count() or 1))]
    run = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-4000:]
    assert f"recording {checkout / 'bomix'}\n" in run.stderr
    return json.loads(out.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_no_number_changed_since_the_baseline(tmp_path) -> None:
    commit = (HERE / "BASELINE").read_text(encoding="utf-8").strip()
    words = ["git", "-C", str(CHECKOUT), "archive", commit, "bomix", "pyproject.toml"]
    try:
        archive = subprocess.run(words, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"commit {commit} cannot be had from git here ({type(error).__name__})")
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(tmp_path / "baseline", filter="data")
    old = recorded((tmp_path / "baseline").resolve(), tmp_path / "old.json")
    new = recorded(CHECKOUT, tmp_path / "new.json")
    assert len(old) > 100
    found = differences(old, new)
    assert not found, "\n".join(map(str, found[:20]))


BEFORE = {
    "asks/7/a": [{"id": 3, "weights": {"x": (0.25).hex()}, "weight": None}],
    "predictions/7/b": {"mean": [(3.5).hex()]},
}


def changed(**entries) -> dict:
    return {**json.loads(json.dumps(BEFORE)), **entries}


def test_the_last_bit_is_seen_and_named() -> None:
    assert differences(BEFORE, changed()) == []
    (found,) = differences(BEFORE, changed(**{"predictions/7/b": {"mean": [(3.5 + 2**-51).hex()]}}))
    assert (found.entry, found.where, found.size) == ("predictions/7/b", "mean[0]", 2**-51)


def test_a_tolerance_is_that_of_its_kind_and_forgives_numbers_alone() -> None:
    after = changed(**{"asks/7/a": [{"id": 3, "weights": {"x": (0.25 + 1e-8).hex()}, "weight": None}]})
    assert len(differences(BEFORE, after, predictions=1e-6)) == 1
    assert differences(BEFORE, after, asks=1e-6) == []
    after["asks/7/a"][0]["id"] = 4
    assert [each.where for each in differences(BEFORE, after, asks=1e9)] == ["[0].id"]


def test_a_renamed_key_is_no_difference() -> None:
    after = changed(**{"asks/7/a": [{"id": 3, "weights": {"x": (0.25).hex()}, "scale": None}]})
    assert len(differences(BEFORE, after)) == 2
    assert differences(BEFORE, after, names={"weight": "scale"}) == []


def test_a_leaf_can_be_excepted_and_the_rest_of_its_entry_is_not() -> None:
    after = changed(**{"predictions/7/b": {"mean": [(3.5).hex()], "new": 1, "other": 2}})
    leeway = {"predictions/*: new": Leeway("it is new")}
    assert [each.where for each in differences(BEFORE, after, exceptions=leeway)] == ["other"]


def test_an_entry_of_one_side_is_a_difference_unless_it_is_excepted() -> None:
    after = {"asks/7/a": BEFORE["asks/7/a"], "asks/7/new": []}
    assert [each.entry for each in differences(BEFORE, after)] == ["asks/7/new", "predictions/7/b"]
    leeway = {"asks/7/n*": Leeway("it is new"), "predictions/*": Leeway("it is gone")}
    assert differences(BEFORE, after, exceptions=leeway) == []
