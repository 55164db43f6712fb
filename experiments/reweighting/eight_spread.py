"""How far searches of a method agree about the mixture: between seeds, and between sizes of the proxy."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from experiments import intervals
from experiments.reweighting import eight_plan as plan
from experiments.runs import Row

RESAMPLES = 4000
"""Of searches and of fresh seeds, for intervals: more moves no third digit."""
UNIFORM = np.full(len(plan.DOMAINS), 1.0 / len(plan.DOMAINS))
OTHERS = ("DoReMi, 1M", "DoReMi, 4 x tokens")
"""What DoReMi's own searches are compared with."""
SWARM, BEST = ("fit 0.3M", "held 0.3M"), 16
"""The runs of the swarm at this size, and the twentieth of them that is looked at."""

Array = np.ndarray


def found(rows: Sequence[Row]) -> dict[str, dict[int, Row]]:
    """Method to the searches of each seed, in the order of the tables."""
    order = [
        *plan.METHODS,
        *(f"{kind} {n}, {goal}" for kind in ("Sobol", "BO") for n in (3, 14) for goal in plan.GOALS),
    ]
    order += [name for name in (row["name"] for row in rows if row["set"] == "found") if name not in order]
    by_name: dict[str, dict[int, Row]] = {name: {} for name in order}
    for row in rows:
        if row["set"] == "found":
            by_name[row["name"]][row["seed"]] = row
    return {name: dict(sorted(some.items())) for name, some in by_name.items() if some}


def weights(searches: dict[int, Row]) -> Array:
    """``n x 8`` mixtures."""
    return np.array([[row["weights"][name] for name in plan.DOMAINS] for row in searches.values()])


def apart(one: Array, other: Array) -> Array:
    """Total variation between each of ``n`` mixtures and each of ``m``: the share of tokens that would move."""
    return 0.5 * np.abs(one[:, None] - other[None]).sum(axis=2)


def cosines(one: Array, other: Array) -> Array:
    """Cosine of each of ``n`` mixtures with each of ``m``."""
    lengths = np.linalg.norm(one, axis=1)[:, None] * np.linalg.norm(other, axis=1)[None]
    return (one @ other.T) / lengths


def within(table: Array, places: Array) -> Array:
    """Mean over pairs of two different searches of each of ``r x n`` draws of them; NaN where all of a draw are one."""
    pairs = [*combinations(range(places.shape[1]), 2)]
    left, right = places[:, [i for i, _ in pairs]], places[:, [j for _, j in pairs]]
    values = np.where(left == right, np.nan, table[left, right])
    some = np.isfinite(values).any(axis=1)
    means = np.full(len(places), np.nan)
    means[some] = np.nanmean(values[some], axis=1)
    return means


def draws(n: int, seed: int = 0) -> Array:
    """``RESAMPLES x n`` draws with replacement, the first the whole itself."""
    some = intervals.places(n, RESAMPLES, seed)
    some[0] = np.arange(n)
    return some


def told(values: Array) -> str:
    """The first of some values, with the 95 % interval of all; without it where two searches make but one pair."""
    low, high = intervals.ends(values)
    return intervals.said([values[0]] if low == high else [values[0], low, high], 3)


