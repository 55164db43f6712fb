"""The figure of a validation: what was predicted against what was observed, and whether the intervals hold."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from bomix.problem import NATS_PER_TOKEN
from bomix.surrogates.cross_validation.scores import Z95, empirical_coverage

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bomix.space.polytope import Array

FORMATS = ("png", "pdf", "svg")

_INSIDE, _OUTSIDE, _LINE, _QUIET = "#2b6c99", "#d1495b", "#8a8f94", "#5b6066"
_PANEL = 2.75
"""Inches of a panel's side: three beside each other fill the width of a page."""
_WIDTH = 28
"""Letters of a title in a line: as many as stand above a panel in the font of titles."""
_LEVELS = np.linspace(0.05, 0.99, 48)
"""Levels of the intervals whose coverage is drawn, every two percent; below 5 % and at 100 % there is nothing to
see."""
STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.edgecolor": "#b9bec3",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.labelcolor": _QUIET,
    "axes.labelsize": 8.0,
    "xtick.color": _QUIET,
    "ytick.color": _QUIET,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "svg.hashsalt": "bomix",
    "text.parse_math": False,  # names are the user's: a dollar in them begins no formula
    "text.usetex": False,
}
"""How figures look: small type, few lines, and the same bytes for the same numbers."""


def render(validation: xr.Dataset, *, file_format: str = "png") -> bytes:
    """Draw a validation.

    Args:
        validation: Predictions and scores, from :func:`bomix.recommendation.validate.validate`.
        file_format: One of :data:`FORMATS`.

    Returns:
        The content of the file; the same validation gives the same bytes.
    """
    return written(lambda: figure(validation), STYLE, file_format)


