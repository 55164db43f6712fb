"""Figures of the search: which mixtures were tried, and what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bomix.report.clusters import clusters
from bomix.report.figures.style import (
    BEST,
    GROUPS,
    INK,
    LINE,
    MARKS,
    PAPER,
    QUIET,
    QUINTILES,
    escaped,
    figure,
    label,
    single,
)
from bomix.report.findings import DESIGNS, RECOMMENDED

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from bomix.report.findings import Findings
    from bomix.space.polytope import Array

FIFTHS = ("best fifth", "second fifth", "third fifth", "fourth fifth", "worst fifth")


def history(found: Findings) -> go.Figure:
    """The objective of each trial, coloured by its cluster of mixtures, and what was known to be best by then."""
    data, values, searched = found.completed, found.values, found.searched
    ids, origins = data["trial"].values, data["origin"].values
    groups = clusters(found.weights)
    made = figure(400)
    for group in range(groups.count):
        these = searched & (groups.of == group)
        designed = np.isin(origins, DESIGNS)
        if these.any():
            made.add_scatter(
                x=ids[these],
                y=values[these],
                mode="markers",
                name=f"like {groups.names(found.domains)[group]}" if groups.count > 1 else "trials",
                marker={
                    "size": 7,
                    "color": GROUPS[group % len(GROUPS)],
                    "symbol": ["circle-open" if each else "circle" for each in designed[these]],
                },
                customdata=[
                    [escaped(str(origin)), mixture]
                    for origin, mixture in zip(origins[these], _mixtures(found, np.flatnonzero(these)), strict=True)
                ],
                hovertemplate="trial %{x} (%{customdata[0]}): %{y:.4f}<br>%{customdata[1]}<extra></extra>",
            )
    confirming = np.logical_not(searched)
    if confirming.any():
        made.add_scatter(
            x=ids[confirming],
            y=values[confirming],
            mode="markers",
            name="confirmation, on fresh seeds",
            marker={"size": 7, "color": QUIET, "symbol": "x-thin-open", "line": {"width": 1.6}},
            hovertemplate="confirming trial %{x}: %{y:.4f}<extra></extra>",
        )
    lowest = np.fmin.accumulate(np.where(searched, values, np.nan)) if len(values) else values
    made.add_scatter(
        x=ids,
        y=lowest,
        mode="lines",
        line={"shape": "hv", "color": QUIET, "width": 1.2, "dash": "dot"},
        name="lowest observed so far",
        hoverinfo="skip",
    )
    if found.model is not None and len(found.model.trials) == len(ids):
        made.add_scatter(
            x=ids,
            y=np.minimum.accumulate(found.model.trials.mean[:, 0]),
            mode="lines",
            line={"shape": "hv", "color": INK, "width": 1.6},
            name="best so far, as the model now sees it",
            hovertemplate="best until trial %{x}: %{y:.4f} expected<extra></extra>",
        )
    made.update_xaxes(title="trial")
    made.update_yaxes(title=f"{found.unit} (lower is better)")
    return made


def parallel(found: Findings) -> go.Figure:
    """The weights of every trial as a line over the domains, coloured by the fifth of the trials that it is in."""
    values, weights = found.values, found.weights
    names = sorted(range(len(found.domains)), key=lambda at: -weights[:, at].mean())
    made = figure(430)
    known = np.flatnonzero(np.isfinite(values))
    fifths = np.array_split(known[np.argsort(values[known], kind="stable")], min(5, max(1, len(known))))
    for fifth in reversed(range(len(fifths))):
        these = fifths[fifth]
        gaps = np.full((len(these), 1), np.nan)
        made.add_scatter(
            x=single(np.tile([*range(len(names)), np.nan], len(these))),
            y=single(np.concatenate([weights[these][:, names], gaps], axis=1).ravel()),
            mode="lines",
            name=FIFTHS[fifth] if len(fifths) == 5 else f"trial {found.completed['trial'].values[these[0]]}",
            line={"color": QUINTILES[fifth], "width": 1.0 if len(known) > 60 else 1.5},
            opacity=(0.9 if fifth == 0 else 0.65) if len(known) <= 60 else 0.45,
            connectgaps=False,
            hoverinfo="skip",
        )
    for title, mixture in reversed(found.mixtures.items()):
        made.add_scatter(
            x=list(range(len(names))),
            y=[mixture[found.domains[at]] for at in names],
            mode="lines+markers",
            name=title,
            line={"color": MARKS[title] if title != RECOMMENDED else INK, "width": 2.4},
            marker={"size": 6},
            customdata=[escaped(found.domains[at]) for at in names],
            hovertemplate=f"{title}: %{{customdata}} %{{y:.1%}}<extra></extra>",
        )
    made.update_xaxes(
        tickvals=list(range(len(names))),
        ticktext=[label(found.domains[at], 18) for at in names],
        tickangle=-40 if len(names) > 6 else 0,
        range=[-0.2, len(names) - 0.8],
        gridcolor=LINE,
    )
    made.update_yaxes(tickformat=".0%", title="share of the training tokens", rangemode="tozero")
    made.update_layout(legend={"traceorder": "reversed"})
    return made


def ternary(found: Findings, domains: Sequence[str] | None = None) -> go.Figure:
    """The simplex of three domains, each trial by its shares among the three alone, coloured by its value.

    Args:
        found: What is drawn.
        domains: Three of them; those with the largest weights of the recommendation unless given.
    """
    three = list(domains or largest(found))
    at = [found.domains.index(name) for name in three]
    values = found.values
    shares, total = _among(found.weights[:, at])
    known = np.isfinite(values)
    made = figure(460, margin={"l": 40, "r": 40, "t": 50, "b": 60})
    made.add_scatterternary(
        a=shares[known, 0],
        b=shares[known, 1],
        c=shares[known, 2],
        mode="markers",
        name="trials",
        showlegend=False,
        marker={
            "size": 5.0 + 7.0 * np.sqrt(total[known]),
            "color": values[known],
            "colorscale": [[place / 4, colour] for place, colour in enumerate(QUINTILES)],
            "line": {"width": 0.5, "color": PAPER},
            "colorbar": {
                "title": {"text": f"{found.unit}<br>(lower is better)", "font": {"size": 11, "color": QUIET}},
                "thickness": 10,
                "len": 0.6,
                "outlinewidth": 0,
                "tickfont": {"size": 10, "color": QUIET},
            },
        },
        customdata=[[int(each)] for each in found.completed["trial"].values[known]],
        hovertemplate="trial %{customdata[0]}: %{marker.color:.4f}<br>%{a:.2f}, %{b:.2f}, %{c:.2f}<extra></extra>",
    )
    for title, mixture in found.mixtures.items():
        (share,), _ = _among(np.array([[mixture[name] for name in three]]))
        made.add_scatterternary(
            a=[share[0]],
            b=[share[1]],
            c=[share[2]],
            mode="markers",
            name=title,
            marker={
                "size": 13,
                "symbol": "star" if title == RECOMMENDED else "diamond",
                "color": MARKS[title] if title != RECOMMENDED else BEST,
                "line": {"width": 1.5, "color": INK},
            },
            hovertemplate=f"{title}<br>%{{a:.2f}}, %{{b:.2f}}, %{{c:.2f}}<extra></extra>",
        )
    made.update_ternaries(
        sum=1,
        **{
            side: {"title": {"text": label(name), "font": {"size": 12, "color": INK}}}
            for side, name in zip(("aaxis", "baxis", "caxis"), three, strict=True)
        },
    )
    return made


def largest(found: Findings) -> list[str]:
    """The three domains that a picture of the simplex shows at first: those of the largest weights."""
    mixture = next(iter(found.mixtures.values()))
    return sorted(found.domains, key=lambda name: -mixture[name])[:3]


def _among(weights: Array) -> tuple[Array, Array]:
    """Shares of three domains among themselves, ``n x 3``, and their share of all, ``n``."""
    total = weights.sum(axis=1)
    even = np.full_like(weights, 1.0 / 3.0)
    return np.divide(weights, total[:, None], out=even, where=total[:, None] > 0.0), total


def _mixtures(found: Findings, rows: Any) -> list[str]:
    """The four largest weights of some of the completed trials, as text."""
    texts = []
    for row in found.weights[rows]:
        order = np.argsort(-row, kind="stable")[:4]
        texts.append(", ".join(f"{label(found.domains[at], 18)} {row[at]:.0%}" for at in order if row[at] > 0.0))
    return texts
