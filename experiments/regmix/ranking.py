"""Tables of how well models rank what they have not seen: RegMix's Tables 2, 5 and 6, its Figure 4, its appendix K."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np

from experiments.regmix import data, fits, hundred, judge, models, plan
from experiments.regmix.data import MEAN, Runs
from experiments.regmix.fits import Fit

ABSENT = "not there yet"
SIZES = (plan.SMALL, *plan.LARGER)
DIGITS = 3
"""Of rank correlations: many are near one."""
GAIN = f"{models.TREES} above {models.LINEAR}"
DEFAULT_GAIN = f"{models.PROCESS} above {models.TREES}"

GAINS = ((GAIN, models.TREES, models.LINEAR), (DEFAULT_GAIN, models.PROCESS, models.TREES))


def lines() -> Iterator[str]:
    """Every table of this file."""
    for target in (plan.TARGET, MEAN):
        yield from swarm_table(target)
        yield ""
    for part in (token_table, compute_table, size_table, without_table, hundred_table):
        yield from part()
        yield ""


def ranks(fit: Fit, truth: Runs | None) -> str:
    """Rank correlation of what a fit predicts with runs of the first mixtures that it predicts."""
    found = fits.predicted(fit)
    if found is None or truth is None:
        return ABSENT
    return judge.correlation(found[: len(truth.X)], truth.target(fit.target)).told(DIGITS)


def squares(fit: Fit, truth: Runs | None, digits: int = 4) -> str:
    """Mean squared error of the same."""
    found = fits.predicted(fit)
    if found is None or truth is None:
        return ABSENT
    return judge.error(found[: len(truth.X)], truth.target(fit.target)).told(digits)


def gained(one: Fit, other: Fit, truth: Runs | None) -> str:
    """By how much the first fit ranks better."""
    found = fits.predicted(one), fits.predicted(other)
    if found[0] is None or found[1] is None or truth is None:
        return ABSENT
    count = len(truth.X)
    return judge.gain(found[0][:count], found[1][:count], truth.target(one.target)).told(DIGITS, "+")


def swarm_table(target: str) -> Iterator[str]:
    """RegMix's Table 2: models of the smallest runs, asked about other mixtures at three sizes."""
    truths = [data.swarm(f"held {size}") for size in SIZES]
    yield f"| loss: {target} | rank, 0.3M | squared error, 0.3M | rank, 1M | rank, 3M |"
    yield "|---|---|---|---|---|"
    by = {model: Fit(fits.SMALL, model, target, plan.FITTED) for model in models.MODELS}
    for model, fit in by.items():
        found = [ranks(fit, truth) for truth in truths]
        yield f"| {model} | {found[0]} | {squares(fit, truths[0])} | {found[1]} | {found[2]} |"
    for name, one, other in GAINS:
        found = [gained(by[one], by[other], truth) for truth in truths]
        yield f"| {name} | {found[0]} | | {found[1]} | {found[2]} |"
    again = data.swarm(f"held {plan.SMALL}", 1)
    if again is not None and truths[0] is not None:
        first, second = truths[0].target(target)[: len(again.X)], again.target(target)
        rank, error = judge.correlation(first, second).told(DIGITS), judge.repeat_error(first, second).told(4)
        yield f"| *one seed for another, {len(again.X)} mixtures* | {rank} | {error} | | |"
    if truths[0] is not None:
        own = truths[0].target(target)
        above = [
            ABSENT if t is None else judge.correlation(own[: len(t.X)], t.target(target)).told(DIGITS) for t in truths
        ]
        yield f"| *the same mixtures' own loss at 0.3M* | | | {above[1]} | {above[2]} |"


# ---- more proxies, or more tokens


