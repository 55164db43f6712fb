"""The figures of the experiment, from kept results alone; one whose runs are not there yet is passed over."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments.regmix import data, fits, losses, models, optima, plan, ranking
from experiments.regmix.data import MEAN
from experiments.regmix.fits import Fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 80
"""So that each figure stays below 150 kB."""
DIVERGING = "RdBu"
"""Of heat maps whose middle is zero: blue is what helps."""


def draw() -> None:
    """Draw every figure whose runs are there."""
    from matplotlib import pyplot as plt

    for name, part in PARTS.items():
        shown = part()
        if shown is None:
            print(f"{name}: its runs are not there yet", file=sys.stderr)
            continue
        shown.savefig(fits.HERE / name, dpi=DPI, pil_kwargs={"optimize": True})
        plt.close(shown)


def _axes(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, np.ndarray]:
    from matplotlib import pyplot as plt

    shown, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    return shown, axes


# ---- ranks


def ranks() -> Figure | None:
    """Predicted against measured losses, and how many proxies it takes."""
    held, predicted = data.swarm(f"held {plan.SMALL}"), {}
    for model in (models.LINEAR, models.TREES):
        predicted[model] = fits.predicted(Fit(fits.SMALL, model, plan.TARGET, plan.FITTED))
    if held is None or any(each is None for each in predicted.values()):
        return None
    shown, axes = _axes(1, 3, (12, 3.9))
    truth = held.target(plan.TARGET)
    for (model, each), colour in zip(predicted.items(), ("C1", "C0"), strict=True):
        axes[0, 0].plot(each, truth, "o", ms=4, color=colour, label=model)
    axes[0, 0].axline((truth.min(), truth.min()), slope=1, color="0.6", lw=1, zorder=0)
    axes[0, 0].set(
        xlabel="predicted, nats", ylabel="measured, nats", title=f"Loss of {plan.TARGET}, 64 unseen mixtures"
    )
    axes[0, 0].legend()
    for axis, model in zip(axes[0, 1:], (models.LINEAR, models.FINE), strict=True):
        _proxies(axis, model)
    return shown


def _proxies(axis: Axes, model: str) -> None:
    for step, colour in zip(fits.STEPS, ("#a6bddb", "#74a9cf", "#2b8cbe", "#045a8d"), strict=True):
        found = [ranking.over_parts(model, count, step) for count in fits.COUNTS]
        if any(each is None for each in found):
            return
        values = np.array([each[0] for each in found if each is not None])
        ends = np.quantile([each[1:] for each in found if each is not None], (0.025, 0.975), axis=1)
        axis.plot(fits.COUNTS, values, "o-", color=colour, label=f"{step or 384} steps of 384")
        if step in (fits.STEPS[0], None):
            axis.fill_between(fits.COUNTS, *ends, color=colour, alpha=0.15, lw=0)
    axis.set_xscale("log", base=2)
    axis.set_xticks(fits.COUNTS, [str(count) for count in fits.COUNTS])
    axis.set(xlabel="proxies", ylabel="rank correlation", title=model)
    axis.legend()


# ---- heat maps


def _heat(axis: Axes, values: np.ndarray, rows: Sequence[str], columns: Sequence[str], told: np.ndarray) -> None:
    """A heat map about zero, with what is told of each cell."""
    most = np.abs(values).max()
    axis.imshow(values, cmap=DIVERGING, vmin=-most, vmax=most, aspect="auto")
    axis.set_xticks(range(len(columns)), columns, rotation=35, ha="right")
    axis.set_yticks(range(len(rows)), rows)
    for at, what in np.ndenumerate(told):
        dark = abs(values[at]) > 0.6 * most
        axis.text(at[1], at[0], what, ha="center", va="center", fontsize=8, color="white" if dark else "black")


def tasks() -> Figure | None:
    """Correlation of losses with the scores of tasks."""
    found = losses.task_correlations()
    if not found:
        return None
    rows, columns = (list(dict.fromkeys(key[at] for key in found)) for at in (0, 1))
    values = np.array([[found[row, column].value for column in columns] for row in rows])
    ends = [
        [f"{found[r, c].value:.2f}\n[{found[r, c].low:.2f}, {found[r, c].high:.2f}]" for c in columns] for r in rows
    ]
    shown, axes = _axes(1, 1, (7, 8.5))
    _heat(axes[0, 0], values, rows, columns, np.array(ends))
    axes[0, 0].set(
        title="Correlation of -loss with the score of a task, 64 models of 1M", xlabel="score", ylabel="loss"
    )
    return shown


def effects() -> Figure | None:
    """What a tenth more of each domain does to each loss."""
    found = losses.coefficients()
    if found is None:
        return None
    value, (low, high) = -found[0] / 10, np.quantile(-found[1] / 10, (0.025, 0.975), axis=0)
    told = [
        [f"{value[i, j]:+.2f}" + ("" if low[i, j] <= 0 <= high[i, j] else "*") for j in range(value.shape[1])]
        for i in range(value.shape[0])
    ]
    shown, axes = _axes(1, 1, (7.5, 6))
    _heat(axes[0, 0], value, losses.SETS, plan.DOMAINS, np.array(told))
    title = "How far a tenth more of a domain lowers a loss, nats\n* the 95 % interval leaves out zero"
    axes[0, 0].set(title=title, xlabel="domain of training", ylabel="loss")
    return shown


def sizes() -> Figure | None:
    """Ranks of sizes and tokens."""
    found = [losses.matrix(target) for target in (plan.TARGET, MEAN)]
    if any(each is None for each in found):
        return None
    shown, axes = _axes(1, 2, (12.5, 5.8))
    for axis, each, target in zip(axes[0], found, (plan.TARGET, MEAN), strict=True):
        names, values = each if each is not None else ([], np.empty(0))
        axis.imshow(values, cmap="viridis", vmin=min(0.5, values.min()), vmax=1)
        axis.set_xticks(range(len(names)), names, rotation=90)
        axis.set_yticks(range(len(names)), names)
        for at, value in np.ndenumerate(values):
            axis.text(
                at[1], at[0], f"{value:.2f}", ha="center", va="center", fontsize=7, color="w" if value < 0.8 else "k"
            )
        axis.set(title=f"Rank correlation, loss: {target} (size, steps)")
    return shown


# ---- laws and optima


def weights() -> Figure | None:
    """Own loss against own weight, both on logarithmic axes."""
    learnt = data.swarm(fits.SMALL)
    if learnt is None:
        return None
    shown, axes = _axes(2, 4, (12, 5.6))
    for axis, name in zip(axes.flat, plan.DOMAINS, strict=True):
        own = np.maximum(learnt.X[:, plan.DOMAINS.index(name)], losses.LEAST)
        slope, level = losses.line(learnt, name)
        axis.loglog(own, learnt.losses[name], "o", ms=2.5, alpha=0.7)
        ends = np.array([losses.LEAST, 1.0])
        axis.loglog(ends, np.exp(level + slope * np.log(ends)), color="C1")
        axis.set(title=name)
        low, high = np.floor(learnt.losses[name].min()), np.ceil(learnt.losses[name].max())
        axis.set_yticks(np.arange(low, high + 1), [f"{tick:.0f}" for tick in np.arange(low, high + 1)])
        axis.minorticks_off()
    shown.supxlabel(f"own weight, at least {losses.LEAST:g}")
    shown.supylabel("own loss, nats")
    return shown


def optimum() -> Figure | None:
    """What two sizes of proxies call best."""
    shown, axes = _axes(2, 2, (12, 6.4))
    for row, target in zip(axes, (plan.TARGET, MEAN), strict=True):
        for axis, model in zip(row, (models.FINE, models.PROCESS), strict=True):
            for at, (name, fit) in enumerate(optima.compared(model, target).items()):
                found = optima.optimum(fit)
                if found is None:
                    continue
                x = np.arange(len(plan.DOMAINS)) + 0.2 * (at - 1.5)
                low = np.minimum(found[0], found[1])  # weights are not below zero
                axis.bar(x, found[0], 0.2, yerr=[low, found[1]], label=name, error_kw={"lw": 0.8})
            axis.set_xticks(range(len(plan.DOMAINS)), plan.DOMAINS, rotation=20)
            axis.set(title=f"Optimum of {model}, loss: {target}", ylabel="weight")
    axes[0, 0].legend()
    return shown


PARTS: dict[str, Callable[[], Figure | None]] = {
    "ranks.png": ranks,
    "tasks.png": tasks,
    "effects.png": effects,
    "weights.png": weights,
    "optima.png": optimum,
    "sizes.png": sizes,
}
