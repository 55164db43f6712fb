"""Methods that reweight, on eight domains: how far their searches agree, and what searches of equal cost find.

    python experiments/mde/corpora.py                               # the text, once
    python -m experiments.reweighting.eight search [--limit S]      # what every method finds; resumes
    python -m experiments.reweighting.eight fresh [--limit S]       # every mixture found, on fresh seeds; resumes
    python -m experiments.reweighting.eight table                   # the tables of README.md, in seconds
    python -m experiments.reweighting.eight figure                  # writes weights.png

`search` and `fresh` add to eight.jsonl what it lacks, and begin nothing more after S seconds.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence

from experiments import runs
from experiments.regmix import plan as swarm
from experiments.reweighting import eight_searches
from experiments.reweighting.eight_plan import (
    DOMAINS,
    FRESH,
    HERE,
    METHODS,
    RESULTS,
    SEEDS,
    UNIFORM,
    labels,
    proxy,
    rows,
    worth_telling,
)
from experiments.runs import Planned, Row


def mean_of(found: Sequence[Row]) -> dict[str, float]:
    """The mean of mixtures."""
    return {name: sum(row["weights"][name] for row in found) / len(found) for name in DOMAINS}


def fresh(limit: float) -> None:
    """Train on fresh seeds what was found, the anchors, and the mean of all searches of DoReMi."""
    eight_searches.pooled()
    known = rows()
    named = labels(known)
    natural = {name: size / sum(swarm.SHARES.values()) for name, size in swarm.SHARES.items()}
    mixtures = {"uniform": UNIFORM, "natural": natural}
    doremi = [row for row in known if (row["set"], row["name"]) == ("found", "DoReMi")]
    if len(doremi) == len(SEEDS):
        mixtures["DoReMi, mean of 6"] = mean_of(doremi)
    for row in worth_telling(known):
        mixtures.setdefault(named[row["name"], row["seed"]], row["weights"])
    planned = [Planned("fresh", name, weights, seed) for name, weights in mixtures.items() for seed in FRESH]
    runs.train(RESULTS, proxy(), planned, limit=limit)


def main() -> None:
    """Search, train, print or draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("search", "fresh", "table", "figure"))
    parser.add_argument("--limit", type=runs.seconds, default=math.inf, help="seconds after which nothing is begun")
    every = [*METHODS, "searches"]
    parser.add_argument("--methods", nargs="+", default=every, choices=every, help="what searches")
    args = parser.parse_args()
    if args.what in ("table", "figure"):
        from experiments.reweighting import eight_show

        eight_show.table(rows()) if args.what == "table" else eight_show.figure(rows(), HERE / "weights.png")
        return
    proxy().prepare(DOMAINS)
    if args.what == "fresh":
        fresh(args.limit)
        return
    until = time.monotonic() + args.limit
    eight_searches.reweight([name for name in METHODS if name in args.methods], until)
    if "searches" in args.methods:
        eight_searches.together(until)
        eight_searches.pooled()


if __name__ == "__main__":
    runs.command(main, "experiments.reweighting.eight")
