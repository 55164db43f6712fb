"""Figures that tell how far the model may be believed, and which losses go together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bomix.report.figures.style import (
    BAND,
    BEST,
    COOL,
    EVEN,
    INK,
    LINE,
    QUIET,
    WARM,
    WORSE,
    escaped,
    figure,
    label,
    single,
    titles,
)
from bomix.surrogates.cross_validation.scores import Z95, empirical_coverage

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from bomix.report.findings import Findings

_LEVELS = np.linspace(0.05, 0.99, 48)
"""Levels of the intervals whose coverage is drawn, every two percent."""
_BARS = 80
"""Trials above which intervals are drawn as a faint band behind the points, as bars would hide them."""


def held_out(found: Findings, metric: str = "objective") -> go.Figure:
    """Each trial as predicted from others against what was observed, and how often intervals hold it.

    Args:
        found: What is drawn.
        metric: One of the metrics, or ``objective``.
    """
    from plotly.subplots import make_subplots

    assert found.validation is not None
    data = found.validation
    names = [f"objective_{name}" if metric == "objective" else name for name in ("observed", "mean", "sd")]
    columns = [data[name] if metric == "objective" else data[name].sel(metric=metric) for name in names]
    y, mean, sd = (column.values for column in columns)
    seen = np.isfinite(y) & np.isfinite(mean) & np.isfinite(sd)
    ids = data["trial"].values[seen]
    y, mean, sd = y[seen], mean[seen], sd[seen]
    made = make_subplots(1, 2, subplot_titles=["predicted without the trial", "calibration"], horizontal_spacing=0.12)
    made.update_layout(figure(400).layout)
    titles(made)
    inside = np.abs(y - mean) <= Z95 * sd
    ends = [float(min(y.min(), mean.min())), float(max(y.max(), mean.max()))] if len(y) else [0.0, 1.0]
    made.add_scatter(
        x=ends,
        y=ends,
        mode="lines",
        line={"color": LINE, "dash": "dash", "width": 1},
        hoverinfo="skip",
        showlegend=False,
        row=1,
        col=1,
    )
    for hit, title, colour in ((True, "inside its 95 % interval", BEST), (False, "outside", WORSE)):
        these = inside == hit
        if these.any():
            bars = {"array": single(Z95 * sd[these]), "width": 0, "thickness": 0.8, "color": colour}
            made.add_scatter(
                x=single(y[these]),
                y=single(mean[these]),
                mode="markers",
                name=title,
                marker={
                    "color": colour,
                    "size": 6 if len(y) <= _BARS else 4.5,
                    "symbol": "circle" if hit else "diamond",
                },
                error_y=bars if len(y) <= _BARS or not hit else None,
                customdata=single(np.stack([ids[these], Z95 * sd[these]], axis=1)),
                hovertemplate="trial %{customdata[0]}: observed %{x:.4f}, predicted %{y:.4f} ± %{customdata[1]:.4f}"
                "<extra></extra>",
                row=1,
                col=1,
            )
    chance = 2.0 * np.sqrt(_LEVELS * (1.0 - _LEVELS) / max(1, len(y)))
    made.add_scatter(
        x=np.concatenate([_LEVELS, _LEVELS[::-1]]),
        y=np.concatenate([np.clip(_LEVELS + chance, 0, 1), np.clip(_LEVELS - chance, 0, 1)[::-1]]),
        fill="toself",
        fillcolor=BAND,
        line={"width": 0},
        hoverinfo="skip",
        name="chance alone",
        row=1,
        col=2,
    )
    if len(y):
        made.add_scatter(
            x=_LEVELS,
            y=empirical_coverage(y, mean, sd, _LEVELS),
            mode="lines",
            line={"color": BEST, "width": 2.2},
            name="share of trials inside",
            row=1,
            col=2,
            hovertemplate="of the %{x:.0%} intervals %{y:.0%} hold the trial<extra></extra>",
        )
    made.update_xaxes(title=f"observed{_unit(found, metric)}", row=1, col=1)
    made.update_yaxes(title="predicted", row=1, col=1)
    made.update_xaxes(title="nominal share", tickformat=".0%", range=[0, 1], row=1, col=2)
    made.update_yaxes(title="share inside", tickformat=".0%", range=[0, 1.02], row=1, col=2)
    made.update_layout(legend={"y": 1.12})
    return made


def correlations(found: Findings) -> go.Figure:
    """Rank correlations of the losses of the trials, with the objective and with each other."""
    assert found.correlations is not None
    data = found.correlations
    rows = [str(name) for name in data["metric"].values]
    columns = [str(name) for name in data["other"].values]
    rho = data["rho"].values
    sure = ~((data["lower"].values <= 0.0) & (data["upper"].values >= 0.0))
    hover = [
        [
            f"{escaped(row)} and {escaped(column)}: {rho[i, j]:+.2f}<br>"
            f"95 % interval {data['lower'].values[i, j]:+.2f} to {data['upper'].values[i, j]:+.2f}"
            for j, column in enumerate(columns)
        ]
        for i, row in enumerate(rows)
    ]
    made = figure(140 + 26 * len(rows), margin={"l": 60, "r": 16, "t": 16, "b": 40})
    made.add_heatmap(
        z=rho,
        x=[label(name, 20) for name in columns],
        y=[label(name, 22) for name in rows],
        zmin=-1,
        zmax=1,
        colorscale=[[0.0, WARM], [0.5, EVEN], [1.0, COOL]],
        text=np.where(sure, np.char.mod("%.1f", np.nan_to_num(rho)), "") if len(columns) <= 20 else None,
        texttemplate="%{text}" if len(columns) <= 20 else None,
        textfont={"size": 10, "color": INK},
        customdata=hover,
        hovertemplate="%{customdata}<extra></extra>",
        xgap=2,
        ygap=2,
        colorbar={"thickness": 10, "outlinewidth": 0, "tickfont": {"size": 10, "color": QUIET}, "len": 0.8},
    )
    made.update_yaxes(autorange="reversed", showgrid=False)
    made.update_xaxes(showgrid=False, tickangle=-40 if len(columns) > 5 else 0)
    return made


def _unit(found: Findings, metric: str) -> str:
    if metric == "objective":
        return f", {found.unit}"
    return f", {escaped(next(each.unit for each in found.problem.metrics if each.name == metric))}"
