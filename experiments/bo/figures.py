"""The figures of README.md, from kept results alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.bo import criteria, histories, moves, slices
from experiments.bo.choose import array, searched
from experiments.bo.fresh import MEAN_ALONE, SEARCHES, Fresh
from experiments.bo.plan import BASELINES, FIVE, HERE, MANY, PAIRS, TWO
from experiments.bo.repeats import complete
from experiments.bo.stats import Array, t_interval
from experiments.runs import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 85
"""Of all figures: sharp enough at the width of a page, and small files."""
ABOVE = 0.2
"""Nats above the design's best up to which runs of many domains are shown: those of the design lie far above."""


def draw(rows: Sequence[Row], folder: Path = HERE) -> None:
    """Draw every figure; one whose runs are not there says so."""
    from matplotlib import pyplot as plt

    for name, make in {
        "slices": two_domains,
        "methods": methods,
        "histories": searches,
        "many": many,
        "optimum": optimum,
    }.items():
        shown = make(rows)
        if shown is None:  # a page that links to it is whole all the same
            shown = plt.figure(figsize=(6, 0.5))
            shown.text(0.02, 0.4, f"{name}: not all of its runs are there yet")
        shown.savefig(folder / f"{name}.png", dpi=DPI)
        plt.close(shown)


# ---- Figure 2


def two_domains(rows: Sequence[Row]) -> Figure | None:
    """Mean and own losses of both pairs along the share, at four checkpoints."""
    from matplotlib import pyplot as plt

    found = {pair: slices.Slice.of(rows, pair) for pair in PAIRS}
    if None in found.values():
        return None
    shown, axes = plt.subplots(len(PAIRS), 3, figsize=(10, 5.8), layout="constrained")
    for (pair, each), line in zip(found.items(), axes, strict=True):
        assert each is not None
        for checkpoint, share in enumerate(slices.CHECKPOINTS):
            colour = plt.get_cmap("viridis_r")(0.15 + 0.28 * checkpoint)
            line[0].plot(each.shares, each.mean(checkpoint)[0], ".", color=colour, label=f"{share:.0%} of the tokens")
            line[0].plot(slices.FINE, slices.smooth(each, checkpoint), color=colour, linewidth=1)
            for column in (0, 1):
                _own(line[1 + column], each, column, checkpoint, colour)
        line[0].set(xlabel=f"share of {each.domains[0]}", ylabel="mean loss, nats", title=pair)
        if pair == TWO.name and any(row["set"] == f"{pair} bo8" for row in rows):
            _two_search(rows, line[0])
        for column, domain in enumerate(each.domains):
            axis = line[1 + column]
            axis.set(xlabel=f"share of {domain}", yscale="log", title=f"loss of {domain}, log axis")
            axis.set_yticks([4.5, 5, 5.5, 6], ["4.5", "5", "5.5", "6"])
            axis.minorticks_off()
    shown.legend(*axes[-1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize=8)
    return shown


def _own(axis: Axes, each: slices.Slice, column: int, checkpoint: int, colour: object) -> None:
    weights, losses, noise, freedom = each.own(column, checkpoint)
    axis.plot(weights, losses, ".", color=colour)
    axis.plot(weights, slices.law("exponential", weights, losses, weights), color=colour, linewidth=1)
    least = slices.least_weight("line", weights, losses, noise, freedom)
    if least < len(weights):
        axis.plot(
            weights, slices.law("line", weights[least:], losses[least:], weights), "--", color=colour, linewidth=1
        )
        axis.plot(weights[least], losses[least], "o", color=colour, markersize=8, fillstyle="none")


def _two_search(rows: Sequence[Row], axis: Axes) -> None:
    """Where the search looks: marks along the lower edge, the design above what was asked for."""
    first = int(next(row["name"] for row in rows if row["set"] == f"{TWO.name} bo8"))
    low, high = axis.get_ylim()
    axis.set_ylim(low - 0.22 * (high - low), high)
    for part, colour, level, label in (
        (slice(first), "0.5", 0.07, "search: design"),
        (slice(first, None), "C0", 0.14, "search: asked for"),
    ):
        shares = np.concatenate([slices.shares_of(rows, seed)[0][part] for seed in TWO.seeds])
        at = np.full(len(shares), low - level * (high - low))
        axis.plot(shares, at, "|", color=colour, markersize=9, label=label)


# ---- Table I and Figure 5


def methods(rows: Sequence[Row]) -> Figure | None:
    """What methods found, against the uniform mixture; and which domains lose."""
    from matplotlib import pyplot as plt

    fresh = Fresh(rows)
    if not fresh.complete or len(fresh.searches("bo32")) < 2:
        return None
    shown, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained", width_ratios=(1, 1.3))
    lines = []
    for name in (*BASELINES, *MEAN_ALONE):
        gains = fresh.gain(name)[:, None] if name in fresh.names else fresh.method_gains(name)
        if len(gains) > 1:
            lines.append((t_interval(gains.mean(axis=1)), SEARCHES.get(name, name), gains.mean(axis=1)))
    lines.sort(key=lambda line: -line[0][0])
    for at, ((mean, low, high), _, each) in enumerate(lines):
        axes[0].plot([low, high], [at, at], color="C0", linewidth=1)
        axes[0].plot(each, np.full(len(each), at), ".", color="0.6")
        axes[0].plot(mean, at, "o", color="C0")
    axes[0].axvline(0.0, color="0.7", linewidth=1, zorder=0)
    axes[0].set_yticks(range(len(lines)), [label for _, label, _ in lines], fontsize=8)
    axes[0].set(xlabel="mean loss - that of uniform, fresh seeds, nats", title="Equal budgets (95 %, t)")
    centre = [mean for (mean, _, _), label, _ in lines if label not in BASELINES]
    axes[0].set_xlim(min(centre) - 0.08, max(mean for (mean, _, _), _, _ in lines) + 0.05)
    _losers(fresh, axes[1])
    return shown


def _losers(fresh: Fresh, axis: Axes) -> None:
    known = [method for method in criteria.JUDGED if len(fresh.searches(method)) > 1]
    for at, method in enumerate(known):
        found = criteria.per_domain(fresh, method)
        places = np.arange(len(FIVE.domains)) + (at - (len(known) - 1) / 2) * 0.13
        mean, low, high = np.array([t_interval(column) for column in found.T]).T
        axis.errorbar(
            places, mean, [mean - low, high - mean], fmt="o", markersize=4, linewidth=1, label=SEARCHES[method]
        )
    axis.axhline(0.0, color="0.7", linewidth=1, zorder=0)
    axis.set_xticks(range(len(FIVE.domains)), FIVE.domains)
    axis.set(ylabel="loss - that of uniform, nats", title="Who loses, by what was minimized (95 %, t)")
    axis.legend(fontsize=7, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.1))


