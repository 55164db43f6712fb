"""Tables across sizes, steps and tasks: pairwise order, the optimum at each size, losses against accuracy."""

from __future__ import annotations

import numpy as np

from experiments import runs
from experiments.intervals import mean_and_half
from experiments.mde import optima, optimized, swarm
from experiments.mde.resampling import drawn, interval, pairwise, rank_correlations, shown, table
from experiments.regmix import plan
from experiments.tasks import TASKS

LAST = 3
"""The measurement at the end of a run, of which there are the whole losses."""
JOINT = "all three"
COLUMNS = (plan.TARGET, swarm.SP, swarm.ET, swarm.BOTH, JOINT)


def pairs() -> None:
    """How often two mixtures are ordered as at the largest size, by size and steps."""
    for largest, smaller in (("3M", ("0.3M", "1M", "3M")), ("1M", ("0.3M", "1M"))):
        count = plan.LARGER[largest][1]
        reference = swarm.of("held", largest)[:count]
        if len(reference) < count:
            print(f"\nOf the held mixtures of {largest}, {len(reference)} of {count} are trained yet.")
            continue
        rows = []
        for size in smaller:
            some = swarm.of("held", size)[:count]
            for point in range(LAST + (size != largest)):
                found = ordered(_losses(some, point), _losses(reference, LAST))
                share = f"{25 * (point + 1)} %"
                rows.append([size, share, *(shown(found[name]) for name in COLUMNS)])
        title = f"Pairs of {count} mixtures that are ordered as {largest} at the end orders them:"
        table(title, ["size", "steps", *COLUMNS], rows)
    again = swarm.of("held", "0.3M", seed=1)
    if len(again) > 2:
        first = {row["name"]: row for row in swarm.of("held", "0.3M")}
        found = ordered(swarm.losses(again), swarm.losses([first[row["name"]] for row in again]))
        cells = [shown(found[name]) for name in COLUMNS]
        table(f"The same of two seeds at 0.3M, {len(again)} mixtures:", list(COLUMNS), [cells])


def _losses(some: list[runs.Row], point: int) -> np.ndarray:
    return swarm.losses(some) if point == LAST else swarm.at_point(some, point)


def ordered(one: np.ndarray, other: np.ndarray) -> dict[str, tuple[float, float, float]]:
    """Criterion to the share of pairs whose order is the same in both, ``n x 12`` losses each."""
    by = swarm.CRITERIA | {name: np.eye(len(swarm.NAMES))[at] for at, name in enumerate(swarm.NAMES)}

    def same(name: str) -> np.ndarray:
        signs = [np.sign((each @ by[name])[:, None] - (each @ by[name])[None, :]) for each in (one, other)]
        return np.asarray(signs[0] == signs[1])

    right = {name: same(name) for name in COLUMNS if name != JOINT}
    right[JOINT] = right[swarm.SP] & right[swarm.ET] & right[swarm.BOTH]
    counts = drawn(len(one))
    return {name: interval(pairwise(each, counts)) for name, each in right.items()}


def tasks() -> None:
    """The paper's Table 1: do losses say how many questions are answered?"""
    some = [row for row in swarm.of("held", "1M") if f"{TASKS[0]}_task" in row["losses"]]
    if len(some) < 3:
        print("\nNo model of the middle size has answered the tasks yet.")
        return
    losses = {name: np.array([row["losses"][name] for row in some]) for name in some[0]["losses"]}
    right = {name: losses[f"{name}_task_accuracy"] for name in TASKS}
    losses["average of the tasks"] = np.mean([losses[f"{name}_task"] for name in TASKS], axis=0)
    losses[swarm.ET] = np.mean([losses[name] for name in plan.OUTSIDE], axis=0)
    losses[swarm.SP] = np.mean([losses[name] for name in plan.DOMAINS], axis=0)
    average, counts = np.mean(list(right.values()), axis=0), drawn(len(some))
    rows = []
    own = {f"{name}_task": name for name in TASKS} | {name: name for name in TASKS}
    shown_sets = [f"{name}_task" for name in TASKS] + ["average of the tasks", *plan.OUTSIDE, swarm.ET, *plan.DOMAINS]
    for name in [*shown_sets, swarm.SP]:
        self = own.get(name)
        others = np.mean([right[each] for each in TASKS if each != self], axis=0)
        against = [right[self] if self else None, average, others if self else None]
        cells = [
            "" if each is None else shown(interval(-rank_correlations(losses[name], each, counts))) for each in against
        ]
        rows.append([name.replace("_task", ", questions"), *cells])
    head = ["loss on", "same task", "average of the four", "average of the others"]
    table(f"Rank correlation of accuracy with minus the loss, {len(some)} mixtures at 1M:", head, rows)
    rows = []
    for name in TASKS:
        mean, spread = right[name].mean(), right[name].std(ddof=1)
        rows.append([name, f"{mean:.3f}", f"{spread:.3f}", f"{(mean * (1 - mean) / plan.ASKED) ** 0.5:.3f}"])
    chance = (average.mean() * (1 - average.mean()) / plan.ASKED / len(TASKS)) ** 0.5
    rows.append(["average", f"{average.mean():.3f}", f"{average.std(ddof=1):.3f}", f"{chance:.3f}"])
    head = ["task", "accuracy", "spread over mixtures", "sd of so few questions"]
    table(f"Accuracy, {plan.ASKED} questions of four options a task:", head, rows)


