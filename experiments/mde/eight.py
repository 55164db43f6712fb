"""The paper's protocol on the eight domains of the swarm.

    python -m experiments.regmix.run train                      # the swarm, whose runs these are
    python -m experiments.mde.expert_tokens                     # experts-*.npz from its experts
    python -m experiments.mde.eight fit [--limit SECONDS]       # fits.jsonl
    python -m experiments.mde.eight optima [--limit SECONDS]    # optima.jsonl
    python -m experiments.mde.eight train [--limit SECONDS]     # optimized.jsonl: what was chosen, trained
    python -m experiments.mde.eight table
    python -m experiments.mde.eight figure                      # eight.png

All resume, and begin nothing after so many seconds. Tables come from the kept files alone.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import sys
from pathlib import Path

from bomix.training.device import process_environment


def table() -> None:
    """Print every table in Markdown."""
    from experiments.mde import show_fits, show_scales

    show_fits.figure2()
    show_fits.curve()
    show_fits.control()
    show_scales.pairs()
    show_scales.optimum()
    show_scales.trained()
    show_scales.tasks()


def main() -> None:
    """Fit, train, print or draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("fit", "optima", "train", "table", "figure"))
    parser.add_argument("--limit", type=float, default=math.inf, help="seconds after which nothing is begun")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    if args.what == "table":
        table()
    elif args.what == "figure":
        from experiments.mde import draw

        draw.figure(Path(__file__).with_name("eight.png"))
    else:
        from experiments.mde import fits, optima, optimized

        {"fit": fits.run, "optima": optima.run, "train": optimized.train}[args.what](args.limit)


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in process_environment().items()):
        again = [sys.executable, "-m", "experiments.mde.eight", *sys.argv[1:]]
        os.execve(sys.executable, again, {**os.environ, **process_environment()})
    main()
