"""Tables of losses without a model between: RegMix's Figures 5, 7, 8 and 15, and what a score is worth."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import numpy as np

from experiments import intervals, tasks
from experiments.regmix import data, fits, judge, models, plan
from experiments.regmix.data import MEAN, Runs
from experiments.regmix.fits import STEPS, Fit
from experiments.regmix.ranking import ABSENT, SIZES

ANSWERING = "held 1M"
"""The runs that answer tasks."""
AVERAGE = "all four"
SETS = (*plan.DOMAINS, *plan.OUTSIDE)
RESAMPLED = 400
"""Resamples of runs for coefficients, of which two digits are told."""
LEAST = 1e-3
"""Weights are told apart on a logarithmic axis down to this: less than one sequence of a run."""
COMPARED = plan.LARGER["3M"][1]
"""Mixtures that every size has run."""


def lines() -> Iterator[str]:
    """Every table of this file."""
    for part in (cost_table, score_table, task_table, coefficient_table, law_table, size_table, step_table):
        yield from part()
        yield ""


def cost_table() -> Iterator[str]:
    """What was trained."""
    yield "| set | runs | CPU-s a run | CPU-minutes |"
    yield "|---|---|---|---|"
    rows = data.kept(plan.RESULTS)
    for name in dict.fromkeys(run.set for run in data.planned()):
        cost = [row["cpu_s"] for row in rows if row["set"] == name]
        wanted = sum(run.set == name for run in data.planned())
        done = f"{len(cost)}" if len(cost) == wanted else f"{len(cost)} of {wanted}"
        yield f"| {name} | {done} | {np.mean(cost) if cost else 0:.1f} | {sum(cost) / 60:.0f} |"
    cost = [row["cpu_s"] for row in data.kept(data.hundred.RESULTS)]
    yield f"| a hundred domains | {len(cost)} | {np.mean(cost) if cost else 0:.1f} | {sum(cost) / 60:.0f} |"


# ---- scores of tasks


def accuracies(found: Runs) -> dict[str, np.ndarray]:
    """Task to the accuracy of each run, and their mean."""
    by = {name: found.losses[f"{name}_task_accuracy"] for name in tasks.TASKS}
    return {**by, AVERAGE: np.mean(list(by.values()), axis=0)}


def score_table() -> Iterator[str]:
    """How far scores lie apart, and how far by the choice of questions alone."""
    yield "| task | questions | worst | best | mean | standard deviation | of a score by its questions |"
    yield "|---|---|---|---|---|---|---|"
    found = data.swarm(ANSWERING)
    if found is None:
        yield f"| {ABSENT} | | | | | | |"
        return
    for name, score in accuracies(found).items():
        asked = plan.ASKED * (len(tasks.TASKS) if name == AVERAGE else 1)
        sd = np.sqrt(score.mean() * (1 - score.mean()) / asked)
        ends = f"{score.min():.1%} | {score.max():.1%} | {score.mean():.1%}"
        yield f"| {name} | {asked} | {ends} | {score.std(ddof=1):.1%} | {sd:.1%} |"


@cache
def task_correlations() -> Mapping[tuple[str, str], judge.Found]:
    """Set and task to the correlation of the negative loss with the score; empty where runs lack."""
    found = data.swarm(ANSWERING)
    if found is None:
        return {}
    sets = {**{name: found.losses[name] for name in SETS}, "mean of the domains": found.target(MEAN)}
    sets |= {f"{name} task": found.losses[f"{name}_task"] for name in tasks.TASKS}
    scores = accuracies(found)
    return {(a, b): judge.correlation(-x, y, ranks=False) for a, x in sets.items() for b, y in scores.items()}


def task_table() -> Iterator[str]:
    """RegMix's Figures 5 and 10 to 13: the losses that go with the scores of tasks."""
    columns = (*tasks.TASKS, AVERAGE)
    yield f"| loss on | {' | '.join(f'score on {name}' for name in columns)} |"
    yield "|---|" + "---|" * len(columns)
    found = task_correlations()
    for name in dict.fromkeys(name for name, _ in found):
        yield f"| {name} | {' | '.join(found[name, task].told() for task in columns)} |"
    if not found:
        yield f"| {ABSENT} |" + " |" * len(columns)


# ---- what a domain does to the others


@cache
def coefficients() -> tuple[np.ndarray, np.ndarray] | None:
    """``sets x domains``: what a share more of each domain does to each loss, as it is and of resamples."""
    learnt = data.swarm(fits.SMALL)
    if learnt is None:
        return None
    rng = np.random.default_rng(0)
    value = np.array([models.coefficients(learnt, name) for name in SETS])
    drawn = [[models.coefficients(learnt, name, rng) for name in SETS] for _ in range(RESAMPLED)]
    return value, np.array(drawn)


