"""The figure of ``bomix transfer``: which scales order mixtures alike, by what cost, and where the optimum lies."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bomix.recommendation.transfer import ENOUGH
from bomix.report.figures.correlation import colours
from bomix.report.figures.validation import STYLE, wrapped, written
from bomix.report.transfer import against_reference, short, sizes_and_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bomix.recommendation.scale_optima import Outlook
    from bomix.recommendation.transfer import Agreement, Transfer

_INK, _QUIET, _LINE = "#222222", "#5b6066", "#b9bec3"
_FIRST, _LAST = "#a9c9e0", "#143d5c"
"""Colours of the cheapest scale and of the dearest: those between them lie between them."""
_ROW = 0.26
"""Inches of a row of the heat map: small type with room around it."""
_CELL = 1.05
"""Inches of a cell: a number above its interval."""
_MOST_PAIRS = 8
"""Pairs of scales that are drawn; of more, those with the scale that others are judged by."""
_MOST_DOMAINS = 20
"""Domains that are drawn; of more, those whose weights move most."""


def render(found: Transfer, outlook: Outlook | None, unit: str, *, file_format: str = "png") -> bytes:
    """Draw what the scales of a study say of each other.

    Args:
        found: Their comparison.
        outlook: What a model expects of them; None leaves out where the optimum is.
        unit: What costs are counted in.
        file_format: One of :data:`bomix.report.figures.validation.FORMATS`.

    Returns:
        The content of the file; the same values give the same bytes.
    """
    return written(lambda: figure(found, outlook, unit), STYLE, file_format)


def figure(found: Transfer, outlook: Outlook | None, unit: str) -> Figure:
    """Three panels: rank correlation by column and pair of scales, pairs in order by cost, the optimum by scale."""
    from matplotlib.figure import Figure

    pairs = shown_pairs(found)
    optima = outlook is not None and len(outlook.optima) > 1
    rows = len(found.columns)
    grid = sizes_and_tokens(found)
    widths = [1.5 + _CELL * max(1, len(pairs)), 3.3, *([3.0] if grid else []), *([3.9] if optima else [])]
    height = max(3.4, 1.3 + _ROW * max(rows, min(_MOST_DOMAINS, _domains(outlook)) if optima else 0))
    drawn = Figure(figsize=(sum(widths), height), layout="constrained")
    panels = drawn.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0]
    _heat(panels[0], found, pairs)
    _growth(panels[1], found, unit)
    if grid:
        _grid(panels[2], found, grid)
    if outlook is not None and optima:
        _optima(panels[-1], found, outlook)
    return drawn


def shown_pairs(found: Transfer) -> list[tuple[str, str]]:
    """The pairs of scales that have runs; of many, those with the one that others are judged by."""
    pairs = list(dict.fromkeys((each.small, each.large) for each in found.agreements))
    return pairs if len(pairs) <= _MOST_PAIRS else [pair for pair in pairs if found.reference in pair]


def _domains(outlook: Outlook | None) -> int:
    return 0 if outlook is None or not outlook.optima else len(outlook.optima[0].weights)


def _heat(axes: Axes, found: Transfer, pairs: Sequence[tuple[str, str]]) -> None:
    """A row for the objective and for each metric, a column for each pair of scales; white is just enough."""
    from matplotlib.colors import TwoSlopeNorm

    cells = [[found.find(small, large, column) for small, large in pairs] for column in found.columns]
    rho = np.array([[math.nan if each is None else each.rank.rho for each in row] for row in cells])
    rho = rho.reshape(len(found.columns), len(pairs))
    _titled(axes, "do scales order mixtures alike?", f"rank correlation; blue: {ENOUGH:g} and more")
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(which="both", length=0)
    if not pairs:
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "runs of one scale only", ha="center", transform=axes.transAxes, color=_QUIET)
        return
    axes.imshow(np.ma.masked_invalid(rho), cmap=colours(), norm=TwoSlopeNorm(ENOUGH, 0.0, 1.0), aspect="auto")
    for row, column in np.ndindex(rho.shape):
        _cell(axes, row, column, cells[row][column])
    axes.set_yticks(range(len(found.columns)), [wrapped(name) for name in found.columns], color=_INK)
    axes.set_xticks(range(len(pairs)), [f"{small}\nand {large}" for small, large in pairs], color=_INK, fontsize=7.0)
    axes.set_xticks(np.arange(len(pairs) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(found.columns) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.2)
    axes.axhline(0.5, color="white", linewidth=4.0)


def _cell(axes: Axes, row: int, column: int, agreement: Agreement | None) -> None:
    """``0.97 [0.95, 0.98]``; a dash where nothing is known."""
    if agreement is None or not math.isfinite(agreement.rank.rho):
        axes.text(column, row, "-", ha="center", va="center", color=_QUIET)
        return
    rho, lower, upper, _ = agreement.rank
    ink = "white" if rho > 0.5 * (1.0 + ENOUGH) or rho < 0.4 * ENOUGH else _INK
    weight = "bold" if row == 0 else "normal"
    axes.text(column - 0.02, row, f"{rho:.2f}", ha="right", va="center", color=ink, fontsize=7.5, fontweight=weight)
    text = f" {lower:.2f} to {upper:.2f}"
    axes.text(column - 0.02, row, text, ha="left", va="center", color=ink, fontsize=5.6)


def _growth(axes: Axes, found: Transfer, unit: str) -> None:
    """The share of pairs in the order of the dearest scale, against what a run costs; metrics thin, objective thick."""
    _titled(axes, "how it grows with scale", f"pairs of mixtures ordered as at '{found.reference}'")
    for column in found.columns[1:]:
        points = against_reference(found, column)
        label = "each metric" if column == found.columns[-1] else None
        shares = [each.pairs.share for _, each in points]
        axes.plot([scale.cost for scale, _ in points], shares, "o-", color=_LINE, ms=2.5, lw=0.8, label=label)
    points = against_reference(found, found.columns[0])
    if points:
        x, shares = [scale.cost for scale, _ in points], [each.pairs.share for _, each in points]
        bars = [[each.pairs.share - each.pairs.lower for _, each in points]]
        bars += [[each.pairs.upper - each.pairs.share for _, each in points]]
        axes.errorbar(x, shares, bars, fmt="o-", color=_LAST, elinewidth=1.2, ms=5, lw=1.4, label="objective")
        for scale, each in points:
            place = (scale.cost, each.pairs.share)
            axes.annotate(scale.name, place, (6, -10), textcoords="offset points", fontsize=7.0, color=_INK)
    judged = [scale for scale in found.scales if scale.name == found.reference]
    for scale in judged:
        axes.plot([scale.cost], [1.0], "o", mfc="white", mec=_LAST, ms=5, clip_on=False, label=f"{scale.name} itself")
    _log_costs(axes, [scale.cost for scale in found.scales])
    axes.axhline(1.0, color=_LINE, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    axes.set_ylim(axes.get_ylim()[0], 1.01)
    axes.set_xlabel(f"cost of a run, {unit}")
    axes.set_ylabel("share in one order; 0.5 by chance")
    axes.legend(fontsize=7.0, frameon=False, labelcolor=_QUIET, loc="lower right", handlelength=1.4)


def _log_costs(axes: Axes, costs: Sequence[float]) -> None:
    """A logarithmic axis of costs with room for at least one power of ten."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.set_xscale("log")
    axes.set_xlim(min(costs) / math.sqrt(10.0), max(costs) * math.sqrt(10.0))
    # Labels are text, not formulas: names beside them are the user's, and formulas are not parsed.
    axes.xaxis.set_major_formatter(FuncFormatter(lambda cost, position: f"{cost:g}".replace("e+", "e")))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _grid(axes: Axes, found: Transfer, grid: dict[tuple[int, int], float]) -> None:
    """Shares of pairs in one order, sizes down and tokens across."""
    sizes, tokens = sorted({params for params, _ in grid}), sorted({count for _, count in grid})
    table = np.array([[grid.get((size, count), math.nan) for count in tokens] for size in sizes])
    axes.imshow(np.ma.masked_invalid(table), cmap=colours(), vmin=0.5, vmax=1.0, aspect="auto")
    for row, column in np.ndindex(table.shape):
        share = table[row, column]
        text, ink = (f"{share:.2f}", "white" if share > 0.9 else _INK) if math.isfinite(share) else ("-", _QUIET)
        axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=7.5)
    axes.set_yticks(range(len(sizes)), [short(size) for size in sizes])
    axes.set_xticks(range(len(tokens)), [short(count) for count in tokens])
    axes.set_ylabel("parameters")
    axes.set_xlabel("tokens")
    axes.tick_params(length=0)
    _titled(axes, "sizes and tokens", f"pairs of mixtures ordered as at '{found.reference}'")


