r"""What a study on Slurm loses to bomix and to Slurm, and how often Slurm is asked.

    python -m tests.engines.slurm_daemons        # in another shell, where there is no cluster: see examples/slurm
    export SLURM_CONF=...
    python benchmarks/slurm.py [--trials 64] [--workers 2] [--seconds 20]

Trials sleep; the ideal is the time that the slots need where each takes the next trial at once. What is beyond it goes
into asking, submitting, Slurm's own scheduling, the start of a Python for each trial, and noticing its end.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from bomix.execution.slurm import commands
from bomix.study.study import Study

STUDY = """
domains: {{a: {{}}, b: {{}}, c: {{}}, d: {{}}}}
evaluator: {{kind: command, argv: [sh, {folder}/train.sh], metrics: [loss]}}
strategy: sobol
budget: {{trials: {trials}}}
execution: {{kind: slurm, workers: {workers}}}
"""
TRAIN = """sleep {seconds}
echo '{{"losses": {{"loss": 1.0}}}}' > "$BOMIX_RESULT"
"""


def main() -> None:
    """Run the study, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    calls: dict[str, list[float]] = defaultdict(list)
    call = commands._call

    def counted(*command: str) -> Any:
        calls[command[0]].append(time.monotonic())
        return call(*command)

    commands._call = counted
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "study.yaml").write_text(STUDY.format(folder=folder, **vars(given)))
        (Path(folder) / "train.sh").write_text(TRAIN.format(**vars(given)))
        study = Study.open(folder)
        began, cpu = time.monotonic(), time.process_time()
        study.run()
        wall, used = time.monotonic() - began, time.process_time() - cpu
    ideal = given.seconds * -(-given.trials // given.workers)
    gap = min((later - earlier for earlier, later in itertools.pairwise(calls["squeue"])), default=float("nan"))
    counts = ", ".join(f"{name} {len(times)}" for name, times in calls.items())
    print(f"ideal {ideal:.0f} s, took {wall:.0f} s: {100 * (wall / ideal - 1):.1f} % beyond it")
    print(f"calls: {counts}; the closest two of squeue {gap:.1f} s apart; the driver used {used:.1f} CPU-s")


if __name__ == "__main__":
    main()
