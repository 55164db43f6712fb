"""The example of Ray runs as its README says."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bomix.study.study import Study
from tests.engines.ray_nodes import ADDRESS, Cluster

pytestmark = pytest.mark.engines

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "ray"


def commands() -> list[list[str]]:
    """The lines of the README that call bomix."""
    found = re.search(r"```sh\n(.*?)```", (EXAMPLE / "README.md").read_text(), re.DOTALL)
    assert found is not None
    calls = [shlex.split(line, comments=True) for line in found[1].splitlines()]
    return [call[1:] for call in calls if call[0] == "bomix"]


def test_the_example_runs_from_its_readme(
    ray_cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray_cluster.join(cpus=2)
    shutil.copytree(EXAMPLE, tmp_path / "examples" / "ray")
    monkeypatch.setenv("RAY_ADDRESS", ADDRESS)  # where a user's machine is a node, Ray finds the cluster itself
    said = ""
    for call in commands():
        program = "import sys; from bomix.cli.main import main; sys.argv[0] = 'bomix'; main()"
        done = subprocess.run(
            [sys.executable, "-c", program, *call], cwd=tmp_path, capture_output=True, text=True, timeout=900
        )
        assert done.returncode == 0, done.stdout + done.stderr
        said = done.stdout
    study = Study.open(tmp_path / "examples" / "ray")
    assert len(study.history.completed) >= 10
    assert not study.history.failed
    assert "docstrings" in said
