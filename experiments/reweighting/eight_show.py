"""The tables and the figure of plan.jsonl."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments import intervals, runs
from experiments.regmix import plan as swarm
from experiments.reweighting import eight_plan as plan
from experiments.reweighting.eight_spread import RESAMPLES, Array, draws, found, size_table, spread_table, swarm_table
from experiments.runs import Row

MEAN = "DoReMi, mean of 6"
"""The mean of all searches of DoReMi."""
PAIRS = (
    ("DoReMi", "Sobol 3, {goal}"),
    ("DoReMi", "BO 3, {goal}"),
    (MEAN, "Sobol 14, {goal}"),
    (MEAN, "BO 14, {goal}"),
    ("DoGE", "uniform"),
    ("BO 14, {goal}", "uniform"),
    ("BO 14, {goal}", "Sobol 14, {goal}"),
)
"""What costs about the same, and what a method claims to be better than."""
WHOSE_DOMAINS = ("DoReMi", MEAN, "DoGE", "BO 14, domains", "BO 14, all")
"""Methods of which every set is told."""


# ---- what the mixtures are worth


class Worth:
    """Losses of what was found, on fresh seeds.

    Args:
        rows: The lines of plan.jsonl.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.by_name = found(rows)
        self._named, self._told = plan.labels(rows), plan.worth_telling(rows)
        self.losses = {(row["name"], row["seed"]): row["losses"] for row in rows if row["set"] == "fresh"}

    def labels(self, method: str) -> list[str]:
        """The fresh runs of a method: a name for each search that is trained again; none until all of them are."""
        searches = [row["seed"] for row in self._told if row["name"] == method]
        names = [self._named[method, seed] for seed in searches] or [method]
        whole = all((name, seed) in self.losses for name in names for seed in plan.FRESH)
        return names if whole else []

    def goal(self, label: str, sets: Sequence[str]) -> Array:
        """The mean over some sets of the losses of a mixture on each fresh seed."""
        return np.array([np.mean([self.losses[label, seed][name] for name in sets]) for seed in plan.FRESH])

    def table(self, method: str, sets: Sequence[str]) -> Array:
        """``searches x fresh seeds`` of the same."""
        return np.array([self.goal(label, sets) for label in self.labels(method)])

    def difference(self, method: str, other: str, sets: Sequence[str]) -> Array:
        """Mean of a method minus that of another, seed by fresh seed, over draws of searches of both and of seeds."""
        one, two = self.table(method, sets), self.table(other, sets)
        seeds = draws(len(plan.FRESH), seed=2)
        of_one = one.mean(axis=0)[None] if len(one) == 1 else one[draws(len(one))].mean(axis=1)
        of_two = two.mean(axis=0)[None] if len(two) == 1 else two[draws(len(two), seed=1)].mean(axis=1)
        gaps = np.broadcast_to(of_one - of_two, (RESAMPLES, len(plan.FRESH)))
        return np.take_along_axis(gaps, seeds, axis=1).mean(axis=1)


def worth_table(worth: Worth) -> None:
    """Difference from the uniform mixture on the same fresh seed, how far searches differ, and what one costs."""
    print(
        "| method | searches | eight domains | sd of searches | all twelve | sd of searches | better in | cost, runs |"
    )
    print("|---|---|---|---|---|---|---|---|")
    names = ["natural", *worth.by_name]
    names.insert(names.index("DoReMi") + 1, MEAN)
    for name in names:
        labels = worth.labels(name)
        if not labels:
            continue
        cells, counts = [], []
        for sets in plan.GOALS.values():
            found_losses = worth.table(name, sets)
            apart_by = f"{found_losses.mean(axis=1).std(ddof=1):.4f}" if len(labels) > 1 else ""
            cells.append(f"{signed(worth.difference(name, 'uniform', sets))} | {apart_by}")
            counts.append(f"{int((found_losses < worth.goal('uniform', sets)).sum())}")
        better = f"{', '.join(counts)} of {len(labels) * len(plan.FRESH)}"
        print(f"| {name} | {len(labels)} | {' | '.join(cells)} | {better} | {cost(worth, name):.2f} |")


def signed(values: Array) -> str:
    """A difference with its interval."""
    return intervals.said([values[0], *intervals.ends(values)], 4, sign=True)


def cost(worth: Worth, name: str) -> float:
    """Runs of one mixture that a search costs, by floating-point operations."""
    if name == MEAN:
        return float(np.sum([row["runs"] for row in worth.by_name["DoReMi"].values()]))
    return float(np.mean([row["runs"] for row in worth.by_name[name].values()])) if name in worth.by_name else 0.0