# ---- Figures 3, 4 and 6


def searches(rows: Sequence[Row]) -> Figure | None:
    """Every run of both long searches in order, coloured by clusters."""
    from matplotlib import pyplot as plt

    found = {arm: complete(rows, FIVE, arm) for arm in ("bo16", "bo32")}
    if any(len(each) < len(FIVE.seeds) for each in found.values()):
        return None
    shown, axes = plt.subplots(2, len(FIVE.seeds), figsize=(11, 5.6), layout="constrained", sharex=True, sharey="col")
    for (arm, each), line in zip(found.items(), axes, strict=True):
        first = {"bo16": 16, "bo32": 32}[arm]
        for (seed, losses), axis in zip(each.items(), line, strict=True):
            weights = array(searched(rows, FIVE, arm, seed), FIVE.domains)[0]
            _coloured(axis, losses, histories.clusters(weights))
            axis.plot(np.minimum.accumulate(losses), color="0.3", linewidth=1)
            axis.axvline(first - 0.5, color="0.7", linestyle=":")
            axis.set(title=f"{SEARCHES[arm]}, seed {seed}", ylim=(losses.min() - 0.02, np.quantile(losses, 0.93)))
    for axis in axes[-1]:
        axis.set_xlabel("trial (design left of the dots)")
    for line in axes:
        line[0].set_ylabel("mean loss, nats")
    return shown


