"""The figure of :mod:`bomix.report.correlation`: a heat map, metrics by scores and by each other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from bomix.report.correlation import LOSS, ranked, sentence
from bomix.report.figures.validation import wrapped, written

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

    from bomix.space.polytope import Array

_WITH, _AGAINST, _NEITHER = "#1f5a86", "#c23b4b", "#f4f4f2"
_INK, _QUIET = "#222222", "#5b6066"
_CELL, _WIDE = 0.46, 0.92
"""Inches of a cell: one number of two decimals fits the small one, a number above its interval the wide one."""
_NAME = 22
"""Letters of a name in a line: longer ones are wrapped, or names would take more room than numbers."""
_MINUS = "\N{MINUS SIGN}"
# How figures look: small type, few lines, and the same bytes for the same numbers.
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 8.0,
    "svg.hashsalt": "bomix",
    "text.parse_math": False,  # names are the user's: a dollar in them begins no formula
    "text.usetex": False,
}


def render(table: xr.Dataset, *, file_format: str = "png") -> bytes:
    """Draw a table of correlations.

    Args:
        table: ``rho``, ``lower`` and ``upper`` over (metric, other), from :func:`bomix.report.correlation.correlate`.
        file_format: One of :data:`bomix.report.figures.validation.FORMATS`.

    Returns:
        The content of the file; the same table gives the same bytes.
    """
    return written(lambda: figure(table), _STYLE, file_format)


def figure(table: xr.Dataset) -> Figure:
    """Metrics in rows, the one that goes best with the first score on top; scores left, metrics right.

    Scores have their intervals below them. What may as well be zero, by its interval, is written in grey.
    """
    from matplotlib.figure import Figure

    order, roles = ranked(table), table["role"].values.tolist()
    names, others = table["metric"].values.tolist(), table["other"].values.tolist()
    scores = [column for column, role in enumerate(roles) if role != LOSS]
    first_metric = sum(role in ("objective", "group") for role in roles)
    metrics = [others.index(names[row], first_metric) for row in order]
    blocks = [(columns, wide) for columns, wide in ((scores, _WIDE), (metrics, _CELL)) if columns]
    widths = [len(columns) * size for columns, size in blocks]
    left, above, gap = 2.1, 2.15, 0.2
    width = left + sum(widths) + gap * (len(blocks) - 1) + 0.75
    height = above + _CELL * len(order) + 0.25
    drawn = Figure(figsize=(max(width, 6.0), height))
    total = drawn.get_figwidth()
    at = left
    for position, (columns, size) in enumerate(blocks):
        place = (at / total, 0.2 / height, len(columns) * size / total, _CELL * len(order) / height)
        axes = drawn.add_axes(place)
        _heat(axes, table, order, columns, intervals=size == _WIDE)
        _labels(axes, [names[row] for row in order] if position == 0 else [], [others[column] for column in columns])
        at += len(columns) * size + gap
    bar = drawn.add_axes(((at - gap + 0.15) / total, 0.2 / height, 0.1 / total, min(1.6, _CELL * len(order)) / height))
    _scale(drawn, bar)
    title = "rank correlation of metrics over mixtures" if not scores else "rank correlation with scores and metrics"
    drawn.text(0.1 / total, 1.0 - 0.1 / height, title, va="top", fontsize=9.0, fontweight="bold", color=_INK)
    text = f"{sentence(table)}; grey: may as well be 0".replace("; ", "\n")
    drawn.text(0.1 / total, 1.0 - 0.3 / height, text, va="top", fontsize=7.0, color=_QUIET)
    return drawn


def _heat(axes: Axes, table: xr.Dataset, rows: list[int], columns: list[int], *, intervals: bool) -> None:
    """One block of cells."""
    rho, lower, upper = (table[name].values[np.ix_(rows, columns)] for name in ("rho", "lower", "upper"))
    same = table["metric"].values[rows][:, None] == table["other"].values[columns]
    same &= ~np.isin(table["role"].values[columns], ("objective", "group"))
    axes.imshow(np.where(same, np.nan, rho), cmap=colours(), vmin=-1.0, vmax=1.0, aspect="auto")
    for row, column in np.ndindex(rho.shape):
        if same[row, column]:
            axes.plot(column, row, "o", color="#c9cdd1", markersize=3)
            continue
        _number(axes, row, column, *(float(each[row, column]) for each in (rho, lower, upper)), intervals=intervals)
    axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.2)
    axes.tick_params(which="both", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _number(axes: Axes, row: int, column: int, rho: float, lower: float, upper: float, *, intervals: bool) -> None:
    """The number of a cell, with its interval where there is room."""
    if not math.isfinite(rho):
        axes.text(column, row, "-", ha="center", va="center", color=_QUIET)
        return
    ink = "white" if abs(rho) > 0.6 else _QUIET if lower <= 0.0 <= upper else _INK
    settled = not lower <= 0.0 <= upper
    at = row - 0.14 if intervals else row
    weight = "bold" if settled and intervals else "normal"
    axes.text(column, at, _plain(rho), ha="center", va="center", color=ink, fontsize=7.5, fontweight=weight)
    if intervals:
        text = f"{_plain(lower)} to {_plain(upper)}"
        axes.text(column, row + 0.24, text, ha="center", va="center", color=ink, fontsize=5.6)


def _plain(value: float) -> str:
    """Two digits; a minus of its right length, and none before a zero."""
    return f"{value + 0.0:.2f}".replace("-0.00", "0.00").replace("-", _MINUS)


def _labels(axes: Axes, rows: list[str], columns: list[str]) -> None:
    """Names of rows on the left, of columns above."""
    axes.set_yticks(range(len(rows)), [wrapped(name, width=_NAME) for name in rows], color=_INK, fontsize=7.5)
    axes.set_xticks(range(len(columns)), [wrapped(name, width=_NAME) for name in columns], color=_INK, fontsize=7.5)
    axes.xaxis.tick_top()
    axes.tick_params(axis="x", labelrotation=60)
    for label in axes.get_xticklabels():
        label.set(ha="left", va="bottom", rotation_mode="anchor", linespacing=0.9)


def _scale(drawn: Figure, axes: Axes) -> None:
    """The scale of colours, from -1 to 1."""
    ramp: Array = np.linspace(1.0, -1.0, 128)[:, None]
    axes.imshow(ramp, cmap=colours(), vmin=-1.0, vmax=1.0, aspect="auto", extent=(0.0, 1.0, -1.0, 1.0))
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.set_yticks([-1.0, 0.0, 1.0], [f"{_MINUS}1", "0", "1"], color=_QUIET, fontsize=7.0)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def colours() -> Colormap:
    """The colours of coefficients: blue at 1, red at -1, nearly white at 0."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("correlation", [_AGAINST, _NEITHER, _WITH]).with_extremes(bad="white")
