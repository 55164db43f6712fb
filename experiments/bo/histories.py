"""Figures 3, 4 and 6: what a search tries in which order, clusters of it, and more domains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.cluster import hierarchy

from experiments.bo.choose import array, searched
from experiments.bo.fresh import SEARCHES, Fresh
from experiments.bo.plan import FIVE, MANY, Problem
from experiments.bo.repeats import BUDGETS, complete
from experiments.bo.stats import Array, said, t_half, t_interval
from experiments.runs import Row

NEAR = 0.1
"""Share of the tokens by which mixtures of a cluster differ on average: a fifth of how far two draws lie apart."""
BEST = 5
"""Runs with the lowest loss whose clusters are looked at."""
COLOURED = 3
"""Runs from which on a cluster has a colour of its own."""


def clusters(weights: Array) -> NDArray[np.intp]:
    """Number of the cluster of each mixture: average linkage of the share of tokens that differs."""
    tree = hierarchy.linkage(weights, "average", metric="cityblock")
    return np.asarray(hierarchy.fcluster(tree, 2.0 * NEAR, "distance"), dtype=np.intp)


def cluster_table(rows: Sequence[Row]) -> Iterator[str]:
    """Do the clusters of the best runs hold any of the design?"""
    yield f"| search | seed | clusters | of the {BEST} best runs: design | clusters | runs in them | of these, design |"
    yield "|---|---|---|---|---|---|---|"
    for name, (arm, first, trials) in BUDGETS.items():
        for seed, losses in complete(rows, FIVE, arm).items():
            weights = array(searched(rows, FIVE, arm, seed)[:trials], FIVE.domains)[0]
            found, best = clusters(weights), losses[:trials].argsort()[:BEST]
            inside = np.isin(found, found[best])
            told = f"{(best < first).sum()} | {len(set(found[best]))} | {inside.sum()} | {inside[:first].sum()}"
            yield f"| {SEARCHES[name]} | {seed} | {len(set(found))} | {told} |"


def passed(losses: Array, first: int, noise: float) -> int | None:
    """The first trial below the best of the design by more than the noise; None where there is none."""
    below = np.flatnonzero(losses < losses[:first].min() - noise)
    return int(below[0]) if len(below) else None


def many_table(rows: Sequence[Row]) -> Iterator[str]:
    """Figure 6: seven and twelve domains, with and without trust regions."""
    yield "| domains | search | seed | design's best | best | gain | at trial | passed by noise | gain, fresh seeds |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for problem in MANY:
        fresh = Fresh(rows, f"{problem.name} fresh", problem.domains)
        noise = fresh.noise()[0] if len(fresh.names) > 1 and len(fresh.seeds) > 1 else np.nan
        for arm in problem.arms[1:]:
            for seed, losses in complete(rows, problem, arm.name).items():
                yield _many(problem, arm.name, seed, losses, noise, fresh)
    for problem in MANY:
        yield from _many_gains(rows, problem)


def _many(problem: Problem, arm: str, seed: int, losses: Array, noise: float, fresh: Fresh) -> str:
    first = problem.arms[0].trials
    start, end = losses[:first].min(), losses.min()
    at = "" if np.isnan(noise) else passed(losses, first, noise)
    name, design = f"{arm}-{seed}", f"{problem.arms[0].name}-{seed}"
    again = f"{fresh.gain(name, design).mean():+.4f}" if {name, design} <= {*fresh.names} else ""
    told = (
        f"{start:.4f} | {end:.4f} | {end - start:+.4f} | {losses.argmin()} | {'never' if at is None else at} | {again}"
    )
    return f"| {problem.name} | {arm} | {seed} | {told} |"


def _many_gains(rows: Sequence[Row], problem: Problem) -> Iterator[str]:
    """Of one problem: what both searches gain over the design, and trust regions over none, on fresh seeds."""
    fresh = Fresh(rows, f"{problem.name} fresh", problem.domains)
    found = [fresh.method_gains(*pair) for pair in (("bo32", "sobol"), ("turbo", "sobol"), ("turbo", "bo32"))]
    if not all(len(each) for each in found):
        yield f"\n{problem.name}: fresh seeds are not run yet."
        return
    noise, freedom = fresh.noise()
    half = t_half(noise * (2 / found[0].size) ** 0.5, freedom)
    told = "; ".join(
        f"{what} {said(t_interval(each.mean(axis=1)))}"
        for what, each in zip(("BO minus design", "TuRBO minus design", "TuRBO minus BO"), found, strict=True)
    )
    yield f"\n{problem.name}, fresh seeds: noise {noise:.4f}; {told}; ± {half:.4f} by noise"
