"""Trains the swarm.

python experiments/mde/corpora.py               # the text, once
python -m experiments.tasks                     # tasks of multiple choice, once
python -m experiments.regmix.run train          # resumes; --limit SECONDS begins nothing after it
"""

from __future__ import annotations

import argparse
import math
import os
import sys

from bomix.training.device import process_environment
from experiments import runs
from experiments.regmix import plan

WIDTH = {"3M": 8}
"""Runs of one stack at the largest size, for the memory; 16 else."""


def train(limit: float) -> None:
    """Train what is missing; those of the middle size that are held out answer the tasks as well."""
    planned = plan.plan()
    plan.proxy().prepare(plan.DOMAINS)
    plan.proxy_with_tasks().prepare(plan.DOMAINS)
    for kind in dict.fromkeys(run.set for run in planned):
        proxy = plan.proxy_with_tasks() if kind == "held 1M" else plan.proxy()
        some = [run for run in planned if run.set == kind]
        width = WIDTH.get(kind.rpartition(" ")[2], 16)
        runs.train(plan.RESULTS, proxy, some, width=width, limit=limit, scored=plan.SCORED)


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train",))
    parser.add_argument("--limit", type=float, default=math.inf, help="seconds after which nothing is begun")
    train(parser.parse_args().limit)


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in process_environment().items()):
        os.execve(
            sys.executable,
            [sys.executable, "-m", "experiments.regmix.run", *sys.argv[1:]],
            {**os.environ, **process_environment()},
        )
    main()
