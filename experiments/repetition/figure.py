"""The figure of the experiment, from kept results alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import grid
import numpy as np
import plan
import show

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {plan.UNMATCHED: "C1", plan.MATCHED: "C0", plan.TARGET: "black"}
LABELS = {
    plan.UNMATCHED: "short runs, unmatched",
    plan.MATCHED: "short runs, matched",
    plan.TARGET: "target, 16 times longer",
}


def draw(rows: Sequence[grid.Row], path: Path) -> None:
    """Harm against epochs and against share; the slice of German; short runs against the target."""
    from matplotlib import pyplot as plt

    shown, axes = plt.subplots(2, 2, figsize=(10, 7.6), layout="constrained")
    _harm(rows, axes[0, 0], axes[0, 1])
    _slice(rows, axes[1, 0])
    _against(rows, axes[1, 1])
    shown.savefig(path, dpi=110)
    plt.close(shown)


def _harm(rows: Sequence[grid.Row], by_epochs: Axes, by_share: Axes) -> None:
    for domain, marker in zip(plan.SMALL, ("o", "^"), strict=True):
        found = grid.harms(rows, domain)
        by_epochs.scatter(found[:, 1], found[:, 2], c=np.log(found[:, 0]), cmap="viridis", marker=marker, label=domain)
        by_share.scatter(found[:, 0], found[:, 2], c=np.log(found[:, 1]), cmap="magma_r", marker=marker, label=domain)
    by_epochs.set_xscale("log", base=2)
    by_epochs.set_xticks(plan.GRID_EPOCHS[1:], [str(each) for each in plan.GRID_EPOCHS[1:]])
    by_epochs.set(xlabel="epochs of the domain (light: large share)")
    by_epochs.set(title="What repetition does to the domain's own loss")
    by_share.set(xlabel="share of the domain (dark: many epochs)", title="The same against the share")
    for axis in (by_epochs, by_share):
        axis.set(ylabel="loss - that of one epoch, same share, nats")
        for found in axis.legend().legend_handles:
            found.set_color("0.4")


def _slice(rows: Sequence[grid.Row], axis: Axes) -> None:
    for kind in show.kinds(rows):
        colour = COLOURS[kind]
        shares, values = show.along(rows, kind)
        axis.plot(shares, values - values.min(), "o-", color=colour, label=LABELS[kind])
        axis.axvline(show.best_share(shares, values, 0.0)[0], color=colour, linestyle=":")
    axis.set(xlabel="share of German (the rest in equal parts)", ylabel="mean loss above the least, nats")
    axis.set(title="Which share is best (dotted)")
    axis.set_ylim(top=1.5 * axis.get_ylim()[1])  # room for the legend
    axis.legend(loc="upper right")


def _against(rows: Sequence[grid.Row], axis: Axes) -> None:
    """The same mixtures short and long; short runs of both kinds where nothing long has been run."""
    target = show.by_name(rows, plan.TARGET)
    if not target:
        one, other = (show.by_name(rows, kind) for kind in show.SHORT)
        names = [name for name in one if name in other]
        axis.plot([one[name] for name in names], [other[name] for name in names], "o", color="C2")
        axis.set(xlabel="mean loss, unmatched, nats", ylabel="mean loss, matched, nats", title="The same mixtures")
        return
    for kind in show.SHORT:
        own = show.by_name(rows, kind)
        names = [name for name in target if name in own]
        x = np.array([own[name] for name in names])
        axis.plot(x - x.mean(), [target[name] for name in names], "o", color=COLOURS[kind], label=LABELS[kind])
    axis.set(xlabel="mean loss of a short run, its average taken off, nats", ylabel="mean loss of the target, nats")
    axis.set(title="The same mixtures, short and long")
    axis.locator_params(axis="x", nbins=6)
    axis.legend()