@cache
def over_parts(model: str, count: int, step: int | None) -> np.ndarray | None:
    """Rank correlations with what is held out at its end: the mean over parts, as it is and of resamples."""
    truth = data.swarm(f"held {plan.SMALL}")
    parts = [Fit(fits.SMALL, model, plan.TARGET, count, part, step) for part in range(plan.FITTED // count)]
    found = [fits.predicted(part) for part in parts]
    if truth is None or any(each is None for each in found):
        return None
    values = truth.target(plan.TARGET)
    at = np.vstack([np.arange(len(values)), judge.places(len(values))])
    # A model that could not split predicts one value: that ranks nothing.
    parts_of = [judge.correlations(each[at], values[at]) for each in found if each is not None]
    return np.mean(np.nan_to_num(parts_of), axis=0)


def token_table() -> Iterator[str]:
    """RegMix's Figure 4: how many proxies, and how long they are trained."""
    tokens = " | ".join(f"{step or 384} steps" for step in fits.STEPS)
    yield f"| model | proxies | {tokens} |"
    yield "|---|---|" + "---|" * len(fits.STEPS)
    for model in models.MODELS[:3]:
        for count in fits.COUNTS:
            cells = [over_parts(model, count, step) for step in fits.STEPS]
            yield f"| {model} | {count} | {' | '.join(map(_cell, cells))} |"
    ends = [data.swarm(f"held {plan.SMALL}", step=step) for step in fits.STEPS]
    if all(each is not None for each in ends):
        last = ends[-1].target(plan.TARGET)  # type: ignore[union-attr]
        found = [
            judge.correlation(each.target(plan.TARGET), last).told(DIGITS) for each in ends[:-1] if each is not None
        ]
        yield f"| *the same mixtures' own loss then* | | {' | '.join(found)} | |"


def compute_table() -> Iterator[str]:
    """The same where each costs as much: many proxies stopped early against few that are trained to their end."""
    pairs = ((256, 96, 64, None), (256, 192, 128, None), (128, 192, 64, None), (128, 96, 32, None))
    yield "| model | " + " | ".join(f"{a} of {b} steps above {c} of 384" for a, b, c, _ in pairs) + " |"
    yield "|---|" + "---|" * len(pairs)
    for model in models.MODELS[:3]:
        cells = []
        for many, early, few, end in pairs:
            one, other = over_parts(model, many, early), over_parts(model, few, end)
            cells.append(ABSENT if one is None or other is None else _cell(one - other, "+"))
        yield f"| {model} | {' | '.join(cells)} |"


def _cell(found: np.ndarray | None, sign: str = "") -> str:
    return ABSENT if found is None else judge.interval(float(found[0]), found[1:]).told(DIGITS, sign)


# ---- large few against small many, without the target's domain, a hundred domains


def size_table() -> Iterator[str]:
    """RegMix's appendix K: few runs of the larger size against more of the smaller one."""
    few = fits.FEW
    cost: dict[str, float | None] = {}
    for name in (fits.SMALL, fits.LARGE):
        learnt = data.swarm(name)
        cost[name] = None if learnt is None else learnt.cpu_s
    chosen = ((fits.LARGE, few), *((fits.SMALL, count) for count in fits.COUNTS))
    yield "| loss | model | learnt from | CPU-minutes | rank, 1M | rank, 3M |"
    yield "|---|---|---|---|---|---|"
    for target in (plan.TARGET, MEAN):
        for model in (models.FINE, models.PROCESS):
            for name, count in chosen:
                fit, said = (
                    Fit(name, model, target, count),
                    ABSENT if cost[name] is None else f"{cost[name] * count / 60:.0f}",
                )
                found = [ranks(fit, data.swarm(f"held {size}")) for size in plan.LARGER]
                yield f"| {target} | {model} | {count} of {name.split()[-1]} | {said} | {found[0]} | {found[1]} |"


def without_table() -> Iterator[str]:
    """RegMix's Table 6: nobody trains on the target's domain."""
    yield f"| without {plan.TARGET} | rank, loss of {plan.TARGET} | squared error | rank, mean |"
    yield "|---|---|---|---|"
    yield from _short_table(fits.WITHOUT, data.swarm("held without 0.3M"), (plan.TARGET, MEAN), plan.WITHOUT[0])


def hundred_table() -> Iterator[str]:
    """RegMix's Table 5: a hundred domains."""
    yield "| a hundred domains | rank, own sequences | squared error | rank, mean of sets from outside |"
    yield "|---|---|---|---|"
    targets, truth = (hundred.OWN, MEAN), data.hundreds("held")
    yield from _short_table(fits.HUNDRED, truth, targets, hundred.FITTED)
    again = data.hundreds("held", 1)
    if again is not None and truth is not None:
        pairs = [(truth.target(target)[: len(again.X)], again.target(target)) for target in targets]
        found = [judge.correlation(*pair).told(DIGITS) for pair in pairs]
        error = judge.repeat_error(*pairs[0]).told(4)
        yield f"| *one seed for another, {len(again.X)} mixtures* | {found[0]} | {error} | {found[1]} |"


def _short_table(learnt: str, truth: Runs | None, targets: Sequence[str], count: int) -> Iterator[str]:
    for model in models.MODELS:
        by = [Fit(learnt, model, target, count) for target in targets]
        yield f"| {model} | {ranks(by[0], truth)} | {squares(by[0], truth)} | {ranks(by[1], truth)} |"
    for name, one, other in GAINS:
        found = [
            gained(Fit(learnt, one, target, count), Fit(learnt, other, target, count), truth) for target in targets
        ]
        yield f"| {name} | {found[0]} | | {found[1]} |"
