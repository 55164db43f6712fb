"""Records of hundreds and thousands of runs: what a recommendation and an ask cost, in seconds and in memory.

    python benchmarks/large.py [CASE ...] [--data FOLDER] [--against CHECKOUT]

Each case runs in a process of its own, one thread: CPU-seconds of the call by ``getrusage``, the record built before
and everything imported by a recommendation from three runs, and the largest memory of the whole process, imports of
0.4 GiB included. ``--against`` runs each case with the package of another checkout right after, so that both are
measured under the same load.

``512x13`` are RegMix's published training runs (17 domains, FOLDER as in ``regression.py``), brought in as a user
would; the others are curves in the weights with noise, drawn by :func:`speed.runs`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
LIMIT = 900.0
"""Seconds after which a case is given up."""


def table(n: int, d: int, m: int) -> tuple[Any, Any]:
    """``n`` weights and losses by name, those of ``speed.runs``."""
    from speed import runs

    data, context = runs(n, d, m)
    names = context.space.domains
    weights = [dict(zip(names, row, strict=True)) for row in data.X.tolist()]
    losses = [dict(zip(context.metrics, row, strict=True)) for row in data.Y.tolist()]
    return weights, losses


def published(folder: Path) -> tuple[Any, Any]:
    """RegMix's 512 training runs."""
    from regression import read

    train = read(folder, "train", "1m")
    weights = [dict(zip(train.domains, row, strict=True)) for row in train.weights.tolist()]
    losses = [dict(zip(train.metrics, row, strict=True)) for row in train.losses.tolist()]
    return weights, losses


def recommending(weights: Any, losses: Any) -> Callable[[], object]:
    """A recommendation from runs that were brought in."""
    import bomix

    study = bomix.Study(domains=list(weights[0]), metrics=list(losses[0]), seed=0)
    study.records.add_all([(mixture, values, None) for mixture, values in zip(weights, losses, strict=True)])
    return study.recommend


def asking(weights: Any, losses: Any) -> Callable[[], object]:
    """The next trial of a study that asked for all of its trials."""
    from bomix.history import History
    from bomix.numerics.determinism import deterministic
    from bomix.objectives.weighted import Mean
    from bomix.problem import Metric, Problem
    from bomix.space.mixture_space import MixtureSpace
    from bomix.strategies.auto import Auto
    from bomix.trial import Record, Result, Trial

    problem = Problem(MixtureSpace(list(weights[0])), tuple(map(Metric, losses[0])), Mean())
    pairs = zip(weights, losses, strict=True)
    records = [Record(Trial(number, w, 0, "sobol"), Result(values)) for number, (w, values) in enumerate(pairs)]
    history = History(tuple(records))

    def ask() -> object:
        with deterministic():
            return Auto().ask(problem, history, 1, seed=0)

    return ask


CASES: dict[str, Callable[[Path], Callable[[], object]]] = {
    "recommend 512x13": lambda folder: recommending(*published(folder)),
    "recommend 40x200": lambda _: recommending(*table(40, 17, 200)),
    "recommend 3000x8": lambda _: recommending(*table(3000, 17, 8)),
    "ask 1000x8": lambda _: asking(*table(1000, 17, 8)),
    "ask 1000x13": lambda _: asking(*table(1000, 17, 13)),
    "ask 3000x8": lambda _: asking(*table(3000, 17, 8)),
    "ask 3000x13": lambda _: asking(*table(3000, 17, 13)),
}
"""What is measured: runs x metrics, of 17 domains."""


def seconds() -> float:
    """CPU-seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(case: str, folder: Path) -> None:
    """Run one case in this process and print what it took, a JSON object."""
    import torch

    torch.set_num_threads(1)
    call = CASES[case](folder)
    recommending(*table(3, 2, 2))()
    began = seconds()
    found = call()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    objective = getattr(found, "objective", None)
    line = {"cpu": seconds() - began, "gib": memory}
    print(json.dumps(line | ({} if objective is None else {"mean": objective.mean, "sd": objective.sd})))


def measured(case: str, folder: Path, checkout: Path) -> str:
    """What one case took with the package of a checkout, in words."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{checkout}:{HERE}"}
    command = [sys.executable, __file__, case, "--inside", "--data", str(folder)]
    began = time.perf_counter()
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return f"no end in {LIMIT:.0f} s"
    if done.returncode:
        return f"failed after {time.perf_counter() - began:.0f} s: {done.stderr.strip()[-200:]}"
    line = json.loads(done.stdout.splitlines()[-1])
    told = f"; objective {line['mean']:.5f} (sd {line['sd']:.5f})" if "mean" in line else ""
    return f"{line['cpu']:.1f} CPU-s, {line['gib']:.2f} GiB{told}"


def main() -> None:
    """Measure the cases that are named, all by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="; ".join(CASES))
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("BOMIX_DATA", ".")) / "regmix")
    parser.add_argument("--against", type=Path)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    if options.inside:
        measure(options.cases[0], options.data)
        return
    for case in options.cases or CASES:
        print(f"{case:<18} {measured(case, options.data, HERE.parent)}", flush=True)
        if options.against is not None:
            print(f"{'':<18} {measured(case, options.data, options.against)}  ({options.against})", flush=True)


if __name__ == "__main__":
    main()