def coefficient_table() -> Iterator[str]:
    """RegMix's Figure 7: coefficients of the linear model, in tenths of the tokens."""
    yield "| a tenth more lowers | by its own domain | most by another | others that lower it | that raise it |"
    yield "|---|---|---|---|---|"
    found = coefficients()
    if found is None:
        yield f"| {ABSENT} | | | | |"
        return
    value, drawn = -found[0] / 10, -found[1] / 10
    low, high = np.quantile(drawn, intervals.ENDS, axis=0)
    for at, name in enumerate(SETS):
        others = [i for i, domain in enumerate(plan.DOMAINS) if domain != name]
        best = max(others, key=lambda i: value[at, i])
        told = [judge.Found(value[at, i], low[at, i], high[at, i]).told(2, "+") for i in (best, _own(name))]
        own = told[1] if name in plan.DOMAINS else "none"
        lowers = ", ".join(plan.DOMAINS[i] for i in others if i != best and low[at, i] > 0) or "none"
        raises = ", ".join(plan.DOMAINS[i] for i in others if high[at, i] < 0) or "none"
        yield f"| {name} | {own} | {plan.DOMAINS[best]} {told[0]} | {lowers} | {raises} |"


def _own(name: str) -> int:
    return plan.DOMAINS.index(name) if name in plan.DOMAINS else 0


def explained(predicted: np.ndarray, truth: np.ndarray) -> judge.Found:
    """Share of the variance of mixtures that were held out that predictions explain."""
    at = np.vstack([np.arange(len(truth)), judge.places(len(truth))])
    left = ((predicted - truth) ** 2)[at].mean(axis=1) / truth[at].var(axis=1)
    return judge.interval(1 - float(left[0]), 1 - left[1:])


def line(learnt: Runs, name: str) -> np.ndarray:
    """Slope and level of the logarithm of a domain's loss in that of its own weight."""
    weights = np.log(np.maximum(learnt.X[:, plan.DOMAINS.index(name)], LEAST))
    return np.polyfit(weights, np.log(learnt.losses[name]), 1)


def law_table() -> Iterator[str]:
    """RegMix's Figure 8: whether a domain's loss is a power of its own weight."""
    yield "| domain | exponent | its own weight explains | all weights, LightGBM | all weights, bomix's default |"
    yield "|---|---|---|---|---|"
    learnt, held = data.swarm(fits.SMALL), data.swarm(f"held {plan.SMALL}")
    for name in plan.DOMAINS:
        by = [fits.predicted(Fit(fits.SMALL, model, name, plan.FITTED)) for model in (models.TREES, models.PROCESS)]
        if learnt is None or held is None or any(each is None for each in by):
            yield f"| {name} | {ABSENT} | | | |"
            continue
        slope, level = line(learnt, name)
        own = np.maximum(held.X[:, plan.DOMAINS.index(name)], LEAST)
        told = [explained(each, held.losses[name]).told() for each in by if each is not None]
        alone = explained(np.exp(level + slope * np.log(own)), held.losses[name]).told()
        yield f"| {name} | {slope:.3f} | {alone} | {' | '.join(told)} |"


# ---- sizes and tokens


def matrix(target: str) -> tuple[list[str], np.ndarray] | None:
    """RegMix's Figure 15: names of sizes and steps, and the rank correlations of their losses."""
    every = {(size, step): data.swarm(f"held {size}", step=step, first=COMPARED) for size in SIZES for step in STEPS}
    found = {key: each for key, each in every.items() if each is not None}
    if not found:
        return None
    values = np.array([each.target(target) for each in found.values()])
    names = [f"{size}, {step or 384}" for size, step in found]
    both = np.broadcast_arrays(values[:, None], values[None])
    return names, judge.correlations(*both)


def size_table() -> Iterator[str]:
    """Rank correlations of the sizes at the end of the runs."""
    pairs = [(one, other) for at, one in enumerate(SIZES) for other in SIZES[at + 1 :]]
    yield f"| loss, {COMPARED} mixtures | {' | '.join(f'{one} against {other}' for one, other in pairs)} |"
    yield "|---|" + "---|" * len(pairs)
    found = {size: data.swarm(f"held {size}", first=COMPARED) for size in SIZES}
    for target in (MEAN, *plan.DOMAINS, *plan.OUTSIDE):
        yield f"| {target} | {' | '.join(_ranked(found[a], found[b], target) for a, b in pairs)} |"


def step_table() -> Iterator[str]:
    """Rank correlations of losses on the way with those of the largest runs at their end."""
    steps = " | ".join(f"after {step or 384} steps" for step in STEPS)
    yield f"| against 3M at its end | loss | {steps} |"
    yield "|---|---|" + "---|" * len(STEPS)
    end = data.swarm("held 3M", first=COMPARED)
    for size in SIZES:
        for target in (plan.TARGET, MEAN):
            found = [data.swarm(f"held {size}", step=step, first=COMPARED) for step in STEPS]
            cells: Sequence[str] = [_ranked(each, end, target) for each in found]
            if size == SIZES[-1]:
                cells = [*cells[:-1], ""]
            yield f"| {size} | {target} | {' | '.join(cells)} |"


def _ranked(one: Runs | None, other: Runs | None, target: str) -> str:
    if one is None or other is None:
        return ABSENT
    return judge.correlation(one.target(target), other.target(target)).told()


def clusters() -> Iterator[str]:
    """The hundred domains, by size."""
    found = json.loads(data.hundred.FOUND.read_text("utf-8"))
    for each in sorted(found, key=lambda one: -one["characters"]):
        yield f"{each['name']}: {each['mostly']} {each['share']:.0%}, {', '.join(each['words'])}"
