"""Spread and noise, Table I, and what laws promise: five domains at equal budgets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from experiments.bo.choose import MODELS, array
from experiments.bo.fresh import MEAN_ALONE, SEARCHES, UNIFORM, Fresh
from experiments.bo.plan import BASELINES, FIVE
from experiments.bo.stats import Array, Estimate, bootstrapped, resampled, said, t_half, t_interval, two_way_noise
from experiments.runs import Row

PAPER = {
    "sobol": 4.4109,
    "LLaMA": 4.6826,
    "Dolma": 4.8835,
    UNIFORM: 4.46588,
    "BiMix": 4.4375,
    "DML": 4.6547,
    "bo32": 4.3688,
}
"""Table I of the paper; its 4.46588 has one figure more than the others."""
RUNS = {"short": 32, "default": 32, "recommended": 32}
"""Runs of searches that have fewer than the others."""
BUDGET = 64
"""Runs of all others."""
INSIDE = 1.959964
"""Standard deviations of 95 %."""


def designs(rows: Sequence[Row]) -> list[Array]:
    """Losses of the design of each seed, ``n x m`` each."""
    chosen = ([row for row in rows if row["set"] == "five sobol" and row["seed"] == seed] for seed in FIVE.seeds)
    return [array(own, FIVE.domains)[1] for own in chosen if own]


def spread_table(rows: Sequence[Row]) -> Iterator[str]:
    """Spread, noise and ceiling of each domain's loss and of the mean."""
    drawn, fresh = designs(rows), Fresh(rows)
    if not drawn:
        yield "Spread and noise: not run yet."
        return
    yield "| loss | spread, designs | over fresh seeds | noise | of the spread, not noise | ceiling |"
    yield "|---|---|---|---|---|---|"
    for column, name in [(None, "mean"), *enumerate(FIVE.domains)]:
        parts = [each.mean(axis=1) if column is None else each[:, column] for each in drawn]
        mixtures = np.concatenate([each - each.mean() for each in parts])
        freedom = len(mixtures) - len(parts)
        head = f"| {name} | {np.sqrt((mixtures**2).sum() / freedom):.4f} |"
        if not fresh.complete:
            yield f"{head} | | | |"
            continue
        again = fresh.distinct(column)
        found = _reliability(mixtures, again, freedom)
        root = [max(each, 0.0) ** 0.5 for each in found]
        seeds = np.mean([group.mean(axis=0).var(ddof=1) for group in again]) ** 0.5
        noise = two_way_noise(*again)[0]
        yield f"{head} {seeds:.4f} | {noise:.4f} | {said(found, 3, sign=False)} | {said(root, 3, sign=False)} |"


def _reliability(mixtures: Array, again: Sequence[Array], freedom: int) -> Estimate:
    """``1 - noise^2 / spread^2``; interval by the bootstrap over mixtures of the designs and of the second look."""

    def of(one: Array, other: Sequence[Array]) -> float:
        return float(1.0 - two_way_noise(*other)[0] ** 2 * freedom / (one**2).sum())

    low, high = bootstrapped(lambda rng: of(resampled(mixtures, rng), [resampled(group, rng) for group in again]))
    return of(mixtures, again), low, high


def method_table(rows: Sequence[Row]) -> Iterator[str]:
    """Table I: what each method's mixtures are worth on fresh seeds."""
    fresh = Fresh(rows)
    if not fresh.complete:
        yield "Table I: fresh seeds are not run yet."
        return
    noise, freedom = fresh.noise()
    level = fresh.mean(UNIFORM)
    yield f"uniform: {said(t_interval(level), sign=False)} over {len(level)} fresh seeds; noise {noise:.4f}\n"
    yield "| method | runs | minus uniform | ± by noise | runs better | minus Sobol | runs better than Sobol | paper |"
    yield "|---|---|---|---|---|---|---|---|"
    lines = []
    for name in (*BASELINES, *MEAN_ALONE):
        gains = fresh.gain(name)[None] if name in fresh.names else fresh.method_gains(name)
        if not len(gains):
            continue
        # The uniform mixture's own runs are in every difference: their noise does not fall with the searches.
        by_noise = t_half(noise * ((1 / len(gains) + 1) / len(level)) ** 0.5, freedom)
        found = t_interval(gains.mean(axis=1) if len(gains) > 1 else gains[0])
        runs = 0 if name in BASELINES else RUNS.get(name, BUDGET)
        label = name if name in BASELINES else SEARCHES[name]
        paper = f"{PAPER[name] - PAPER[UNIFORM]:+.4f}" if name in PAPER else ""
        told = f"{said(found)} | {by_noise:.4f} | {_better(gains)} | {_against_sobol(fresh, name)}"
        lines.append((found[0], f"| {label} | {runs} | {told} | {paper} |"))
    yield from (line for _, line in sorted(lines))


