"""Figures of the runs themselves: losses while they trained, and what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bomix.report.figures.search import FIFTHS
from bomix.report.figures.style import BEST, QUIET, QUINTILES, WORSE, escaped, figure

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from bomix.report.findings import Findings

MOST_CURVES = 150
"""Trials whose curves are drawn: more lie over each other, and a page would grow by megabytes."""


def curves(found: Findings, metric: str) -> go.Figure:
    """Losses of a metric while the trials trained, coloured by the fifth that their objective is in.

    Args:
        found: What is drawn.
        metric: One of the metrics.
    """
    data = found.completed
    table = data["curve"].sel(metric=metric).values
    steps, values = data["step"].values, found.values
    known = np.flatnonzero(np.isfinite(table).any(axis=1) & np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    fifths = np.array_split(order, min(5, max(1, len(order))))
    made = figure(400)
    for fifth in reversed(range(len(fifths))):
        these = fifths[fifth][: MOST_CURVES // 5]
        first = True
        for row in these:
            there = np.isfinite(table[row])
            made.add_scatter(
                x=steps[there],
                y=table[row, there],
                mode="lines",
                name=FIFTHS[fifth] if len(fifths) == 5 else f"trial {data['trial'].values[row]}",
                legendgroup=str(fifth),
                showlegend=first,
                line={"color": QUINTILES[fifth], "width": 1.4},
                hovertemplate=f"trial {data['trial'].values[row]}, step %{{x}}: %{{y:.4f}}<extra></extra>",
            )
            first = False
    unit = next(each.unit for each in found.problem.metrics if each.name == metric)
    made.update_xaxes(title="optimizer step")
    made.update_yaxes(title=escaped(unit))
    made.update_layout(legend={"traceorder": "reversed"})
    return made


def cost(found: Findings) -> go.Figure:
    """Device-seconds of each trial, and of all until then."""
    from plotly.subplots import make_subplots

    data = found.dataset
    there = np.isfinite(data["cost"].values)
    ids, spent = data["trial"].values[there], data["cost"].values[there]
    made = make_subplots(specs=[[{"secondary_y": True}]])
    made.update_layout(figure(320).layout)
    made.add_bar(
        x=ids,
        y=spent,
        name="this trial",
        marker={"color": BEST},
        hovertemplate="trial %{x}: %{y:,.0f} s<extra></extra>",
    )
    made.add_scatter(
        x=ids,
        y=np.cumsum(spent) / 3600.0,
        name="all until then (right)",
        mode="lines",
        line={"color": WORSE, "width": 2},
        secondary_y=True,
        hovertemplate="until trial %{x}: %{y:.2f} h<extra></extra>",
    )
    made.update_xaxes(title="trial")
    made.update_yaxes(title="device-seconds", rangemode="tozero", secondary_y=False)
    made.update_yaxes(
        title={"text": "device-hours in all", "font": {"color": QUIET}},
        rangemode="tozero",
        showgrid=False,
        secondary_y=True,
    )
    return made
