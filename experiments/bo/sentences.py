"""What came out of each of the paper's claims, in sentences with the figures of today; empty before runs are there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experiments.bo import criteria, histories, repeats, slices
from experiments.bo.choose import array, searched
from experiments.bo.fresh import SEARCHES, UNIFORM, Fresh
from experiments.bo.methods import gaps
from experiments.bo.moves import CORNER, Moves
from experiments.bo.plan import FIVE, FOUR, MANY, PAIRS, SCALED, SIZES, TWO
from experiments.bo.stats import Array, Estimate, correlation, said, share, t_half, t_interval
from experiments.runs import Row


def verdict(found: Estimate, *, below: bool = True) -> str:
    """Whether an interval lies where a claim has it."""
    if np.isnan(found[1]):
        return "one value, no interval"
    if found[1] < 0.0 < found[2]:
        return "cannot be told"
    return "yes" if (found[2] < 0.0) == below else "no, the opposite"


def with_noise(fresh: Fresh, gains: Array) -> str:
    """Gains of searches over those of others: the interval over searches and that of these mixtures by noise."""
    noise, freedom = fresh.noise()
    half = t_half(noise * (2 / gains.size) ** 0.5, freedom)
    found = t_interval(gains.mean(axis=1))
    better = int((gains < 0.0).sum())
    over = f"{len(gains)} search{'es' if len(gains) > 1 else ''}"
    return f"{said(found)} over {over}, ± {half:.4f} by noise, better in {better} of {gains.size} runs"


# ---- two domains


def flat(rows: Sequence[Row]) -> str:
    """Where the mean loss of a pair is best."""
    told = []
    for pair in PAIRS:
        found = slices.Slice.of(rows, pair)
        if found is None:
            return ""
        low, high = slices.flat(found)
        best = said(slices.best_share(found), 2, sign=False)
        early = said(slices.best_share(found, 0), 2, sign=False)
        told.append(
            f"{pair}: best share of {found.domains[0]} {best}, {low:.2f} to {high:.2f} cost less than the noise of a "
            f"run; after a quarter of the tokens {early}"
        )
    return "Flat. " + "; ".join(told)


def least(rows: Sequence[Row]) -> str:
    """From which own weight on laws hold."""
    found = [slices.Slice.of(rows, pair) for pair in PAIRS]
    if any(each is None or each.losses.shape[1] < 2 for each in found):
        return ""
    told = {}
    for kind in ("line", "exponential"):
        for checkpoint in (0, -1):
            own = [each.own(column, checkpoint) for each in found if each is not None for column in (0, 1)]
            least = [slices.least_weight(kind, *each) for each in own]
            weights = [x[0][at] for x, at in zip(own, least, strict=True) if at < len(x[0])]
            told[kind, checkpoint] = f"{min(weights):.2f} to {max(weights):.2f}"
    return (
        f"A straight line on a log axis, as the paper shows it, holds from a weight of {told['line', -1]} on at the "
        f"end ({told['line', 0]} after a quarter of the tokens), and losses below are above it. With the constant that "
        f"equation 5 has, the exponential holds from {told['exponential', -1]} on"
    )


def two(rows: Sequence[Row]) -> str:
    """Where a search of two domains looks."""
    own = [row for row in rows if row["set"] == f"{TWO.name} bo8"]
    found = slices.Slice.of(rows, TWO.name)
    if not own or found is None:
        return ""
    first = min(int(row["name"]) for row in own)
    low, high = slices.flat(found)
    shares = [slices.shares_of(rows, seed)[0] for seed in TWO.seeds]
    inside = [(each >= low) & (each <= high) for each in shares]
    asked, drawn = (sum(int(each[part].sum()) for each in inside) for part in (slice(first, None), slice(first)))
    sizes = sum(len(each) - first for each in shares), first * len(shares)
    of_design = share(drawn, sizes[1])
    return f"Of the runs after the designs {share(asked, sizes[0])} lie in the flat region, of the designs {of_design}"


# ---- five domains


def against_sobol(rows: Sequence[Row], names: Sequence[str], *, below: bool) -> str:
    """Methods against the best of the design."""
    fresh = Fresh(rows)
    if len(fresh.searches("sobol")) < 2 or not all(fresh.searches(name) for name in names):
        return ""
    told = []
    for name in names:
        gains = fresh.method_gains(name, "sobol")
        found = verdict(t_interval(gains.mean(axis=1)), below=below)
        told.append(f"{SEARCHES[name]} minus Sobol: {found}, {with_noise(fresh, gains)}")
    return "; ".join(told)


def promises(rows: Sequence[Row], found: Sequence[Row]) -> str:
    """What laws promise beyond what they keep."""
    told = [
        f"{SEARCHES[name]} {verdict(t_interval(gap), below=False)}, {said(t_interval(gap))}"
        for name in ("BiMix", "DML", "power", "GP", "sobol")
        if len(gap := gaps(Fresh(rows), found, name)) > 1
    ]
    return "Realised minus promised: " + "; ".join(told) if told else ""


def budgets(rows: Sequence[Row]) -> str:
    """More runs, and a larger design."""
    fresh = Fresh(rows)
    if not all(len(fresh.searches(name)) == len(FIVE.seeds) for name in repeats.BUDGETS):
        return ""
    longer, larger = fresh.method_gains("bo16", "short"), fresh.method_gains("bo32", "bo16")
    ends = [
        correlation([losses[:16].min() for losses in found.values()], [losses.min() for losses in found.values()])
        for found in (repeats.complete(rows, FIVE, "bo16"), repeats.complete(rows, FOUR, "bo16"))
        if len(found) > 2
    ]
    r = " and ".join(said(each, 2) for each in ends)
    return (
        f"16 + 48 minus 16 + 16: {with_noise(fresh, longer)}; 32 + 32 minus 16 + 48: {with_noise(fresh, larger)}. "
        f"Correlation of the initialisation's best with the end, searches of five and of four domains: {r}"
    )


def clustered(rows: Sequence[Row]) -> str:
    """Whether the clusters of the best runs hold any of the design."""
    without, every = 0, 0
    for arm, first, trials in (repeats.BUDGETS["bo16"], repeats.BUDGETS["bo32"]):
        for seed, losses in repeats.complete(rows, FIVE, arm).items():
            found = histories.clusters(array(searched(rows, FIVE, arm, seed)[:trials], FIVE.domains)[0])
            best = found[losses.argsort()[: histories.BEST]]
            without += not np.isin(found[:first], best).any()
            every += 1
    return f"So in {share(without, every)} long searches" if every else ""


def cursed(rows: Sequence[Row], found: Sequence[Row]) -> str:
    """How much better the trial looks by which a mixture was chosen."""
    fresh = Fresh(rows)
    gap = [*gaps(fresh, found, "sobol"), *gaps(fresh, found, "bo32")]
    if len(gap) < 2:
        return ""
    names = [name for method in ("sobol", "bo32") for name in fresh.searches(method)]
    sds = [fresh.mean(name).std(ddof=1) for name in names]
    return (
        f"Mean of fresh seeds minus trial 0: {verdict(t_interval(gap), below=False)}, {said(t_interval(gap))} over "
        f"{len(gap)} mixtures. Sample deviations over fresh seeds {min(sds):.4f} to {max(sds):.4f}"
    )


def restarts(rows: Sequence[Row]) -> str:
    """Four domains."""
    best = [repeats.complete(rows, FOUR, arm.name) for arm in FOUR.arms]
    seeds = [seed for seed in best[1] if seed in best[0]]
    if len(seeds) < 2:
        return ""
    gains = np.array([best[1][seed].min() - best[0][seed].min() for seed in seeds])
    told = f"As observed {said(t_interval(gains))}, better in {int((gains < 0).sum())} of {len(gains)}"
    fresh = Fresh(rows, "four fresh", FOUR.domains)
    again = fresh.method_gains("bo16", "sobol") if fresh.searches("sobol") else np.empty((0, 0))
    return f"{told}; on fresh seeds {with_noise(fresh, again)}" if len(again) > 1 else told


def losers(rows: Sequence[Row]) -> str:
    """Which domains lose."""
    fresh = Fresh(rows)
    found = criteria.per_domain(fresh, "bo32", "sobol")
    if len(found) < 2:
        return ""
    told = f"BO is worse than Sobol in {int((found > 0).sum())} of {found.size} domains of {len(found)} searches"
    over = {SEARCHES[name]: criteria.per_domain(fresh, name) for name in ("bo32", "GP", "excess", "guardrail")}
    most = (f"{name} {said(t_interval(each.max(axis=1)), 3)}" for name, each in over.items() if len(each) > 1)
    return f"{told}. What the domain loses over uniform that loses most: {', '.join(most)}"


def scales(rows: Sequence[Row]) -> str:
    """Larger models."""
    told = []
    for size in SIZES:
        fresh = Fresh.at(rows, size)
        wanted = SCALED.get(size, (UNIFORM, "sobol-0", "bo32-0"))
        if len(fresh.seeds) > 1 and {*wanted} <= {*fresh.names}:
            cells = (f"{name} {said(t_interval(fresh.gain(key)))}" for key, name in list(criteria.LABELS.items())[:2])
            told.append(f"{size}: {', '.join(cells)}")
    return "Minus uniform at " + "; at ".join(told) if len(told) > 1 else ""


def domains(rows: Sequence[Row]) -> str:
    """Seven and twelve domains."""
    told = []
    for problem in MANY:
        fresh = Fresh(rows, f"{problem.name} fresh", problem.domains)
        for arm in ("bo32", "turbo") if len(fresh.names) > 1 and len(fresh.seeds) > 1 else ():
            noise, first = fresh.noise()[0], problem.arms[0].trials
            found = [histories.passed(x, first, noise) for x in repeats.complete(rows, problem, arm).values()]
            gains = fresh.method_gains(arm, "sobol")
            if found and len(gains):
                said_of = ", ".join("never" if each is None else str(each) for each in found)
                below = each_search(fresh, gains)
                told.append(f"{problem.name}, {arm}: passed at trial {said_of}; minus the design's best {below}")
        if len(gains := fresh.method_gains("turbo", "bo32")):
            told.append(f"{problem.name}, turbo minus bo32: {each_search(fresh, gains)}")
    return ". ".join(told)


def each_search(fresh: Fresh, gains: Array) -> str:
    """Gains of each search, the verdict on them, and both intervals; the last alone of a single search."""
    if len(gains) == 1:
        return with_noise(fresh, gains)
    means = gains.mean(axis=1)
    every = ", ".join(f"{x:+.4f}" for x in means)
    return f"{verdict(t_interval(means))} ({every}), {with_noise(fresh, gains)}"


def moving(moves: Moves | None) -> str:
    """The law of the optimum."""
    if moves is None or CORNER not in moves.optima:
        return ""
    costs = {name: cost for name, _, cost in moves.judged()}
    unmoved, law = costs["1M: as at 0.3M"], costs["1M: law of all seven others"]
    return f"Loss above the best at 1M: the optimum of 0.3M {said(unmoved)}, the law of all others {said(law)}"
