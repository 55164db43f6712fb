"""What searches with experts and without found: tables of the rows that iterate.py keeps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experiments.intervals import half, mean_and_half
from experiments.mde import swarm
from experiments.mde.resampling import table as print_table
from experiments.regmix import plan
from experiments.runs import Row

ARMS = ("GP-MDE", "GP")
COUNTS = (8, 9, 10, 12, 14, 16, 18)
"""Trained models at which the best so far is told."""


def of(rows: Sequence[Row], kind: str, name: str | None = None) -> list[Row]:
    """The rows of a kind, of one name if it is given."""
    return [row for row in rows if row["set"] == kind and name in (None, row["name"])]


def value(row: Row) -> float:
    """The mean of the twelve losses."""
    return float(swarm.losses([row]).mean())


def best_so_far(rows: Sequence[Row], arm: str) -> dict[int, list[float]]:
    """Seed to the lowest value after each model, those of another origin than experts alone where there are any."""
    found: dict[int, list[float]] = {}
    for row in sorted(of(rows, arm), key=lambda row: row["name"]):
        before = found.setdefault(row["seed"], [])
        before.append(min([value(row), *before[-1:]]))
    return found


def of_seeds(rows: Sequence[Row], name: str) -> dict[int, float]:
    """Fresh seed to the value of a mixture."""
    return {row["seed"]: value(row) for row in of(rows, "fresh", name)}


def gaps(rows: Sequence[Row], one: str, other: str) -> np.ndarray:
    """``searches x fresh seeds``: a recommendation less another on one seed; either may be a mixture of no search.

    Searches and seeds of which a run is missing are left out.
    """
    searches = sorted({row["seed"] for row in of(rows, "recommended")})
    both = [
        [of_seeds(rows, f"{each}, search {search}" if "models" in each else each) for each in (one, other)]
        for search in searches
    ]
    both = [(a, b) for a, b in both if a and b]
    shared = sorted(set.intersection(*(a.keys() & b.keys() for a, b in both))) if both else []
    return np.array([[a[seed] - b[seed] for seed in shared] for a, b in both]).reshape(len(both), len(shared))


def table(rows: Sequence[Row]) -> None:
    """Print the best so far, what recommendations are worth, and what they are."""
    lines = []
    for arm in ARMS:
        seeds = [each for each in best_so_far(rows, arm).values() if len(each) == max(COUNTS)]
        if len(seeds) > 1:
            lines.append([arm, *(mean_and_half([each[count - 1] for each in seeds], 4) for count in COUNTS)])
    if not lines:
        print("No search is complete yet: `python -m experiments.mde.iterate search`.")
        return
    head = ["search", *(f"{count} models" for count in COUNTS)]
    print_table("Lowest mean loss so far, five searches, on the seed of each:", head, lines)
    _worth(rows)
    _mixtures(rows)


def _worth(rows: Sequence[Row]) -> None:
    names = [f"{arm}, {count} models" for arm in ARMS for count in (8, 18)]
    pairs = [(name, "uniform") for name in (*names, "natural")] + [
        ("GP-MDE, 18 models", "GP, 18 models"),
        ("GP-MDE, 8 models", "GP, 18 models"),
        ("GP-MDE, 18 models", "GP-MDE, 8 models"),
        ("GP, 18 models", "GP, 8 models"),
    ]
    lines = []
    for one, other in pairs:
        every = gaps(rows, one, other)
        if min(every.shape) < 2:
            continue
        by_search, by_seed = every.mean(axis=1), every.mean(axis=0)
        told = [f"± {half(by_seed):.4f}", f"{int((by_seed < 0).sum())} of {len(by_seed)}"]
        if one == "natural":  # which no search has found
            lines.append([one, other, f"{by_seed.mean():+.4f}", "", *told])
        else:
            below = f"{int((by_search < 0).sum())} of {len(by_search)}"
            lines.append([one, other, mean_and_half(by_search, 4, sign=True), below, *told])
    if lines:
        what = "three fresh seeds, the same for all; ± over searches, and over seeds"
        head = ["recommended after", "less", "mean loss", "searches below zero", "over seeds", "seeds below zero"]
        print_table(f"What recommendations are worth, {what}:", head, lines)
    even = np.array([value(row) for row in of(rows, "fresh", "uniform")])
    if len(even) > 1:
        spread = even.std(ddof=1)
        print(
            f"\nThe uniform mixture: {even.mean():.4f}, standard deviation {spread:.4f} over {len(even)} fresh seeds."
        )


def _mixtures(rows: Sequence[Row]) -> None:
    lines = []
    for arm in ARMS:
        some = of(rows, "recommended", f"{arm}, 18 models")
        if len(some) > 1:
            points = swarm.weights(some)
            cells = [f"{mean:.3f} ± {sd:.3f}" for mean, sd in zip(points.mean(0), points.std(0, ddof=1), strict=True)]
            lines.append([arm, *cells])
    if lines:
        title = "Recommended after 18 models, mean and standard deviation over the searches:"
        print_table(title, ["search", *plan.DOMAINS], lines)
