"""`bomix optimize` killed in the midst of its runs: what was trained is gone on from, to the same losses."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from bomix.config.budget import BudgetSpec
from bomix.errors import EvaluationError
from bomix.strategies.designs import Sobol
from bomix.study.running import RunningStudy
from bomix.study.study import Study
from bomix.training.checkpoint import FILE
from bomix.trial import Result, Status, Trial
from tests.cli.called import called
from tests.execution.evaluators import Ending
from tests.execution.inline import Inline

pytestmark = pytest.mark.usefixtures("short_chains")

BOMIX = [sys.executable, "-m", "bomix.cli.main"]

STUDY = """
domains:
  code: {{source: {{kind: installed, what: stdlib, max_bytes: 1M}}}}
  headers: {{source: {{kind: installed, what: headers, max_bytes: 1M}}}}
evaluator:
  kind: proxy
  tokenizer: {{kind: bpe, vocabulary: 300, sample_bytes: 100k}}
  model: {{hidden: 32, layers: 1, heads: 2}}
  sequence_length: 32
  batch_sequences: 4
  tokens: {tokens}
  validation_sequences: 8
  checkpoint_s: 0.2
strategy: {{kind: sobol}}
budget: {{trials: {trials}}}
execution: {{workers: 1}}
"""


@dataclasses.dataclass(frozen=True)
class Keeping(Ending):
    """Keeps something for a later attempt, and never comes to clear it away."""

    scratch: ClassVar[tuple[str, ...]] = ("kept-*",)

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        (workdir / "kept-file").write_text("for later")
        (workdir / "kept-folder").mkdir()
        (workdir / "mine").write_text("for ever")
        if trial.id == 1:
            raise EvaluationError("as it was told")
        return super().evaluate(trial, workdir)


def test_what_later_attempts_alone_read_goes_with_the_trials_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it ended, in this run or, as where both died right after a result, in an earlier one."""
    monkeypatch.setenv("BOMIX_SLOT", "0")
    options = {"evaluator": Keeping(), "strategy": Sobol(), "budget": BudgetSpec(2), "execution": Inline()}
    study = Study(["code", "web"], path=tmp_path, **options)
    study.run()
    assert [record.status for record in study.history.records] == [Status.COMPLETED, Status.FAILED, Status.COMPLETED]
    assert list(tmp_path.rglob("kept-*")) == []
    assert len(list(tmp_path.rglob("mine"))) == 3
    for number in (0, 1):
        (tmp_path / f"trials/000{number}/attempts/1/kept-file").write_text("by one that was killed")
    pending = study.ask()
    kept = tmp_path / f"trials/{pending.id:04d}/attempts/1/kept-file"
    kept.parent.mkdir(parents=True)
    kept.write_text("for its next attempt")
    RunningStudy(Study.open(tmp_path).records).prepare()
    assert list(tmp_path.rglob("kept-*")) == [kept]


@pytest.mark.parametrize(("trials", "tokens"), [pytest.param(1, "250k", marks=pytest.mark.slow), (3, "120k")])
def test_killed_in_mid_run_it_ends_with_the_same_losses(tmp_path: Path, trials: int, tokens: str) -> None:
    study = tmp_path / "study"
    study.mkdir()
    (study / "study.yaml").write_text(STUDY.format(trials=trials, tokens=tokens))
    _run_and_kill(study, trials)
    code, said = called("optimize", study, "-q")
    assert code == 0, said

    opened = Study.open(study)
    assert len(opened.history.completed) == trials
    evaluator = opened.spec.ready_evaluator(study)
    for record in opened.history.completed:
        found = record.result
        undisturbed = evaluator.evaluate(record.trial, tmp_path / "undisturbed" / str(record.trial.id))
        assert found.losses == undisturbed.losses
        assert found.info["training_loss"] == undisturbed.info["training_loss"]
        for name, losses in undisturbed.curve.losses.items():
            np.testing.assert_array_equal(found.curve.losses[name], losses)
        assert "resumed_after_steps" not in undisturbed.info
        assert 0 < found.info["resumed_after_steps"] < undisturbed.info["steps"]
        log = study / f"trials/{record.trial.id:04d}/attempts/2/log.txt"
        assert f"going on after step {found.info['resumed_after_steps']}" in log.read_text()
    assert not list(study.rglob(FILE))


def _run_and_kill(folder: Path, trials: int) -> None:
    """Run until every trial has a checkpoint, then SIGKILL."""
    driver = subprocess.Popen([*BOMIX, "optimize", str(folder), "-q"])
    patience = time.monotonic() + 120
    while len(list(folder.rglob(FILE))) < trials:
        assert driver.poll() is None, "it ended before it was killed"
        assert time.monotonic() < patience
        time.sleep(0.02)
    driver.kill()
    driver.wait()
    assert len(Study.open(folder).history.pending) == trials
