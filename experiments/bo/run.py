"""Trains what the tables of README.md stand on.

    python experiments/mde/corpora.py               # the text, once
    python -m experiments.bo.run train [PROBLEM ...] [--limit S]   # resumes; begins nothing after S seconds
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time

from bomix.training.device import process_environment
from experiments import runs
from experiments.bo import plan, search

PARTS = ("two", *plan.PROBLEMS, "fresh", "scaled", "larger")


def train(parts: list[str], limit: float) -> None:
    """Train what is missing of some parts, in order."""
    until = time.monotonic() + limit

    def left() -> float:
        return until - time.monotonic()

    for part in parts:
        if left() <= 0:
            return
        if part == "two":
            for name in plan.PAIRS:
                plan.loaded(name).prepare(plan.PAIRS[name])
                planned = [run for run in plan.slices() if run.set == name]
                runs.train(plan.RESULTS, plan.loaded(name), planned, width=13, limit=left())
        elif part in plan.PROBLEMS:
            problem = plan.PROBLEMS[part]
            problem.proxy.prepare(problem.domains)
            search.design(problem, left())
            search.lockstep(problem, left())
        else:
            found = runs.kept(plan.FOUND)
            planned = {
                "fresh": lambda: plan.fresh(found),
                "scaled": lambda: plan.scaled(found),
                "larger": lambda: plan.larger(runs.kept(plan.RESULTS)),
            }[part]()
            runs.train(plan.RESULTS, plan.FIVE.proxy, planned, width=8 if part == "scaled" else 16, limit=left())


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train",))
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--limit", type=float, default=math.inf, help="seconds after which nothing is begun")
    args = parser.parse_args()
    train(args.parts, args.limit)


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in process_environment().items()):
        again = [sys.executable, "-m", "experiments.bo.run", *sys.argv[1:]]
        os.execve(sys.executable, again, {**os.environ, **process_environment()})
    main()
