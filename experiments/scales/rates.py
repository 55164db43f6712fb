"""The uniform mixture at each size under several learning rates, which the rate of a size is chosen by.

    python -m experiments.scales.rates SET [--tokens 384k]

SET as of run.py. Rows go to results/rates.jsonl, and what stands there is not trained again; the table is printed. Its
seeds are none of those that run.py trains with, and it knows no other mixture, so that what run.py compares is not
what was tuned.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import cast

from bomix.config import study_file
from bomix.config.build import number
from bomix.config.spec import StudySpec
from bomix.evaluators.proxy import Proxy
from experiments import runs

HERE = Path(__file__).parent
KEPT = HERE / "results" / "rates.jsonl"
SETS = ("debian", "installed")
RATES = {
    "0.3M": ("6e-3", "3e-3", "1.5e-3"),
    "1M": ("3e-3", "1.5e-3", "1e-3", "5e-4"),
    "3M": ("3e-3", "1e-3", "5e-4", "3e-4"),
}
"""What is tried at each size: the best of 0.3M and what lies below and above that of regmix."""
SEEDS = (2, 3)
"""Of initial parameters and order; those of run.py are 0 and 1."""
UNIFORM = "uniform"


def set_of(text: str, tokens: int, size: str, rate: str) -> str:
    """What rows of one text, length, size and rate are called."""
    return f"{text} {tokens} {size} {rate}"


def trained(spec: StudySpec, text: str, tokens: int, size: str, rate: str) -> None:
    """Train what is missing of one size and rate, all seeds as one stack.

    Args:
        spec: The study file of the set.
        text: Name of the set.
        tokens: Of a run.
        size: Name of a scale.
        rate: As it is written.
    """
    proxy = replace(cast(Proxy, spec.ready_evaluator_at(size, HERE)), tokens=tokens)
    weights = {name: 1 / len(spec.domains) for name in spec.domains}
    planned = [runs.Planned(set_of(text, tokens, size, rate), UNIFORM, weights, seed) for seed in SEEDS]
    runs.train(KEPT, runs.with_rate(proxy, float(rate)), planned)


def table(text: str, tokens: int) -> str:
    """Mean loss of the uniform mixture, nats per token, a line a rate and a column a size, the lowest one bold."""
    known = {runs.key(row): fmean(row["losses"].values()) for row in runs.kept(KEPT)}
    columns = {
        size: {rate: fmean(known[set_of(text, tokens, size, rate), UNIFORM, seed] for seed in SEEDS) for rate in rates}
        for size, rates in RATES.items()
    }
    lines = ["| rate | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for rate in sorted({rate for rates in RATES.values() for rate in rates}, key=float, reverse=True):
        cells = [_cell(each, rate) for each in columns.values()]
        lines.append(f"| {rate} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(losses: dict[str, float], rate: str) -> str:
    if rate not in losses:
        return ""
    return f"**{losses[rate]:.3f}**" if losses[rate] == min(losses.values()) else f"{losses[rate]:.3f}"


def main() -> None:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=SETS)
    parser.add_argument("--tokens", default="384k", help="of a run at every size")
    args = parser.parse_args()
    spec, tokens = study_file.load(HERE / f"{args.set}.yaml"), int(number(args.tokens))
    for size, rates in RATES.items():
        for rate in rates:
            trained(spec, args.set, tokens, size, rate)
    print(table(args.set, tokens))


if __name__ == "__main__":
    runs.command(main, "experiments.scales.rates")
