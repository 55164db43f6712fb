"""Tables of what models call best: RegMix's Figures 6 and 14."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations

import numpy as np

from experiments import intervals
from experiments.regmix import data, fits, judge, models, plan
from experiments.regmix.data import MEAN
from experiments.regmix.fits import Fit
from experiments.regmix.ranking import ABSENT, SIZES


def lines() -> Iterator[str]:
    """Every table of this file."""
    for part in (found_table, chance_table, proposed_table, weights_table, sizes_table):
        yield from part()
        yield ""


# ---- the best of those that were held out


def found_table() -> Iterator[str]:
    """Which of the mixtures that are held out each model calls best, and which rank it has."""
    yield "| predicted best of those held out | loss | " + " | ".join(f"rank, {size}" for size in SIZES) + " |"
    yield "|---|---|---|---|---|"
    for target in (plan.TARGET, MEAN):
        for model in models.MODELS:
            fit = Fit(fits.SMALL, model, target, plan.FITTED)
            yield f"| {model} | {target} | {' | '.join(_place(fit, size) for size in SIZES)} |"


def _place(fit: Fit, size: str) -> str:
    """Rank of the predicted best, of how many, and what it loses above the best; with an interval over mixtures."""
    truth, predicted = data.swarm(f"held {size}"), fits.predicted(fit)
    if truth is None or predicted is None:
        return ABSENT
    values, predicted = truth.target(fit.target), predicted[: len(truth.X)]
    chosen = int(predicted.argmin())
    at = judge.places(len(values))
    drawn = np.take_along_axis(values[at], predicted[at].argmin(axis=1)[:, None], axis=1)[:, 0] - values[at].min(axis=1)
    above = judge.interval(values[chosen] - values.min(), drawn).told(3, "+")
    return f"{1 + int((values < values[chosen]).sum())} of {len(values)}, {above}"


def chance_table() -> Iterator[str]:
    """What a mixture loses above the best that was held out if it is drawn by lot, and how much is noise."""
    yield "| held out | loss | best | a mixture by lot, above the best | standard deviation | seeds differ by |"
    yield "|---|---|---|---|---|---|"
    for size in SIZES:
        for target in (plan.TARGET, MEAN):
            truth = data.swarm(f"held {size}")
            if truth is None:
                yield f"| {size} | {target} | {ABSENT} | | | |"
                continue
            values = truth.target(target)
            lot, sd = values.mean() - values.min(), values.std(ddof=1)
            yield f"| {size} | {target} | {values.min():.3f} | {lot:+.3f} | {sd:.3f} | {_noise(size, target)} |"


def _noise(size: str, target: str) -> str:
    """Standard deviation of one run about the mean of its mixture."""
    found = noise(size, target)
    return "not known" if found is None else f"{found[0]:.3f} ({found[1]} pairs)"


@cache
def noise(size: str, target: str) -> tuple[float, int] | None:
    """The same as a number, with the pairs of seeds that tell it; what a seed does to all mixtures is taken off."""
    first, second = data.swarm(f"held {size}"), data.swarm(f"held {size}", 1)
    apart = []
    if first is not None and second is not None:
        apart.append(first.target(target)[: len(second.X)] - second.target(target))
    one, other = (data.swarm(f"proposed {size}", seed) for seed in plan.PROPOSED_SEEDS)
    if one is not None and other is not None:
        apart.append(one.target(target) - other.target(target))
    pairs = np.concatenate(apart) if apart else np.empty(0)
    return (float(pairs.std(ddof=1) / np.sqrt(2)), len(pairs)) if len(pairs) > 1 else None


# ---- what was proposed, and trained


def proposed_table() -> Iterator[str]:
    """The loss of each proposal at each size, beside the best that was held out; half of an interval from the noise."""
    heads = " | ".join(f"{target}, {size}" for target in (plan.TARGET, MEAN) for size in plan.PROPOSED_AT)
    yield f"| proposed by | {heads} |"
    yield "|---|" + "---|" * (2 * len(plan.PROPOSED_AT))
    for at, one in enumerate(plan.proposals()):
        cells = [_proposed(at, size, target) for target in (plan.TARGET, MEAN) for size in plan.PROPOSED_AT]
        yield f"| {one['name']} | {' | '.join(cells)} |"
    cells = [_least(f"held {size}", target) for target in (plan.TARGET, MEAN) for size in plan.PROPOSED_AT]
    yield f"| *best of those held out, one run* | {' | '.join(cells)} |"
    cells = [_alone(size, target) for target in (plan.TARGET, MEAN) for size in plan.PROPOSED_AT]
    yield f"| *{plan.TARGET} alone, one run* | {' | '.join(cells)} |"


def _proposed(at: int, size: str, target: str) -> str:
    found = [data.swarm(f"proposed {size}", seed) for seed in plan.PROPOSED_SEEDS]
    known = [each.target(target)[at] for each in found if each is not None]
    told = noise(size, target)
    if len(known) < len(plan.PROPOSED_SEEDS) or told is None:
        return ABSENT
    sd, pairs = told
    return f"{np.mean(known):.3f} ± {intervals.t_half(sd / len(known) ** 0.5, pairs - 1):.3f}"


def _least(name: str, target: str) -> str:
    found = data.swarm(name)
    return ABSENT if found is None else f"{found.target(target).min():.3f}"


def _alone(size: str, target: str) -> str:
    found = data.swarm(f"experts {size}")
    return ABSENT if found is None else f"{found.target(target)[plan.DOMAINS.index(plan.TARGET)]:.3f}"


def weights_table() -> Iterator[str]:
    """The mixtures that are proposed."""
    yield f"| proposed by | {' | '.join(plan.DOMAINS)} |"
    yield "|---|" + "---|" * len(plan.DOMAINS)
    for one in plan.proposals():
        shares = " | ".join(f"{one['weights'][name]:.2f}" for name in plan.DOMAINS)
        yield f"| {one['name']} | {shares} |"


# ---- two sizes of proxies


def optimum(fit: Fit) -> tuple[np.ndarray, np.ndarray] | None:
    """Mean and standard deviation of the best simulated mixtures."""
    row = fits.kept().get(fit)
    return None if row is None or "best" not in row else (np.array(row["best"]), np.array(row["spread"]))


def compared(model: str, target: str) -> dict[str, Fit]:
    """The fits whose optima are set beside each other."""
    return {
        f"{fits.FEW} of 1M": Fit(fits.LARGE, model, target, fits.FEW),
        f"the same {fits.FEW} of 0.3M": Fit(fits.SMALL, model, target, fits.FEW),
        f"{fits.FEW} others of 0.3M": Fit(fits.SMALL, model, target, fits.FEW, 1),
        f"{plan.FITTED} of 0.3M": Fit(fits.SMALL, model, target, plan.FITTED),
    }


def sizes_table() -> Iterator[str]:
    """RegMix's Figure 14: which part of the tokens is elsewhere in the optima of two sizes."""
    names = list(compared(models.LINEAR, MEAN))
    pairs = [(0, 1), (1, 2), (0, 3), (1, 3)]
    assert set(pairs) <= set(combinations(range(len(names)), 2))
    yield "| optimum of | loss | " + " | ".join(f"{names[a]} against {names[b]}" for a, b in pairs) + " |"
    yield "|---|---|" + "---|" * len(pairs)
    for target in (plan.TARGET, MEAN):
        for model in models.MODELS:
            found = [optimum(fit) for fit in compared(model, target).values()]
            yield f"| {model} | {target} | {' | '.join(_apart(found[a], found[b]) for a, b in pairs)} |"


def _apart(one: tuple[np.ndarray, np.ndarray] | None, other: tuple[np.ndarray, np.ndarray] | None) -> str:
    if one is None or other is None:
        return ABSENT
    return f"{np.abs(one[0] - other[0]).sum() / 2:.2f}"
