"""Tables II to IV: budget and initialisation, repeats of what was found, restarts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from experiments.bo.choose import SHORT, searched, values
from experiments.bo.fresh import SEARCHES, Fresh
from experiments.bo.plan import FIVE, FOUR, Problem
from experiments.bo.stats import Array, correlation, said, t_half, t_interval
from experiments.runs import Row

BUDGETS = {"short": ("bo16", 16, SHORT), "bo16": ("bo16", 16, 64), "bo32": ("bo32", 32, 64)}
"""What Table II compares: the search, how many of its runs are its design, and how many count."""
REPEATED = {"Sobol": (4.4109, 4.4281, 4.4531, 4.4552), "BO": (4.3688, 4.3781, 4.4123, 4.3842)}
"""Rows of the paper's Table III."""
PRINTED_SD = {"Sobol": 0.0183, "BO": 0.0162}
"""Its last column."""
RESTARTED = {"Sobol": (5.4745, 5.4591, 5.4601, 5.4553), "BO": (5.4478, 5.4387, 5.4412, 5.4409)}
"""Rows of its Table IV."""


def complete(rows: Sequence[Row], problem: Problem, arm: str) -> dict[int, Array]:
    """Seed to the mean loss of each run in order, of searches that are over."""
    trials = {each.name: each.trials for each in problem.arms}[arm]
    found = {seed: searched(rows, problem, arm, seed) for seed in problem.seeds}
    return {seed: values(own, problem.domains) for seed, own in found.items() if len(own) == trials}


# ---- Table II


def budget_table(rows: Sequence[Row]) -> Iterator[str]:
    """Best of the initialisation, best of all, and the same mixture on fresh seeds."""
    fresh = Fresh(rows)
    yield "| search | seed | runs | initialisation | its best | best of all | gain | on fresh seeds |"
    yield "|---|---|---|---|---|---|---|---|"
    found: dict[str, list[tuple[float, ...]]] = {}
    for name, (arm, first, trials) in BUDGETS.items():
        for seed, losses in complete(rows, FIVE, arm).items():
            start, end = float(losses[:first].min()), float(losses[:trials].min())
            again = float(fresh.mean(f"{name}-{seed}").mean()) if f"{name}-{seed}" in fresh.names else np.nan
            found.setdefault(name, []).append((start, end, again))
            head = f"| {SEARCHES[name]} | {seed} | {trials} | {first} |"
            told = "" if np.isnan(again) else f"{again:.4f}"
            yield f"{head} {start:.4f} | {end:.4f} | {end - start:+.4f} | {told} |"
    if {len(found.get(name, ())) for name in BUDGETS} != {len(FIVE.seeds)}:
        return
    yield ""
    yield from _budget_differences({name: np.array(each) for name, each in found.items()})


def _budget_differences(found: dict[str, Array]) -> Iterator[str]:
    """What more runs and a larger initialisation are worth, search by search."""
    yield "| compared | as observed | on fresh seeds |\n|---|---|---|"
    for one, other in (("bo16", "short"), ("bo32", "short"), ("bo32", "bo16")):
        cells = [said(t_interval(found[one][:, column] - found[other][:, column])) for column in (1, 2)]
        yield f"| {SEARCHES[one]} minus {SEARCHES[other]} | {' | '.join(cells)} |"
    yield "\n| correlation of the best of the initialisation with | best of all | on fresh seeds |\n|---|---|---|"
    for name, each in found.items():
        cells = [said(correlation(each[:, 0], each[:, column]), 2) for column in (1, 2)]
        yield f"| {SEARCHES[name]}, {len(each)} searches | {' | '.join(cells)} |"


# ---- Table III


def repeat_table(rows: Sequence[Row], found: Sequence[Row]) -> Iterator[str]:
    """Trial 0, by which a mixture was chosen, against the same mixture on fresh seeds."""
    fresh = Fresh(rows)
    known = {row["name"]: row for row in found}
    names = [name for method in ("sobol", "bo32") for name in fresh.searches(method) if name in known]
    yield "| found by | seed | trial 0 | fresh seeds | mean | population sd | sample sd | mean - trial 0 |"
    yield "|---|---|---|---|---|---|---|---|"
    curses, lowest = [], 0
    for name in names:
        again, seen = fresh.mean(name), float(known[name]["value"])
        curses.append(float(again.mean()) - seen)
        lowest += bool(seen < again.min())
        method, _, seed = name.rpartition("-")
        each = " ".join(f"{x:.4f}" for x in again)
        sds = f"{again.std():.4f} | {again.std(ddof=1):.4f}"
        yield f"| {SEARCHES[method]} | {seed} | {seen:.4f} | {each} | {again.mean():.4f} | {sds} | {curses[-1]:+.4f} |"
    if len(curses) > 1:
        told = f"trial 0 is the lowest of its row in {lowest} of {len(names)}"
        yield f"\nmean - trial 0: {said(t_interval(curses))}; {told}"


def published_table() -> Iterator[str]:
    """Which standard deviation the paper's Table III prints, and what its means are without trial 0."""
    yield "| paper's Table III | mean | printed sd | population sd | sample sd | trials 1 to 3 | minus trial 0 |"
    yield "|---|---|---|---|---|---|---|"
    for name, row in REPEATED.items():
        x = np.array(row)
        sds = f"{PRINTED_SD[name]:.4f} | {x.std():.4f} | {x.std(ddof=1):.4f}"
        yield f"| {name} | {x.mean():.4f} | {sds} | {x[1:].mean():.4f} | {x[1:].mean() - x[0]:+.4f} |"


# ---- Table IV


def restart_table(rows: Sequence[Row]) -> Iterator[str]:
    """Four restarts of four domains: Sobol and BO at 32 runs each, paired by seed."""
    fresh = Fresh(rows, "four fresh", FOUR.domains)
    arms = [complete(rows, FOUR, arm.name) for arm in FOUR.arms]
    seeds = [seed for seed in arms[1] if seed in arms[0]]
    again = [fresh.method_gains("bo16", "sobol")] if fresh.searches("bo16") else []
    yield f"| four domains | {' | '.join(map(str, FOUR.seeds))} | mean | BO minus Sobol |"
    yield f"|---|{'---|' * (len(FOUR.seeds) + 2)}"
    if len(seeds) > 1:
        best = np.array([[float(arm[seed].min()) for seed in seeds] for arm in arms])
        yield from _restarts("best observed", ("Sobol", "BO 16 + 16"), best)
    if again and len(again[0]) > 1:
        every = [np.array([fresh.mean(name).mean() for name in fresh.searches(arm.name)]) for arm in FOUR.arms]
        yield from _restarts("on fresh seeds", ("Sobol", "BO 16 + 16"), np.array(every))
    yield from _restarts("the paper", tuple(RESTARTED), np.array(list(RESTARTED.values())))
    if again and len(again[0]) > 1:
        noise, freedom = fresh.noise()
        half = t_half(noise * (2 / again[0].size) ** 0.5, freedom)
        yield f"\nnoise of four domains {noise:.4f}; of these mixtures the difference is known to ± {half:.4f}"


def _restarts(what: str, names: Sequence[str], best: Array) -> Iterator[str]:
    for name, row, told in zip(names, best, ("", said(t_interval(best[1] - best[0]))), strict=True):
        yield f"| {what}, {name} | {' | '.join(f'{x:.4f}' for x in row)} | {row.mean():.4f} | {told} |"
