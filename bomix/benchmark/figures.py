"""Figures of a benchmark: regret against trials, time against trials and against domains."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from bomix.benchmark.dataset import best_rule

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bomix.space.polytope import Array

_PANEL = (3.6, 2.8)
"""Inches of a panel: two beside each other fill the width of a page."""
_FLOOR = 1e-5
"""Regrets below are drawn here: the axis is logarithmic."""

# How figures look: small type, few lines, and the same bytes for the same numbers.
_STYLE: Any = {
    "font.size": 8.0,
    "axes.titlesize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e8ea",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.hashsalt": "bomix",
    "text.parse_math": False,
}


def regret(found: xr.Dataset) -> bytes:
    """Simple regret of the recommendation against trials: mean over seeds, band between the quartiles; PNG.

    Each method is shown by the rule of recommendation that served it best.
    """
    table = best_rule(found)
    with _figure(found.sizes["problem"]) as (figure, axes, content):
        for axis, problem in zip(axes, found["problem"].values.tolist(), strict=True):
            for place, method in enumerate(found["method"].values.tolist()):
                values = table.sel({"problem": problem, "method": method}).transpose("trial", "seed").values
                _band(axis, found["trial"].values, np.maximum(values, _FLOOR), method, place)
            axis.set(title=problem, xlabel="trials", ylabel="simple regret, nats per token", yscale="log")
            axis.axvline(int(found["design"].sel(problem=problem)), color="#8a8f94", linewidth=0.8, linestyle=":")
        _legend(figure, axes)
    return content.getvalue()


def seconds(found: xr.Dataset) -> bytes:
    """CPU-seconds per suggestion against trials, a panel for each problem, and against domains at the end; PNG."""
    problems = found["problem"].values.tolist()
    with _figure(len(problems) + 1) as (figure, axes, content):
        for place, method in enumerate(found["method"].values.tolist()):
            last: dict[int, list[float]] = {}
            for axis, problem in zip(axes, problems, strict=False):
                values = found["ask_s"].sel({"problem": problem, "method": method}).transpose("trial", "seed").values
                _band(axis, found["trial"].values, np.maximum(values, 1e-4), method, place)
                known = values[np.isfinite(values).any(axis=1)][-5:]
                if known.size:
                    last.setdefault(int(found["domains"].sel(problem=problem)), []).append(float(np.nanmean(known)))
            k = sorted(last)
            if k:
                axes[-1].plot(k, [np.mean(last[d]) for d in k], "o-", color=_colour(place), markersize=3, linewidth=1.2)
        for axis, problem in zip(axes, problems, strict=False):
            axis.set(title=problem, xlabel="trials", ylabel="CPU-s per suggestion", yscale="log")
        axes[-1].set(title="last trials", xlabel="domains", ylabel="CPU-s per suggestion", xscale="log", yscale="log")
        _legend(figure, axes)
    return content.getvalue()


def _band(axis: Axes, trials: Array, values: Array, label: str, place: int) -> None:
    """Mean over seeds with a band between the quartiles; ``values`` is ``trial x seed``."""
    there = np.isfinite(values).any(axis=1)
    if not there.any():
        return
    known = values[there]
    low, high = np.nanquantile(known, [0.25, 0.75], axis=1)
    colour = _colour(place)
    axis.fill_between(trials[there], low, high, color=colour, alpha=0.15, linewidth=0.0)
    axis.plot(trials[there], np.nanmean(known, axis=1), "o-", color=colour, label=label, markersize=2, linewidth=1.2)


def _plain_ticks(axis: Axes) -> None:
    """Numbers as they are read: 0.001, not a power of ten."""
    from matplotlib.ticker import FuncFormatter

    def between(value: float, _: int) -> str:
        """Where an axis spans less than a decade, its powers of ten alone may say nothing."""
        return f"{value:g}" if round(value / 10.0 ** np.floor(np.log10(value))) in (2, 5) else ""

    for side in (axis.xaxis, axis.yaxis):
        if side.get_scale() == "log":
            side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            side.set_minor_formatter(FuncFormatter(between))


def _colour(place: int) -> Any:
    import matplotlib

    return matplotlib.colormaps["tab20"]((2 * place) % 20 + (place // 10) % 2)


def _legend(figure: Figure, axes: list[Axes]) -> None:
    entries: dict[str, Any] = {}
    for axis in axes:
        handles, labels = axis.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=5)


@contextmanager
def _figure(panels: int) -> Iterator[tuple[Figure, list[Axes], io.BytesIO]]:
    """A figure with so many panels; its file is in the buffer afterwards."""
    from matplotlib import style
    from matplotlib.figure import Figure

    columns = min(panels, 4)
    rows = -(-panels // columns)
    content = io.BytesIO()
    with style.context(["default", _STYLE]):
        figure = Figure(figsize=(_PANEL[0] * columns, _PANEL[1] * rows + 0.5), layout="constrained")
        axes = list(figure.subplots(rows, columns, squeeze=False).flat)
        for axis in axes[panels:]:
            axis.set_axis_off()
        yield figure, axes[:panels], content
        for axis in axes:
            _plain_ticks(axis)
        figure.savefig(content, format="png", dpi=130, metadata={"Software": None})