def _coloured(axis: Axes, losses: Array, clusters: Array) -> None:
    """Colours for clusters of several runs, the best first; grey for the others."""
    numbers, sizes = np.unique(clusters, return_counts=True)
    large = [number for number, size in zip(numbers, sizes, strict=True) if size >= histories.COLOURED]
    large.sort(key=lambda number: losses[clusters == number].min())
    axis.plot(np.arange(len(losses)), losses, ".", color="0.75")
    for at, number in enumerate(large[:8]):
        places = np.flatnonzero(clusters == number)
        axis.plot(places, losses[places], "o", markersize=4, color=f"C{at}")


def many(rows: Sequence[Row]) -> Figure | None:
    """Best so far against the trial, of seven and of twelve domains, as far as they are run."""
    from matplotlib import pyplot as plt

    there = [each for each in MANY if all(complete(rows, each, arm.name) for arm in each.arms[1:])]
    if not there:
        return None
    shown, axes = plt.subplots(1, len(there), figsize=(5 * len(there), 3.8), layout="constrained", squeeze=False)
    for problem, axis in zip(there, axes.flat, strict=True):
        first = problem.arms[0].trials
        for arm, name, colour in zip(problem.arms[1:], ("BO", "TuRBO"), ("C0", "C1"), strict=True):
            found = complete(rows, problem, arm.name)
            for (seed, losses), style in zip(found.items(), cycle(("-", "--", ":")), strict=False):
                above = losses - losses[:first].min()
                axis.plot(np.minimum.accumulate(above), style, color=colour, label=f"{name}, seed {seed}")
                axis.plot(np.arange(first, len(losses)), above[first:], ".", color=colour, alpha=0.2)
        fresh = Fresh(rows, f"{problem.name} fresh", problem.domains)
        if len(fresh.names) > 1 and len(fresh.seeds) > 1:
            axis.axhspan(-fresh.noise()[0], 0.0, color="0.85", zorder=0, label="noise of a run")
        axis.axvline(first - 0.5, color="0.7", linestyle=":")
        axis.set(xlabel="trial", ylabel="mean loss - design's best, nats", title=f"{problem.name} domains")
        lowest = min(line.get_ydata().min() for line in axis.lines[:-1])
        axis.set_ylim(lowest - 0.02, ABOVE)
        axis.legend(fontsize=7)
    return shown


# ---- the law of the optimum


def optimum(rows: Sequence[Row]) -> Figure | None:
    """Weights of the best mixture against the tokens, at both sizes, with what the law says of the corner."""
    from matplotlib import pyplot as plt

    found = moves.made(rows)
    if found is None:
        return None
    shown, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained", sharey=True)
    for size, axis in zip(moves.DESIGNS, axes, strict=True):
        if size not in found.designs:
            axis.set_axis_off()
            continue
        _weights(axis, found, size)
        axis.set(title=f"{size} parameters, {len(found.designs[size].group)} mixtures")
        axis.set(xlabel="share of the tokens", xscale="log")
        axis.set_xticks(moves.CHECKPOINTS, [f"{x:.0%}" for x in moves.CHECKPOINTS])
        axis.minorticks_off()
    axes[0].set_ylabel("weight in the best mixture")
    axes[0].legend(fontsize=7)
    return shown


def _weights(axis: Axes, found: moves.Moves, size: str) -> None:
    tokens = np.array(moves.CHECKPOINTS)
    best = np.array([found.optima[size, share] for share in moves.CHECKPOINTS])
    again = np.array([[each[size, share] for share in moves.CHECKPOINTS] for each in found.optima_again])
    low, high = np.quantile(again, [0.025, 0.975], axis=0)
    for at, domain in enumerate(FIVE.domains):
        axis.errorbar(
            tokens,
            best[:, at],
            [best[:, at] - low[:, at], high[:, at] - best[:, at]],
            fmt="o-",
            markersize=4,
            linewidth=1,
            label=domain,
        )
    if size == moves.CORNER[0]:
        said = moves.predictions(found.optima)["1M: law of all seven others"][1]
        for at, weight in enumerate(said):
            axis.plot(1.04, weight, "x", color=f"C{at}", label="law of the other seven" if at == 0 else None)
        axis.legend(fontsize=7)
