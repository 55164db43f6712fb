"""Figures of what each domain does to each metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bomix.report.figures.style import (
    BAND,
    BEST,
    COOL,
    EVEN,
    INK,
    LINE,
    NATURAL,
    QUIET,
    WARM,
    escaped,
    figure,
    label,
    single,
    titles,
    verticals,
)
from bomix.report.findings import RECOMMENDED
from bomix.surrogates.cross_validation.scores import Z95

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from bomix.report.findings import Findings

MINUS = "\N{MINUS SIGN}"
SMALLEST = 5e-4
"""Weight at which those of zero stand on a logarithmic axis: half of the last digit that tables of weights have."""
_COLUMNS = 4
"""Panels beside each other: in the page's column each is then wide enough for a curve."""


def effects(found: Findings) -> go.Figure:
    """Change of each metric where a share of the recommended mixture is replaced by each domain.

    Colours are changes in standard deviations of the metric over the trials, blue for the better. Where the 95 %
    interval holds zero the cell has no sign.
    """
    assert found.model is not None
    model = found.model
    signs = np.array([1.0, *found.problem.signs])
    change, sd = model.effects.change, model.effects.change_sd
    worse = (signs * change / found.spreads).T
    sure = (np.abs(change) > Z95 * sd).T
    most = max(float(np.quantile(np.abs(worse), 0.98)), 1e-12)
    names = [label(name, 20) for name in found.domains]
    rows = [label(name, 22) for name in found.outputs]
    text = np.where(sure, np.where(change.T > 0.0, "+", MINUS), "")
    hover = [
        [
            f"{escaped(output)}: {change[at, row]:+.4f} ± {Z95 * sd[at, row]:.4f}<br>"
            f"with {model.step:.0%} of the tokens given to {escaped(domain)}"
            for at, domain in enumerate(found.domains)
        ]
        for row, output in enumerate(found.outputs)
    ]
    made = figure(130 + 26 * len(rows), margin={"l": 60, "r": 16, "t": 16, "b": 40})
    made.add_heatmap(
        z=worse,
        x=names,
        y=rows,
        text=text,
        texttemplate="%{text}",
        textfont={"size": 13, "color": INK},
        customdata=hover,
        hovertemplate="%{customdata}<extra></extra>",
        zmin=-most,
        zmax=most,
        colorscale=[[0.0, COOL], [0.5, EVEN], [1.0, WARM]],
        xgap=2,
        ygap=2,
        colorbar={
            "title": {"text": "worse ↑<br>better ↓", "font": {"size": 11, "color": QUIET}},
            "thickness": 10,
            "outlinewidth": 0,
            "tickfont": {"size": 10, "color": QUIET},
            "len": 0.8,
        },
    )
    made.update_yaxes(autorange="reversed", showgrid=False)
    made.update_xaxes(showgrid=False, tickangle=-40 if len(names) > 5 else 0)
    return made


