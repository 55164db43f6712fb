"""`bomix optimize` killed at random moments of a small real study: nothing acknowledged is lost, no ask changes."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from bomix.study import Study

KILLS = 10
TRIALS = 9
BOMIX = [sys.executable, "-m", "bomix.cli.main"]
ACKNOWLEDGED = re.compile(r"^trial (\d+) objective ([\d.]+)")

# Real text, real models: 1 layer, 32 steps. Small enough that most of the time goes into asking and starting.
STUDY = f"""
domains:
  code: {{source: {{kind: installed, what: stdlib, max_bytes: 1M}}}}
  headers: {{source: {{kind: installed, what: headers, max_bytes: 1M}}}}
  readmes: {{source: {{kind: installed, what: readmes, max_bytes: 1M}}}}
evaluator:
  kind: proxy
  tokenizer: {{kind: bpe, vocabulary: 512, sample_bytes: 500k}}
  model: {{hidden: 32, layers: 1, heads: 2}}
  sequence_length: 64
  batch_sequences: 4
  tokens: 8192
  validation_sequences: 8
  optimization: {{rate: 4e-3}}
strategy: {{kind: bayesian, n_init: 4}}
budget: {{trials: {TRIALS}}}
"""


def test_killed_again_and_again_it_ends_as_if_undisturbed(tmp_path: Path) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    for folder in (undisturbed, disturbed):
        folder.mkdir()
        (folder / "study.yaml").write_text(STUDY)
    subprocess.run([*BOMIX, "optimize", str(undisturbed), "-q"], check=True, capture_output=True, timeout=300)

    rng = np.random.default_rng(20240229)
    acknowledged: dict[int, float] = {}
    kills = 0
    while kills < KILLS:
        # Every fourth kill may hit the imports or the preparation, the others a trial or the ask between two.
        early = kills % 4 == 0
        killed, said = _run_and_kill(disturbed, after_line=not early, delay=rng.uniform(0.0, 5.0 if early else 0.9))
        acknowledged |= said
        kills += killed
        history = Study.open(disturbed).history
        completed = {record.trial.id: record for record in history.completed}
        assert acknowledged.keys() <= completed.keys(), f"after kill {kills}"
        assert len(history.pending) <= 1
        if len(completed) == TRIALS:
            break
    assert kills >= 10
    subprocess.run([*BOMIX, "optimize", str(disturbed), "-q"], check=True, capture_output=True, timeout=300)

    first, second = Study.open(undisturbed).history, Study.open(disturbed).history
    assert [record.trial for record in first.records] == [record.trial for record in second.records]
    assert [record.result.losses for record in first.records] == [record.result.losses for record in second.records]
    for number, objective in acknowledged.items():
        assert abs(np.mean(list(second.records[number].result.losses.values())) - objective) < 5e-5
    assert Study.open(undisturbed).recommend() == Study.open(disturbed).recommend()
    leftovers = [path.name for path in disturbed.rglob("*.tmp") if path.parent.name == "disturbed"]
    assert leftovers == [] or all(name.startswith(".") for name in leftovers)


def _run_and_kill(folder: Path, *, after_line: bool, delay: float) -> tuple[bool, dict[int, float]]:
    """Run until a moment, then SIGKILL: whether it still ran, and the trials that it had said are done."""
    driver = subprocess.Popen(
        [*BOMIX, "optimize", str(folder)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    said: dict[int, float] = {}
    begun = threading.Event()

    def read() -> None:
        assert driver.stderr is not None
        for line in driver.stderr:
            if line.startswith("trial"):
                begun.set()
            if match := ACKNOWLEDGED.match(line):
                said[int(match[1])] = float(match[2])
        begun.set()

    reader = threading.Thread(target=read)
    reader.start()
    if after_line:
        begun.wait(120)
    time.sleep(delay)
    ran = driver.poll() is None
    driver.kill()
    driver.wait()
    reader.join()
    assert driver.stderr is not None
    driver.stderr.close()
    return ran, said
