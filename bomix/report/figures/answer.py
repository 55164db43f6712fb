"""Figures of the answer: its weights, and what each metric gains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bomix.report.figures.style import BEST, BETTER, INK, LINE, MARKS, QUIET, WORSE, escaped, figure, label, number
from bomix.report.findings import RECOMMENDED
from bomix.surrogates.cross_validation.scores import Z95

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from bomix.report.findings import Findings
    from bomix.space.weights import Weights

_ROW = 30
"""Pixels of a domain: three bars and small type."""


def weights(found: Findings) -> go.Figure:
    """The mixture beside natural and uniform, and how far each weight may move; largest weights first."""
    assert found.best is not None
    best = found.best
    names = sorted(found.domains, key=lambda name: -best.weights[name])
    made = figure(90 + _ROW * len(names), barmode="group", bargap=0.28, bargroupgap=0.08)
    rows = [label(name) for name in names]
    for title, mixture in found.mixtures.items():
        values = [mixture[name] for name in names]
        ranges = best.ranges if title == RECOMMENDED else {}
        made.add_bar(
            y=rows,
            x=values,
            name=title,
            orientation="h",
            marker={"color": MARKS[title]},
            error_x={
                "array": [max(0.0, ranges[name][1] - mixture[name]) for name in names],
                "arrayminus": [max(0.0, mixture[name] - ranges[name][0]) for name in names],
                "color": INK,
                "thickness": 1.2,
                "width": 3,
            }
            if ranges
            else None,
            customdata=[f"{escaped(name)}: {mixture[name]:.1%} {title}{_range(ranges.get(name))}" for name in names],
            hovertemplate="%{customdata}<extra></extra>",
        )
    made.update_yaxes(autorange="reversed", showgrid=False, tickfont={"color": INK})
    made.update_xaxes(tickformat=".0%", title="share of the training tokens", rangemode="tozero")
    return made


def _range(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"<br>{ends[0]:.1%} to {ends[1]:.1%} is nearly as good"


def gains(found: Findings) -> go.Figure:
    """What each metric gains over the reference, with 95 % intervals, the largest gain first.

    The change is shown in standard deviations of the metric over the trials, so that metrics of any unit compare; what
    hovers has it in the metric's own.
    """
    assert found.model is not None
    model = found.model
    signs, scale = np.array(found.problem.signs), found.spreads[1:]
    change, sd = model.mixtures.change[0, 1:], model.mixtures.change_sd[0, 1:]
    gain, half = -signs * change / scale, Z95 * sd / scale
    order = np.argsort(-gain)
    made = figure(100 + 24 * len(order))
    made.add_vline(x=0.0, line={"color": LINE, "width": 1})
    for better in (True, False):
        these = [at for at in order if (gain[at] >= 0.0) == better]
        if not these:
            continue
        made.add_scatter(
            x=gain[these],
            y=[label(found.metrics[at]) for at in these],
            mode="markers",
            marker={"color": BETTER if better else WORSE, "size": 9, "symbol": "circle" if better else "diamond"},
            error_x={"array": half[these], "thickness": 1.6, "width": 0, "color": BETTER if better else WORSE},
            name=f"better than {model.reference}" if better else f"worse than {model.reference}",
            customdata=[
                [
                    escaped(found.metrics[at]),
                    f"{change[at]:+.4f}",
                    number(change[at] - Z95 * sd[at]),
                    number(change[at] + Z95 * sd[at]),
                ]
                for at in these
            ],
            hovertemplate="%{customdata[0]}: %{customdata[1]} [%{customdata[2]}, %{customdata[3]}]<extra></extra>",
        )
    made.update_yaxes(
        categoryorder="array", categoryarray=[label(found.metrics[at]) for at in order[::-1]], showgrid=False
    )
    made.update_xaxes(title=f"gain over {model.reference}, in standard deviations of the trials (right is better)")
    return made


def front(found: Findings) -> go.Figure:
    """Mixtures of which none is beaten in every group: the first two groups, or each by its first two."""
    assert found.best is not None
    points = found.best.front
    groups = list(points[0].groups)[:2]
    made = figure(420)
    for tried in (True, False):
        these = [point for point in points if point.trial == tried]
        if these:
            made.add_scatter(
                x=[point.groups[groups[0]] for point in these],
                y=[point.groups[groups[-1]] for point in these],
                mode="markers",
                marker={"size": 10, "color": BEST, "symbol": "circle" if tried else "circle-open"},
                name="tried" if tried else "predicted only",
                customdata=["<br>".join(_largest(point.weights)) for point in these],
                hovertemplate="%{x:.4f}, %{y:.4f}<br>%{customdata}<extra></extra>",
            )
    higher = points[0].higher
    made.update_xaxes(title=f"{label(groups[0])} ({'higher' if groups[0] in higher else 'lower'} is better)")
    made.update_yaxes(title=f"{label(groups[-1])} ({'higher' if groups[-1] in higher else 'lower'} is better)")
    made.update_layout(title={"font": {"color": QUIET}})
    return made


def _largest(weights: Weights) -> list[str]:
    largest = sorted(weights.items(), key=lambda item: -item[1])[:8]
    return [f"{label(name)} {share:.1%}" for name, share in largest if share > 0.0]
