"""How the figures of the page look: few colours, that say the same thing everywhere, and no more lines than needed."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go

INK, QUIET, LINE, GRID, PAPER = "#1b1f24", "#59616a", "#c9ced4", "#e8ebee", "#ffffff"
BEST, NATURAL, UNIFORM = "#1d5f8c", "#747c85", "#a9b0b8"
BETTER, WORSE, EVEN = "#1e608d", "#b34a1c", "#f5f6f7"
WARM, COOL = "#e19a74", "#74a9cc"
"""Ends of heat maps: the darkest on which the signs in their cells are legible."""
BAND = "rgba(29,95,140,0.16)"
QUINTILES = ("#114c74", "#4b86ae", "#8fb4cc", "#bccedb", "#d9dfe5")
"""The best fifth of the trials to the worst."""
GROUPS = ("#1d5f8d", "#b34b1d", "#5b7f2b", "#7a4f9a", "#97721a", "#3c8a86")
"""Clusters of mixtures, as far apart as colours are for all eyes."""

DARK: Mapping[str, str] = {
    INK: "#e8eaed",
    QUIET: "#a4acb4",
    LINE: "#4a525a",
    GRID: "#272d33",
    PAPER: "#14171a",
    BEST: "#6db3e2",
    NATURAL: "#98a1aa",
    UNIFORM: "#646d76",
    BETTER: "#5fa8d9",
    WORSE: "#ef9065",
    EVEN: "#20262b",
    WARM: "#a8562f",
    COOL: "#33709b",
    BAND: "rgba(109,179,226,0.20)",
    **dict(zip(QUINTILES, ("#8fd0ff", "#5f9fcb", "#41708f", "#344b5c", "#2b343c"), strict=True)),
    **dict(zip(GROUPS, ("#6db4e3", "#f09166", "#a3c86a", "#c39be0", "#d9b44a", "#7fd1cb"), strict=True)),
}
"""What the page puts in the place of each colour where dark is preferred."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_LONGEST = 26
"""Letters of a name in a figure; of a longer one the middle is left out, and hovering shows all."""
MARKS: Mapping[str, str] = {"recommended": BEST, "natural": NATURAL, "uniform": UNIFORM}


def label(name: str, longest: int = _LONGEST) -> str:
    """A user's name as text of a figure: nothing in it is read as markup, and it is no longer than fits."""
    half = longest // 2
    short = name if len(name) <= longest else f"{name[:half]}…{name[-(longest - half - 1) :]}"
    return escaped(short)


def escaped(name: str) -> str:
    """A user's name as text of a figure, as long as it is."""
    # A dollar would begin a formula where MathJax is loaded.
    return html.escape(name, quote=False).replace("$", "&#36;")


def number(value: float) -> str:
    """A value with four digits behind the point, or four that count where it is large; ``-`` where there is none."""
    if not math.isfinite(value):
        return "-"
    return f"{value:.4f}" if abs(value) < 1000.0 else f"{value:.5g}"


def figure(height: int, **layout: Any) -> go.Figure:
    """An empty figure in the style of the page.

    Args:
        height: Pixels.
        layout: Further keys of plotly's layout.
    """
    import plotly.graph_objects as go

    made = go.Figure()
    made.update_layout(
        template=go.layout.Template(layout=_TEMPLATE),
        height=height,
        **layout,
    )
    return made


def verticals(made: go.Figure, lines: Iterable[tuple[int, float, str, str]]) -> None:
    """Draw vertical lines through panels, all at once: one by one, plotly checks all of them each time.

    Args:
        made: The figure.
        lines: Number of the panel from 0, place on its axis, colour and dash of each.
    """
    shapes = []
    for panel, place, colour, dash in lines:
        number = "" if panel == 0 else str(panel + 1)
        axes = {"xref": f"x{number}", "yref": f"y{number} domain"}
        line = {"color": colour, "width": 1.2, "dash": dash}
        shapes.append({"type": "line", "x0": place, "x1": place, "y0": 0, "y1": 1, "line": line, **axes})
    made.update_layout(shapes=shapes)


def single(values: Any) -> Any:
    """Numbers in single precision, which a figure shows as well, in half the room."""
    import numpy as np

    return np.asarray(values, dtype=np.float32)


def titles(made: go.Figure, size: int = 12) -> None:
    """Set the titles of panels left, in small type."""
    made.update_annotations(font={"size": size, "color": INK}, selector={"showarrow": False})


_AXIS: dict[str, Any] = {
    "gridcolor": GRID,
    "linecolor": LINE,
    "zerolinecolor": LINE,
    "tickfont": {"size": 11, "color": QUIET},
    "title": {"font": {"size": 12, "color": QUIET}, "standoff": 8},
    "ticks": "",
    "automargin": True,
}
"""Every axis: faint lines, small quiet type, and no ticks."""
_TEMPLATE: dict[str, Any] = {
    "font": {"family": FONT, "size": 12, "color": INK},
    "paper_bgcolor": PAPER,
    "plot_bgcolor": PAPER,
    "margin": {"l": 60, "r": 16, "t": 36, "b": 48},
    "xaxis": _AXIS,
    "yaxis": _AXIS,
    "hoverlabel": {"bgcolor": PAPER, "bordercolor": LINE, "font": {"family": FONT, "size": 12, "color": INK}},
    "legend": {
        "orientation": "h",
        "yanchor": "bottom",
        "y": 1.02,
        "xanchor": "left",
        "x": 0,
        "font": {"size": 12, "color": QUIET},
        "bgcolor": "rgba(0,0,0,0)",
    },
    "colorway": list(GROUPS),
    "ternary": {
        "bgcolor": PAPER,
        **{
            side: {"gridcolor": GRID, "linecolor": LINE, "tickfont": {"size": 10, "color": QUIET}, "tickformat": ".0%"}
            for side in ("aaxis", "baxis", "caxis")
        },
    },
}
"""What every figure has in common."""
