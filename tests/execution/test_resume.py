"""`bomix optimize` killed in the midst of its runs: what was trained is gone on from, to the same losses."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bomix.study.study import Study
from bomix.training.checkpoint import FILE

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


@pytest.mark.parametrize(("trials", "tokens"), [(1, "250k"), (3, "120k")])
def test_killed_in_mid_run_it_ends_with_the_same_losses(tmp_path: Path, trials: int, tokens: str) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    for folder in (undisturbed, disturbed):
        folder.mkdir()
        (folder / "study.yaml").write_text(STUDY.format(trials=trials, tokens=tokens))
    _run_and_kill(disturbed, trials)
    for folder in (disturbed, undisturbed):
        subprocess.run([*BOMIX, "optimize", str(folder), "-q"], check=True, capture_output=True, timeout=300)

    first, second = Study.open(undisturbed).history, Study.open(disturbed).history
    assert len(first.completed) == trials
    for one, other in zip(first.records, second.records, strict=True):
        assert one.trial == other.trial
        assert one.result.losses == other.result.losses
        assert one.result.info["training_loss"] == other.result.info["training_loss"]
        for name, losses in one.result.curve.losses.items():
            np.testing.assert_array_equal(losses, other.result.curve.losses[name])
        assert "resumed_after_steps" not in one.result.info
        assert 0 < other.result.info["resumed_after_steps"] < one.result.info["steps"]
        log = disturbed / f"trials/{other.trial.id:04d}/attempts/2/log.txt"
        assert f"going on after step {other.result.info['resumed_after_steps']}" in log.read_text()
    assert not list(tmp_path.rglob(FILE))


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
