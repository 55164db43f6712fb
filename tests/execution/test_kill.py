"""`bomix optimize` killed at random moments of a small real study: nothing acknowledged is lost, no ask changes."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from bomix.io.store import files
from bomix.study.study import Study
from tests.cli.called import called

BOMIX = [sys.executable, "-m", "bomix.cli.main"]
ACKNOWLEDGED = re.compile(r"^trial (\d+) objective ([\d.]+)")

# Real text, real models: 1 layer, 32 steps. Small enough that most of the time goes into asking and starting.
STUDY = """
domains:
  code: {source: {kind: installed, what: stdlib, max_bytes: 1M}}
  headers: {source: {kind: installed, what: headers, max_bytes: 1M}}
  readmes: {source: {kind: installed, what: readmes, max_bytes: 1M}}
evaluator:
  kind: proxy
  tokenizer: {kind: bpe, vocabulary: 512, sample_bytes: 500k}
  model: {hidden: 32, layers: 1, heads: 2}
  sequence_length: 64
  batch_sequences: 4
  tokens: 8192
  validation_sequences: 8
  optimization: {rate: 4e-3}
strategy: {kind: bayesian, n_init: 4, surrogate: {kind: gp, draws: 0, restarts: 1}}
"""
DESIGN = 4
"""Trials that are trained as one, and so pending at a time; a killed stack begins again."""


@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_again_and_again_it_ends_as_if_undisturbed(tmp_path: Path, kills: int) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    for folder in (undisturbed, disturbed):
        folder.mkdir()
        (folder / "study.yaml").write_text(STUDY)

    rng = np.random.default_rng(20240229)
    acknowledged: dict[int, float] = {}
    done = 0
    for kill in range(kills):
        # Every fourth kill may hit the imports or the preparation, the others a stack, or an ask after it. The
        # budget always leaves more to do than the time before the kill can.
        early = kill % 4 == 0
        delay = rng.uniform(0.0, 5.0 if early else 0.9)
        acknowledged |= _run_and_kill(disturbed, trials=done + 50, after_line=not early, delay=delay)
        history = Study.open(disturbed).history
        completed = {record.trial.id for record in history.completed}
        assert acknowledged.keys() <= completed, f"after kill {kill}"
        assert len(history.pending) <= DESIGN
        done = len(completed)
    assert done >= DESIGN
    total = str(len(history.records) + 2)
    for folder in (disturbed, undisturbed):
        code, said = called("optimize", folder, "-q", "--trials", total)
        assert code == 0, said

    first, second = Study.open(undisturbed).history, Study.open(disturbed).history
    assert [record.trial for record in first.records] == [record.trial for record in second.records]
    assert [record.result.losses for record in first.records] == [record.result.losses for record in second.records]
    for number, objective in acknowledged.items():
        assert abs(np.mean(list(second.records[number].result.losses.values())) - objective) < 5e-5
    assert Study.open(undisturbed).recommend() == Study.open(disturbed).recommend()
    assert not list(disturbed.rglob(files.TEMPORARY))


def _run_and_kill(folder: Path, *, trials: int, after_line: bool, delay: float) -> dict[int, float]:
    """Run until a moment, then SIGKILL; returns the trials that it had said are done, with their objective."""
    driver = subprocess.Popen(
        [*BOMIX, "optimize", str(folder), "--trials", str(trials)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    said: dict[int, float] = {}
    begun = threading.Event()

    def read() -> None:
        assert driver.stderr is not None
        for line in driver.stderr:
            if match := ACKNOWLEDGED.match(line):
                begun.set()
                said[int(match[1])] = float(match[2])
        begun.set()

    reader = threading.Thread(target=read)
    reader.start()
    if after_line:
        begun.wait(120)
    time.sleep(delay)
    assert driver.poll() is None, "it ended before it was killed"
    driver.kill()
    driver.wait()
    reader.join()
    assert driver.stderr is not None
    driver.stderr.close()
    return said
