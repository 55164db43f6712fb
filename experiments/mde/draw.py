"""The figure of the eight domains: the learning curve towards another size, order by size and steps, live searches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from experiments import runs
from experiments.mde import fits, iterate, searches, show_fits, show_scales, swarm
from experiments.mde.resampling import ranked

CURVES = ("MDE", "ridge", "ridge-MDE", "DML", "BiMix", "GP", "GP-MDE")


def figure(path: Path) -> None:
    """Draw what there are runs for."""
    import matplotlib.pyplot as plt

    drawing, axes = plt.subplots(1, 3, figsize=(14, 4.4))
    _curve(axes[0])
    _pairs(axes[1])
    _searches(axes[2])
    for axis in axes:
        axis.grid(alpha=0.3)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize=7)
    drawing.tight_layout()
    drawing.savefig(path, dpi=100)


def _largest(count: int = 16) -> str:
    """The largest size of which so many held mixtures are trained."""
    return next(size for size in reversed(swarm.SIZES) if len(swarm.of("held", size)) >= count)


def _curve(axis: Any) -> None:
    size = _largest()
    real, first = swarm.of("held", size), swarm.of("held", "0.3M")
    by_name = {row["name"]: at for at, row in enumerate(first)}
    places = [by_name[row["name"]] for row in real]
    truth = swarm.losses(real) @ swarm.CRITERIA[swarm.SP]
    for method in CURVES:
        counts = (fits.EXPERTS, *fits.CURVE) if method == "MDE" else fits.CURVE
        points = [(n, show_fits.curve_point(method, n, swarm.SP, places, truth)) for n in counts]
        drawn = [(n, found) for n, found in points if found is not None]
        if not drawn:
            continue
        style = "o-" if "MDE" in method else "s--"
        line = axis.plot([n for n, _ in drawn], [found[0] for _, found in drawn], style, ms=4, lw=1.3, label=method)
        low, high = ([found[at] for _, found in drawn] for at in (1, 2))
        axis.fill_between([n for n, _ in drawn], low, high, color=line[0].get_color(), alpha=0.08)
    if size != "0.3M":
        reached = ranked(swarm.losses([first[at] for at in places]) @ swarm.CRITERIA[swarm.SP], truth)[0]
        axis.axhline(reached, color="grey", ls=":", label="their own losses at 0.3M")
    axis.set(title=f"avg-sp of held mixtures at {size}", xlabel="models of 0.3M, experts counted", ylim=(-0.2, 1.02))
    axis.set_ylabel("rank correlation")


def _pairs(axis: Any) -> None:
    largest, count = _largest(32), 32
    reference = swarm.losses(swarm.of("held", largest)[:count])
    for size, style in zip(swarm.SIZES, ("o", "s", "^"), strict=True):
        some = swarm.of("held", size)[:count]
        if len(some) < count:
            continue
        steps = range(3 if size == largest else 4)
        found = [
            show_scales.ordered(swarm.losses(some) if at == 3 else swarm.at_point(some, at), reference) for at in steps
        ]
        for name, line in (("kernel", "-"), (show_scales.JOINT, ":")):
            share = [25 * (at + 1) for at in steps]
            axis.plot(share, [each[name][0] for each in found], style + line, ms=4, label=f"{size}, {name}")
    axis.set(title=f"pairs ordered as by {largest} at the end", xlabel="% of the steps", ylim=(0.4, 1.02))
    axis.set_ylabel("share of pairs")


def _searches(axis: Any) -> None:
    rows = runs.kept(iterate.RESULTS)
    for arm, colour in zip(searches.ARMS, ("tab:red", "tab:blue"), strict=True):
        for at, each in enumerate(searches.best_so_far(rows, arm).values()):
            label = arm if at == 0 else None
            axis.plot(range(1, len(each) + 1), each, color=colour, alpha=0.6, lw=1.2, label=label)
    even = [searches.value(row) for row in searches.of(rows, "fresh", "uniform")]
    if even:
        axis.axhline(float(np.mean(even)), color="grey", ls=":", label="uniform, fresh seeds")
    axis.set(
        title="live searches, five seeds", xlabel="models trained, experts counted", ylabel="lowest mean loss so far"
    )
    lowest = axis.get_ylim()[0]
    axis.set_ylim(lowest, lowest + 0.6)