def slices(found: Findings, metric: str = "objective", domains: Sequence[str] | None = None) -> go.Figure:
    """What is expected along the ray from the recommendation to each vertex, with a 95 % band.

    Args:
        found: What is drawn.
        metric: One of the metrics, or ``objective``.
        domains: Which of them; all unless given.
    """
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    assert found.model is not None
    model, names = found.model, list(domains or found.domains)
    output = found.outputs.index(metric)
    columns = min(_COLUMNS, len(names))
    rows = math.ceil(len(names) / columns)
    panels = make_subplots(
        rows,
        columns,
        shared_yaxes="all",
        subplot_titles=[label(name, 24) for name in names],
        horizontal_spacing=0.035,
        vertical_spacing=min(0.3, 62.0 / (150.0 * rows)),
    )
    made = figure(90 + 160 * rows)
    panels.update_layout(made.layout)
    count, shares = len(model.shares), np.asarray(model.shares)
    ends: list[float] = []
    traces: list[dict[str, Any]] = []
    lines: list[tuple[int, float, str, str]] = []
    for place, name in enumerate(names):
        at = found.domains.index(name)
        part = slice(at * count, (at + 1) * count)
        mean, low, high = (each[part, output] for each in (model.rays.mean, model.rays.lower, model.rays.upper))
        traces.append(
            {
                "x": single([*shares, *shares[::-1]]),
                "y": single([*high, *low[::-1]]),
                "fill": "toself",
                "fillcolor": BAND,
                "mode": "lines",
                "line": {"width": 0},
                "hoverinfo": "skip",
            }
        )
        traces.append(
            {
                "x": single(shares),
                "y": single(mean),
                "mode": "lines",
                "line": {"color": BEST, "width": 2},
                "customdata": single(np.stack([low, high], axis=1)),
                "hovertemplate": f"{escaped(name)} %{{x:.0%}}: %{{y:.4f}} "
                "[%{customdata[0]:.4f}, %{customdata[1]:.4f}]<extra></extra>",
            }
        )
        for title, colour, dash in ((RECOMMENDED, INK, "solid"), (model.reference, NATURAL, "dot")):
            lines.append((place, found.mixtures[title][name], colour, dash))
        ends += [*mean[shares <= 0.6], *low[shares <= 0.3], *high[shares <= 0.3]]
    places = [divmod(place, columns) for place in range(len(names)) for _ in range(2)]
    panels.add_traces(
        [go.Scatter(showlegend=False, **each) for each in traces],
        rows=[row + 1 for row, _ in places],
        cols=[column + 1 for _, column in places],
    )
    verticals(panels, lines)
    made = panels
    titles(made)
    low_end, high_end = float(np.min(ends)), float(np.max(ends))
    room = 0.05 * (high_end - low_end or 1.0)
    made.update_yaxes(range=[low_end - room, high_end + room], nticks=5)
    made.update_xaxes(tickformat=".0%", range=[0.0, 1.0], tickvals=[0.0, 0.5, 1.0])
    for row in range(rows):
        made.update_yaxes(title=_axis(found, metric) if row == rows // 2 else None, row=row + 1, col=1)
    return made


def own_weight(found: Findings) -> go.Figure:
    """The loss of each metric against the weight of its own domain, both axes logarithmic, a panel each."""
    from plotly.subplots import make_subplots

    pairs = list(found.own.items())
    columns = min(_COLUMNS, len(pairs))
    rows = math.ceil(len(pairs) / columns)
    made = make_subplots(
        rows,
        columns,
        subplot_titles=[label(metric, 24) for metric, _ in pairs],
        horizontal_spacing=0.06,
        vertical_spacing=min(0.3, 70.0 / (170.0 * rows)),
    )
    made.update_layout(figure(90 + 175 * rows).layout)
    titles(made)
    lines: list[tuple[int, float, str, str]] = []
    for place, (metric, domain) in enumerate(pairs):
        row, column = divmod(place, columns)
        weights = found.weights[:, found.domains.index(domain)]
        losses = found.completed["loss"].sel(metric=metric).values
        some = np.isfinite(losses)
        logarithmic = bool((losses[some] > 0.0).all()) if some.any() else False
        made.add_scatter(
            x=single(np.maximum(weights[some], SMALLEST)),
            y=single(losses[some]),
            mode="markers",
            marker={"size": 4 if some.sum() > 80 else 6, "color": BEST, "opacity": 0.45 if some.sum() > 80 else 0.8},
            showlegend=False,
            customdata=single(np.stack([found.completed["trial"].values[some], weights[some]], axis=1)),
            hovertemplate="trial %{customdata[0]}: weight %{customdata[1]:.3f}, %{y:.4f}<extra></extra>",
            row=row + 1,
            col=column + 1,
        )
        made.update_xaxes(
            type="log",
            tickvals=[SMALLEST, 0.01, 0.1, 1.0],
            ticktext=["0", "1%", "10%", "100%"],
            range=[math.log10(0.8 * SMALLEST), 0.05],
            row=row + 1,
            col=column + 1,
        )
        if logarithmic:
            low, high = float(losses[some].min()), float(losses[some].max())
            made.update_yaxes(
                type="log",
                tickvals=[float(f"{each:.3g}") for each in np.geomspace(low, high, 4)] if high > low else None,
                row=row + 1,
                col=column + 1,
            )
        for title, colour, dash in ((RECOMMENDED, INK, "solid"), ("natural", NATURAL, "dot")):
            if title in found.mixtures:
                lines.append((place, max(found.mixtures[title][domain], SMALLEST), colour, dash))
    verticals(made, lines)
    made.update_xaxes(gridcolor=LINE)
    return made


def _axis(found: Findings, metric: str) -> str:
    if metric == "objective":
        return found.unit
    unit = next(each.unit for each in found.problem.metrics if each.name == metric)
    return escaped(unit)