def pair_table(worth: Worth) -> None:
    """Methods of equal cost against each other."""
    print("| method | minus | eight domains | all twelve |\n|---|---|---|---|")
    for one, other in PAIRS:
        cells = []
        for goal, sets in plan.GOALS.items():
            names = one.format(goal=goal), other.format(goal=goal)
            whole = all(worth.labels(name) for name in names)
            cells.append(signed(worth.difference(*names, sets)) if whole else "not run")
        shown = (name.replace(", {goal}", "") for name in (one, other))
        print(f"| {' | '.join(shown)} | {' | '.join(cells)} |")


def seed_table(worth: Worth) -> None:
    """The same by Student's t over the fresh seeds, each the mean over searches: what so few seeds leave open."""
    print(f"| method | minus | eight domains, {len(plan.FRESH)} fresh seeds | all twelve |\n|---|---|---|---|")
    for one, other in (*PAIRS[2:], *((name, "uniform") for name in ("natural", "DoReMi", MEAN))):
        cells = []
        for goal, sets in plan.GOALS.items():
            names = one.format(goal=goal), other.format(goal=goal)
            if not all(worth.labels(name) for name in names):
                cells.append("not run")
                continue
            apart_by = np.subtract(*(worth.table(name, sets).mean(axis=0) for name in names))
            cells.append(intervals.mean_and_half(apart_by, 4, sign=True))
        shown = (name.replace(", {goal}", "") for name in (one, other))
        print(f"| {' | '.join(shown)} | {' | '.join(cells)} |")


def noise_table(worth: Worth) -> None:
    """The uniform mixture on fresh seeds, and how far mixtures of the designs lie apart."""
    print("| objective | uniform | sd over fresh seeds | sd of a difference on one seed |\n|---|---|---|---|")
    for goal, sets in plan.GOALS.items():
        uniform = worth.goal("uniform", sets)
        names = {name for name, _ in worth.losses} - {"uniform"}
        whole = [name for name in names if all((name, seed) in worth.losses for seed in plan.FRESH)]
        gaps = np.array([worth.goal(name, sets) - uniform for name in sorted(whole)])
        paired = np.sqrt(gaps.var(axis=1, ddof=1).mean())
        print(f"| {goal} | {uniform.mean():.4f} | {uniform.std(ddof=1):.4f} | {paired:.4f} |")


def domain_table(worth: Worth) -> None:
    """Each set's loss minus that at the uniform mixture, over all searches and fresh seeds."""
    sets = plan.GOALS["all"]
    print(f"| method | {' | '.join(sets)} | lower, of {len(plan.DOMAINS)} domains |\n|---|" + "---|" * (len(sets) + 1))
    for name in WHOSE_DOMAINS:
        if not worth.labels(name):
            continue
        gaps = [worth.difference(name, "uniform", (one,)) for one in sets]
        halves = [float(np.subtract(*np.quantile(each, [0.975, 0.025]))) / 2 for each in gaps]
        cells = " | ".join(f"{each[0]:+.3f} ± {half:.3f}" for each, half in zip(gaps, halves, strict=True))
        print(f"| {name} | {cells} | {sum(float(each[0]) < 0.0 for each in gaps[: len(plan.DOMAINS)])} |")


def table(rows: Sequence[Row]) -> None:
    """All tables."""
    worth = Worth(rows)
    spread_table(worth.by_name)
    if "DoReMi" in worth.by_name:
        print()
        size_table(worth.by_name)
    print()
    swarm_table(runs.kept(swarm.RESULTS))
    if worth.labels("uniform"):
        for tell in (noise_table, worth_table, pair_table, seed_table, domain_table):
            print()
            tell(worth)


def figure(rows: Sequence[Row], path: Path) -> None:
    """The weights that each search found, a line for each seed."""
    from matplotlib import pyplot as plt

    by_name = found(rows)
    shown = (
        "DoReMi",
        "DoReMi, 1M",
        "DoReMi, 4 x tokens",
        "DoGE",
        "FastMix, all",
        "ODM",
        "BO 14, domains",
        "BO 14, all",
    )
    drawing, axes = plt.subplots(2, 4, figsize=(12, 5.2), sharey=True, sharex=True, layout="constrained")
    for axis, name in zip(axes.flat, shown, strict=True):
        searches = by_name.get(name, {})
        axis.axhline(1.0 / len(plan.DOMAINS), color="0.6", linewidth=1, zorder=0)
        for seed, row in searches.items():
            shares = [row["weights"][domain] for domain in plan.DOMAINS]
            axis.plot(range(len(shares)), shares, "o-", color=f"C{seed}", markersize=4, linewidth=0.8, label=str(seed))
        cost_of = np.mean([row["runs"] for row in searches.values()]) if searches else 0.0
        axis.set_title(f"{name}: {cost_of:.1f} runs each", fontsize=10)
        axis.set_xticks(range(len(plan.DOMAINS)), plan.DOMAINS, rotation=60, fontsize=8)
    for axis in axes[:, 0]:
        axis.set_ylabel("weight")
    axes[0, 0].legend(title="seed", fontsize=7, ncols=2)
    drawing.savefig(path, dpi=100)
    plt.close(drawing)