def _better(gains: Array) -> str:
    return f"{int((gains < 0.0).sum())} of {gains.size}"


def _against_sobol(fresh: Fresh, name: str) -> str:
    """Two cells: the difference from the best of the design of the same search, and how often it is below zero."""
    if name == "sobol":
        return " | "
    if name in fresh.names:
        others = [fresh.gain(name, sobol) for sobol in fresh.searches("sobol")]
        gains = np.array(others).reshape(len(others), len(fresh.seeds))
    else:
        gains = fresh.method_gains(name, "sobol")
    return f"{said(t_interval(gains.mean(axis=1)))} | {_better(gains)}" if len(gains) > 1 else " | "


def weight_table(rows: Sequence[Row]) -> Iterator[str]:
    """The mixtures of Table I: mean and standard deviation over the searches."""
    fresh = Fresh(rows)
    if not fresh.complete:
        yield "Weights: fresh seeds are not run yet."
        return
    yield f"| method | {' | '.join(FIVE.domains)} |\n|---|{'---|' * len(FIVE.domains)}"
    for name in (*BASELINES, *SEARCHES):
        found = np.array([fresh.weights[each] for each in (fresh.searches(name) or [name]) if each in fresh.weights])
        if len(found) > 1:
            cells = [f"{mean:.2f} ± {sd:.2f}" for mean, sd in zip(found.mean(0), found.std(0, ddof=1), strict=True)]
            yield f"| {SEARCHES[name]} | {' | '.join(cells)} |"
        elif len(found):
            yield f"| {SEARCHES.get(name, name)} | {' | '.join(f'{x:.3f}' for x in found[0])} |"


def promise_table(rows: Sequence[Row], found: Sequence[Row]) -> Iterator[str]:
    """What each method has seen or promised at its mixture, against what comes of it on fresh seeds."""
    fresh = Fresh(rows)
    if not (fresh.complete and found):
        yield "Promised against realised: not run yet."
        return
    yield "| method | promised | realised | realised - promised | the same against uniform | runs inside 95 % |"
    yield "|---|---|---|---|---|---|"
    starts = {row["seed"]: row for row in rows if row["set"] == "five default" and row["origin"] == UNIFORM}
    for method in ("sobol", "bo32", "bo16", "default", *MODELS):
        gap, own = gaps(fresh, found, method), _promising(fresh, found, method)
        if len(gap) < 2:
            continue
        promised = np.array([row["value"] for row in own])
        realised = np.array([fresh.mean(row["name"]) for row in own])
        against = [
            each - fresh.mean(UNIFORM).mean() + array([starts[seed]], FIVE.domains)[1].mean()
            for each, row in zip(gap, own, strict=True)
            if (seed := int(row["name"].rpartition("-")[2])) in starts
        ]
        inside = "" if "sd" not in own[0] else _inside(own, realised)
        other = said(t_interval(against)) if len(against) > 1 else ""
        told = f"{promised.mean():.4f} | {realised.mean():.4f} | {said(t_interval(gap))} | {other} | {inside} |"
        yield f"| {SEARCHES[method]} | {told}"


def gaps(fresh: Fresh, found: Sequence[Row], method: str) -> Array:
    """Mean over fresh seeds minus what was promised or seen, for each search of a method."""
    own = _promising(fresh, found, method)
    return np.array([float(fresh.mean(row["name"]).mean()) - row["value"] for row in own])


def _promising(fresh: Fresh, found: Sequence[Row], method: str) -> list[Row]:
    return [row for row in found if row["name"] in fresh.searches(method)]


def _inside(own: Sequence[Row], realised: Array) -> str:
    """How many fresh runs lie in the interval that the model gives for one more run."""
    off = np.abs(realised - np.array([[row["value"]] for row in own]))
    return f"{int((off <= INSIDE * np.array([[row['sd']] for row in own])).sum())} of {realised.size}"