def optimum() -> None:
    """The best mixture at each size, and how alike they are."""
    kept = runs.kept(optima.OPTIMA)
    rows = [
        [
            row["method"],
            row["criterion"],
            row["size"],
            *(f"{row['weights'].get(name, 0.0):.3f}" for name in plan.DOMAINS),
        ]
        for row in kept
        if row["draw"] == 0
    ]
    if not rows:
        print("\nNo optimum is kept yet: `python -m experiments.mde.eight optima`.")
        return
    table("Minimisers of what is predicted:", ["by", "of", "at", *plan.DOMAINS], rows)
    found = {(row["method"], row["criterion"], row["size"], row["draw"]): _vector(row) for row in kept}
    rows = []
    for method in optima.METHODS:
        for criterion in optima.CRITERIA:
            cells = []
            for one, other in (("0.3M", "1M"), ("0.3M", "3M"), ("1M", "3M")):
                both = [k[3] for k in found if k[:3] == (method, criterion, one)]
                values = np.array(
                    [
                        cosine(found[method, criterion, one, draw], found[method, criterion, other, draw])
                        for draw in sorted(both)
                        if (method, criterion, other, draw) in found
                    ]
                )
                cells.append(shown(interval(values)) if len(values) > 2 else "")
            rows.append([method, criterion, *cells])
    table("Cosine of the optima of two sizes:", ["by", "of", "0.3M, 1M", "0.3M, 3M", "1M, 3M"], rows)
    _chance(found)


def _chance(found: dict[tuple[str, str, str, int], np.ndarray]) -> None:
    """Cosines that say nothing: of drawn mixtures, and of the optima with the uniform mixture."""
    every = swarm.weights(swarm.of("fit", "0.3M"))
    alike = [cosine(one, other) for one, other in zip(every[::2], every[1::2], strict=False)]
    low, middle, high = np.quantile(alike, [0.1, 0.5, 0.9])
    print(f"\nCosine of two mixtures drawn as the swarm's: median {middle:.2f}, 80 % from {low:.2f} to {high:.2f}.")
    even = np.full(len(plan.DOMAINS), 1.0)
    for criterion in optima.CRITERIA:
        values = [cosine(x, even) for key, x in found.items() if key[1] == criterion and key[3] == 0]
        print(f"With the uniform mixture the optima of {criterion} have {min(values):.2f} to {max(values):.2f}.")


def _vector(row: runs.Row) -> np.ndarray:
    return np.array([row["weights"].get(name, 0.0) for name in plan.DOMAINS])


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Of two mixtures."""
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def trained() -> None:
    """What the optimised mixtures are worth: losses, accuracy, exact matches, on each seed."""
    kept = runs.kept(optimized.RESULTS)
    names = [name for name in optimized.NAMES if sum(row["name"] == name for row in kept) > 1]
    if not names:
        print("\nThe optimised mixtures are not trained yet: `python -m experiments.mde.eight train`.")
        return
    every = {name: np.array([_scores(row) for row in kept if row["name"] == name]) for name in names}
    rows = []
    for name in names:
        rows.append([name, *(mean_and_half(every[name][:, at], d) for at, d in enumerate((3, 3, 3, 3)))])
    head = ["mixture", swarm.SP, swarm.ET, swarm.ALL, "accuracy"]
    table("Optimised mixtures trained at 1M, mean of the seeds and half of the 95 % interval:", head, rows)
    rows = []
    for name in names:
        if name == "uniform" or "uniform" not in every or every[name].shape != every["uniform"].shape:
            continue
        apart = every[name] - every["uniform"]
        cells = [mean_and_half(apart[:, at], d, sign=True) for at, d in enumerate((3, 3, 3, 3))]
        rows.append([name, *cells])
    table("The same less the uniform mixture on the same seed:", head, rows)
    optimized.matches(kept)


def _scores(row: runs.Row) -> list[float]:
    (losses,) = swarm.losses([row])
    accuracy = float(np.mean([row["losses"][f"{name}_task_accuracy"] for name in TASKS]))
    averages = [float(losses @ swarm.CRITERIA[name]) for name in (swarm.SP, swarm.ET, swarm.ALL)]
    return [*averages, accuracy]