def _optima(axes: Axes, found: Transfer, outlook: Outlook) -> None:
    """The best mixture of each scale: a point for each domain, the dearest scale darkest."""
    from matplotlib.colors import LinearSegmentedColormap

    optima = outlook.optima
    names = list(optima[0].weights)
    table = np.array([[each.weights[name] for name in names] for each in optima])
    moving = np.argsort(-np.ptp(table, axis=0), kind="stable")[:_MOST_DOMAINS]
    shown = sorted(moving.tolist())
    ramp = LinearSegmentedColormap.from_list("scales", [_FIRST, _LAST])
    for at, optimum in enumerate(optima):
        cosine = (
            "" if optimum.scale == found.target or math.isnan(optimum.cosine) else f" (cosine {optimum.cosine:.2f})"
        )
        colour = ramp(at / max(1, len(optima) - 1))
        weights = [optimum.weights[names[position]] for position in shown]
        axes.plot(weights, range(len(shown)), "o", color=colour, ms=5, label=f"{optimum.scale}{cosine}", zorder=3)
    for row, position in enumerate(shown):
        ends = table[:, position]
        axes.plot([ends.min(), ends.max()], [row, row], color=_LINE, linewidth=1.0, zorder=1)
    axes.set_yticks(range(len(shown)), [wrapped(names[position]) for position in shown], color=_INK)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    axes.set_xlabel("share of the training tokens")
    axes.legend(fontsize=7.0, frameon=False, labelcolor=_QUIET, handlelength=1.0)
    left_out = f", {len(names) - len(shown)} domains alike left out" if len(names) > len(shown) else ""
    model = "by one model of all scales" if outlook.across else "each by the runs of its scale alone"
    _titled(axes, f"the best mixture by scale{left_out}", model)


def _titled(axes: Axes, title: str, below: str) -> None:
    axes.set_title(f"{title}\n", loc="left", color=_INK, fontweight="bold", pad=5)
    axes.annotate(below, (0, 1), (0, 5), "axes fraction", "offset points", fontsize=7.5, color=_QUIET)
