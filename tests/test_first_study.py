"""The study that `bomix init` writes, as it is: several minutes of training."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bomix.recommendation.confirmation import compare
from bomix.study.study import Study
from bomix.trial import CONFIRM

BOMIX = [sys.executable, "-m", "bomix.cli.main"]


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*BOMIX, *arguments], capture_output=True, text=True, check=True, timeout=1800)


@pytest.mark.slow
def test_the_first_study_runs_as_it_is_and_says_the_same_the_second_time(tmp_path: Path) -> None:
    folder = tmp_path / "a first study"  # with spaces
    call("init", str(folder))
    first = call("optimize", str(folder))
    second = call("optimize", str(folder))
    assert first.stdout == second.stdout
    assert "the budget of 16 trials is spent" in first.stdout

    study = Study.open(folder)
    history, best = study.history, study.recommend()
    assert len(history.asked) == 16
    assert [record.trial.origin for record in history.records[:2]] == ["uniform", "natural"]
    assert sum(record.trial.origin == CONFIRM for record in history.completed) == 6 * 3
    assert {int(record.result.info["stack"]) for record in history.asked[:6]} == {3}, "the design is two stacks"
    assert {each.reference: each.verdict for each in compare(study.problem, history, best.weights)} == {
        "uniform": "holds",
        "natural": "holds",
    }
    assert (folder / "recommendation.png").stat().st_size > 10_000
    readmes = dict(zip(study.problem.space.domains, study.problem.space.upper_array, strict=True))["readmes"]
    assert 0.1 < readmes < 0.25, "the cap of the small domain binds"
    assert best.epochs is not None
    assert max(best.epochs.values()) <= 4.0 + 1e-6
    observed = {record.trial.origin: study.problem.value(record.result.losses) for record in history.asked[:2]}
    assert best.loss < min(observed.values())