def spread_table(by_name: dict[str, dict[int, Row]]) -> None:
    """Mean and standard deviation over searches of each weight, how far two searches lie apart, and their mean."""
    ends = {"uniform": UNIFORM[None]}
    ends |= {f"best of {goal}": weights(by_name.get(f"{plan.POOLED}, {goal}", {})) for goal in plan.GOALS}
    ends = {name: end for name, end in ends.items() if len(end)}
    heads = [*plan.DOMAINS, "between two searches", *(f"mean from {name}" for name in ends)]
    print(f"| method | searches | {' | '.join(heads)} |\n|---|---|{'---|' * len(heads)}")
    even = [*(f"{x:.3f}" for x in UNIFORM), "", *(f"{apart(UNIFORM[None], end)[0, 0]:.2f}" for end in ends.values())]
    print(f"| uniform | | {' | '.join(even)} |")
    for name, searches in by_name.items():
        if len(searches) < 2 or name.startswith(("Sobol 3", "BO 3")):
            continue
        mixtures = weights(searches)
        shares = zip(mixtures.mean(axis=0), mixtures.std(axis=0, ddof=1), strict=True)
        cells = [f"{mean:.2f} ± {sd:.2f}" for mean, sd in shares]
        cells.append(told(within(apart(mixtures, mixtures), draws(len(mixtures)))))
        cells += [f"{apart(mixtures.mean(axis=0)[None], end)[0, 0]:.2f}" for end in ends.values()]
        print(f"| {name} | {len(mixtures)} | {' | '.join(cells)} |")


def swarm_table(runs_of: Sequence[Row]) -> None:
    """Where the best mixtures of the swarm lie, whose runs are longer, and none of which a search asked for.

    Args:
        runs_of: The rows of experiments/regmix.
    """
    some = [row for row in runs_of if row["set"] in SWARM and row["seed"] == 0]
    print(f"| of {len(some)} mixtures of the swarm, the best {BEST} for | {' | '.join(plan.DOMAINS)} |")
    print("|---|" + "---|" * len(plan.DOMAINS))
    for goal, sets in plan.GOALS.items():
        some.sort(key=lambda row: sum(row["losses"][name] for name in sets))
        best = np.array([[row["weights"].get(name, 0.0) for name in plan.DOMAINS] for row in some[:BEST]])
        shares = zip(best.mean(axis=0), best.std(axis=0, ddof=1), strict=True)
        print(f"| {goal} | {' | '.join(f'{mean:.2f} ± {sd:.2f}' for mean, sd in shares)} |")


def size_table(by_name: dict[str, dict[int, Row]]) -> None:
    """How far DoReMi's mixtures lie apart among searches of one kind, and between those of two kinds."""
    print("| searches of DoReMi | pairs | total variation | cosine |\n|---|---|---|---|")
    one, measures = weights(by_name["DoReMi"]), (apart, cosines)
    row("0.3M, two seeds", pairs(len(one)), [within(measure(one, one), draws(len(one))) for measure in measures])
    for name in (name for name in OTHERS if len(by_name.get(name, {})) > 1):
        other, kind = weights(by_name[name]), name.removeprefix("DoReMi, ")
        alike = [within(measure(other, other), draws(len(other))) for measure in measures]
        row(f"{kind}, two seeds", pairs(len(other)), alike)
        same = np.equal.outer([*by_name["DoReMi"]], [*by_name[name]])
        for seeds, cells in (("one seed", same), ("two seeds", ~same)):
            found_apart = [across(measure(one, other), cells) for measure in measures]
            row(f"0.3M and {kind}, {seeds}", int(cells.sum()), found_apart)


def across(table: Array, cells: Array) -> Array:
    """Mean over some pairs of a table of two kinds of searches, of draws of the rows and columns that they are of.

    Searches of both kinds that have one seed are drawn together: they share the order of the text.
    """
    n, m = table.shape
    drawn = draws(n)
    counts = np.stack([(drawn == at).sum(axis=1) for at in range(n)], axis=1)
    # Pairs of one seed count as often as it was drawn, others as often as both were; the last column has fewer seeds.
    both = np.where(np.eye(n, m, dtype=bool), counts[:, :, None], counts[:, :, None] * counts[:, None, :m]) * cells
    total = both.sum(axis=(1, 2))
    return np.where(total > 0, (both * table).sum(axis=(1, 2)) / np.maximum(total, 1), np.nan)


def pairs(n: int) -> int:
    """How many pairs there are of ``n``."""
    return n * (n - 1) // 2


def row(first: str, count: int, values: Sequence[Array]) -> None:
    """A line of distances and cosines, each with draws of it."""
    print(f"| {first} | {count} | {' | '.join(map(told, values))} |")
