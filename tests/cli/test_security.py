"""The folder that a command is called in runs nothing, and secrets stay out of what a study keeps."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import xarray as xr

from bomix.config.secret import NOT_KEPT
from bomix.errors import FaultsError
from bomix.execution.attempt.redaction import MASK, redact_file, redacted
from bomix.study.study import Study
from tests.cli.called import called

SCRIPT = Path(sysconfig.get_path("scripts")) / "bomix"
STUDY = """
domains: {code: {}, web: {}}
evaluator: {kind: command, argv: [PYTHON, train.py, "{result}"], metrics: [loss], environment: {API_KEY: s3cr3t-value}}
strategy: {kind: sobol}
budget: {trials: 1}
"""
TRAINER = """
import json, os, sys
print("the key is", os.environ["API_KEY"], "and hf_abcdefghijklmnopqrstuvwxyz0123", flush=True)
if "fail" in os.environ.get("BOMIX_WORKDIR", "") or os.path.exists("fail"):
    sys.exit("no way with " + os.environ["API_KEY"])
json.dump({"losses": {"loss": 2.0}}, open(sys.argv[1], "w"))
"""
TRAP = "import pathlib; pathlib.Path(__file__).with_name('sprung').write_text(__name__)\n"


def shell(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    # As the console script does, whether or not it is installed beside this interpreter.
    start = [SCRIPT] if SCRIPT.exists() else [sys.executable, "-P", "-m", "bomix.cli.main"]
    words = [*map(str, start), *map(str, arguments)]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "study.yaml").write_text(STUDY.replace("PYTHON", sys.executable))
    (folder / "train.py").write_text(TRAINER)
    return folder


@pytest.mark.parametrize("command", ["status", "optimize"])
def test_modules_in_the_working_folder_are_not_run(study: Path, command: str) -> None:
    for name in ("yaml", "psutil", "filelock", "click", "numpy", "torch"):
        (study / f"{name}.py").write_text(TRAP)
    found = shell(command, ".", cwd=study)
    assert found.returncode == 0, found.stderr
    assert not (study / "sprung").exists()


def test_a_class_beside_the_study_file_is_found_and_looked_for_last(study: Path, tmp_path: Path) -> None:
    (study / "mine.py").write_text(
        "from dataclasses import dataclass\nfrom bomix.strategies.designs import Sobol\n"
        "@dataclass(frozen=True)\nclass Mine(Sobol):\n    pass\n"
    )
    (study / "yaml.py").write_text(TRAP)
    text = (study / "study.yaml").read_text()
    (study / "study.yaml").write_text(text.replace("{kind: sobol}", '"mine:Mine"'))
    for cwd, *command in ((study, "check", "."), (tmp_path, "optimize", "study/study.yaml", "-q")):
        found = shell(*command, cwd=cwd)
        assert found.returncode == 0, found.stderr
    assert not (study / "sprung").exists()


def test_values_of_the_environment_are_kept_nowhere(study: Path) -> None:
    assert called("optimize", study, "-q")[0] == 0
    (study / "fail").touch()
    assert called("optimize", study, "-q", "--trials", "3")[0] == 1
    (study / "fail").unlink()
    kept = [path for path in study.rglob("*") if path.is_file() and path.name not in ("study.yaml", "train.py")]
    assert {"resolved.json", "results.nc", "log.txt", "outcome.json"} <= {path.name for path in kept}
    for path in kept:
        content = path.read_bytes()
        assert b"s3cr3t" not in content, path
        assert b"hf_abcdef" not in content, path
    assert MASK in (study / "trials/0000/attempts/1/log.txt").read_text()
    with xr.open_dataset(study / "results.nc", engine="h5netcdf") as dataset:
        assert f'"API_KEY": "{NOT_KEPT}"' in dataset.attrs["study"]


def test_a_folder_without_its_study_file_asks_for_the_values_again(study: Path) -> None:
    Study.open(study).records.prepare()
    (study / "study.yaml").unlink()
    with pytest.raises(FaultsError, match=r"environment\.API_KEY: its value is not kept"):
        Study.open(study).records.prepare()


def test_redaction_takes_the_longest_and_leaves_short_values_and_other_words(tmp_path: Path) -> None:
    secrets = {"abcdef", "abcdefgh", "1"}
    assert redacted("1 abcdefgh abcdef task-force hf_short", secrets) == f"1 {MASK} {MASK} task-force hf_short"
    assert redacted("ghp_" + "a" * 36 + " sk-" + "b" * 40, ()) == f"{MASK} {MASK}"
    redact_file(tmp_path / "absent", secrets)
    (tmp_path / "log").write_bytes(b"\xff abcdefgh")
    redact_file(tmp_path / "log", secrets)
    assert (tmp_path / "log").read_bytes() == b"\xff " + MASK.encode()