def written(draw: Callable[[], Figure], settings: Any, file_format: str) -> bytes:
    """A figure as the content of a file, without the time or the machine in it.

    Args:
        draw: Makes the figure.
        settings: Matplotlib's, on top of its own defaults.
        file_format: One of :data:`FORMATS`.
    """
    import matplotlib
    from matplotlib import style

    stamp = {"png": {"Software": "bomix"}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[file_format]
    with style.context("default"), matplotlib.rc_context(settings), warnings.catch_warnings():
        # A glyph that the font lacks, of a metric's name, is drawn as a box: no news for who runs a command.
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        content = io.BytesIO()
        draw().savefig(content, format=file_format, dpi=160, metadata=stamp)
    return content.getvalue()


def figure(validation: xr.Dataset) -> Figure:
    """One panel for the objective and one for each metric, and a last one for the calibration of all."""
    from matplotlib.figure import Figure

    names = validation["metric"].values.tolist()
    panels = len(names) + 2
    columns = next((width for width, limit in ((3, 6), (4, 12), (5, 20)) if panels <= limit), 6)
    rows = math.ceil(panels / columns)
    drawn = Figure(figsize=(_PANEL * columns + 0.3, (_PANEL + 0.25) * rows + 0.5), layout="constrained")
    grid = drawn.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[panels:]:
        axes.remove()
    _predicted(grid[0], validation, None)
    for position, axes in enumerate(grid[1 : len(names) + 1]):
        _predicted(axes, validation, position)
    _calibration(grid[panels - 1], validation)
    common = set(validation["unit"].values.tolist()) == {NATS_PER_TOKEN}
    for place, axes in enumerate(grid[: panels - 1]):
        if place % columns == 0:
            axes.set_ylabel("predicted, with 95 % interval")
        if place + columns >= panels:
            axes.set_xlabel(f"observed, {NATS_PER_TOKEN}" if common else "observed")
    drawn.suptitle(str(validation.attrs["description"]), fontsize=9.5, color="#222222", x=0.01, ha="left")
    return drawn


def _predicted(axes: Axes, validation: xr.Dataset, position: int | None) -> None:
    """Predicted against observed, of one metric or, without a position, of the objective."""
    y, mean, sd = _values(validation, position)
    half_width = Z95 * sd
    inside = np.abs(y - mean) <= half_width
    for these, colour in ((inside, _INSIDE), (~inside, _OUTSIDE)):
        if these.any():
            axes.errorbar(
                y[these], mean[these], half_width[these], fmt="none", ecolor=colour, elinewidth=0.8, alpha=_fade(len(y))
            )
            axes.plot(y[these], mean[these], "o", color=colour, markersize=3.2 if len(y) <= 100 else 2.2, mew=0)
    _square(axes, y, mean, half_width)
    _titled(axes, _name(validation, position), _summary(validation, position))


def _calibration(axes: Axes, validation: xr.Dataset) -> None:
    """Share of runs inside central intervals of every nominal share: metrics thin, the objective thick."""
    axes.plot([0, 1], [0, 1], color=_LINE, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    for position in range(validation.sizes["metric"]):
        label = "each metric" if position == 0 else None
        shares = empirical_coverage(*_values(validation, position), _LEVELS)
        axes.plot(_LEVELS, shares, color=_LINE, linewidth=0.9, alpha=0.75, label=label, zorder=2)
    y, mean, sd = _values(validation, None)
    if len(y):
        axes.plot(
            _LEVELS, empirical_coverage(y, mean, sd, _LEVELS), color=_INSIDE, linewidth=2, label="objective", zorder=4
        )
        chance = 2.0 * np.sqrt(_LEVELS * (1.0 - _LEVELS) / len(y))
        low, high = np.clip([_LEVELS - chance, _LEVELS + chance], 0.0, 1.0)
        axes.fill_between(_LEVELS, low, high, color=_INSIDE, alpha=0.10, linewidth=0, label="chance, ± 2 se", zorder=0)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xticks=[0, 0.5, 0.95], yticks=[0, 0.5, 0.95], box_aspect=1)
    axes.legend(fontsize=7.5, frameon=False, loc="lower right", labelcolor=_QUIET, borderaxespad=0.1, handlelength=1.4)
    _titled(axes, "calibration", "above the diagonal: intervals too wide")
    axes.set_xlabel("nominal share")
    axes.set_ylabel("share of runs inside")


def _values(validation: xr.Dataset, position: int | None) -> tuple[Array, Array, Array]:
    """Observed, mean and standard deviation of the trials that have the metric, or the objective."""
    prefix = "objective_" if position is None else ""
    names = [f"{prefix}{name}" for name in ("observed", "mean", "sd")]
    y, mean, sd = (
        validation[name].values if position is None else validation[name].values[:, position] for name in names
    )
    seen = np.isfinite(y) & np.isfinite(mean) & np.isfinite(sd)
    return y[seen], mean[seen], sd[seen]


def _square(axes: Axes, y: Array, mean: Array, half_width: Array) -> None:
    """Equal limits on both sides, and the diagonal on which a prediction is right.

    A few intervals far wider than all that was observed are cut, so that the points keep room.
    """
    from matplotlib.ticker import MaxNLocator

    if not len(y):
        axes.text(0.5, 0.5, "never measured", ha="center", va="center", transform=axes.transAxes, color=_QUIET)
        axes.set(xticks=[], yticks=[], box_aspect=1)
        return
    points = np.concatenate([y, mean])
    spread = max(float(np.ptp(points)), 1e-9 * max(1.0, float(np.abs(points).max())))
    low = max(float((mean - half_width).min()), float(points.min()) - spread)
    high = min(float((mean + half_width).max()), float(points.max()) + spread)
    low, high = min(low, float(points.min())), max(high, float(points.max()))
    margin = 0.04 * max(high - low, spread)
    ends = (low - margin, high + margin)
    axes.plot(ends, ends, color=_LINE, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    axes.set(xlim=ends, ylim=ends, box_aspect=1)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(4, min_n_ticks=2))


def _titled(axes: Axes, title: str, below: str) -> None:
    axes.set_title(f"{title}\n", loc="left", color="#222222", fontweight="bold", pad=5)
    axes.annotate(below, (0, 1), (0, 5), "axes fraction", "offset points", fontsize=7.5, color=_QUIET)


def _name(validation: xr.Dataset, position: int | None) -> str:
    """The title of a panel: at most two lines, with unit and direction where they are unusual."""
    if position is None:
        return "objective (lower is better)"
    text = str(validation["metric"].values[position])
    unit, direction = str(validation["unit"].values[position]), str(validation["direction"].values[position])
    notes = [unit] if unit != NATS_PER_TOKEN else []
    notes += ["higher is better"] if direction == "max" else []
    return f"{_shortened(text, _WIDTH)}\n{_shortened(', '.join(notes), _WIDTH)}" if notes else wrapped(text)


def wrapped(text: str, *, width: int = _WIDTH) -> str:
    """Text in at most two lines, broken where a name has a joint; what is longer loses its middle."""
    if len(text) <= width:
        return text
    if len(text) > 2 * width:
        return f"{text[: width - 1]}…\n{text[-width:]}"
    joints = [match.end() for match in re.finditer(r"[\s/_.:-]+", text) if len(text) - width <= match.end() <= width]
    cut = min(joints, key=lambda end: abs(end - len(text) / 2)) if joints else width
    return f"{text[:cut].rstrip()}\n{text[cut:]}"


def _shortened(text: str, width: int) -> str:
    """Text in one line; what is longer loses its middle."""
    return text if len(text) <= width else f"{text[: width // 2]}…{text[-(width - width // 2 - 1) :]}"


def _summary(validation: xr.Dataset, position: int | None) -> str:
    """``Spearman 0.93, RMSE 0.012, 95 %: 94 %``."""
    prefix = "objective_" if position is None else ""
    scores = {name: validation[f"{prefix}{name}"].values for name in ("spearman", "rmse", "coverage")}
    rho, rmse, coverage = (float(value if position is None else value[position]) for value in scores.values())
    parts = [
        f"Spearman {rho:.2f}" if math.isfinite(rho) else "",
        f"RMSE {rmse:.2g}" if math.isfinite(rmse) else "",
        f"{100 * coverage:.0f} % inside" if math.isfinite(coverage) else "",
    ]
    return " · ".join(part for part in parts if part)


def _fade(n: int) -> float:
    """Opacity of the bars of ``n`` runs: the more there are, the fainter, as they lie over each other."""
    return float(np.clip(6.0 / math.sqrt(max(n, 1)), 0.15, 0.55))
