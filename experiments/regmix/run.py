"""Trains the swarm, fits models to it, prints the tables of README.md, draws its figures.

    python experiments/mde/corpora.py                # the text, once
    python -m experiments.tasks                      # tasks of multiple choice, once
    python -m experiments.regmix.run train           # resumes; --limit SECONDS begins nothing after it, --sets chooses
    python -m experiments.regmix.hundred build       # a hundred domains, once; then `train`, which resumes
    python -m experiments.regmix.run fit             # what models predict: fits.jsonl; only what is missing
    python -m experiments.regmix.run propose         # writes proposals.json, which `train` then trains
    python -m experiments.regmix.run table           # the tables of README.md from what is kept, in seconds
    python -m experiments.regmix.run figure          # its figures

`fit` and `table` read the tables that RegMix published where --data has a folder `regmix` of them.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Container
from pathlib import Path

from experiments import runs
from experiments.regmix import plan

WIDTH = {"3M": 8}
"""Runs of one stack at the largest size, for the memory; 16 else."""


def train(limit: float, sets: Container[str] | None) -> None:
    """Train what is missing; those of the middle size that are held out answer the tasks as well."""
    planned = plan.plan()
    plan.proxy().prepare(plan.DOMAINS)
    plan.proxy_with_tasks("1M").prepare(plan.DOMAINS)
    for kind in dict.fromkeys(run.set for run in planned):
        if sets is not None and kind not in sets:
            continue
        size = kind.rpartition(" ")[2]
        proxy = plan.proxy_with_tasks(size) if kind == "held 1M" else plan.proxy(size)
        some = [run for run in planned if run.set == kind]
        width = WIDTH.get(size, 16)
        runs.train(plan.RESULTS, proxy, some, width=width, limit=limit, scored=plan.SCORED)


def table() -> None:
    """Print every table."""
    from experiments.regmix import losses, optima, published, ranking

    for part in (ranking, published, optima, losses):
        print("\n".join(part.lines()))


def main() -> None:
    """Train, fit, propose, print or draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "fit", "propose", "table", "figure"))
    parser.add_argument("--limit", type=runs.seconds, default=math.inf, help="seconds after which nothing is begun")
    parser.add_argument("--sets", nargs="+", help="names of sets to train, such as 'held 1M'; default: all")
    parser.add_argument("--data", type=Path, help="holds the folder `regmix` (default: $BOMIX_DATA)")
    args = parser.parse_args()
    if unknown := sorted({*(args.sets or ())} - {run.set for run in plan.plan()}):
        parser.error(f"no set '{unknown[0]}'; there are {', '.join(dict.fromkeys(run.set for run in plan.plan()))}")
    if args.data is not None:
        os.environ["BOMIX_DATA"] = str(args.data)
    if args.what == "train":
        train(args.limit, args.sets)
        return
    from experiments.regmix import figure, fits

    {"fit": fits.fit, "propose": fits.propose, "table": table, "figure": figure.draw}[args.what]()


if __name__ == "__main__":
    runs.command(main, "experiments.regmix.run")
