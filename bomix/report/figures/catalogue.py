"""Every figure of a report: its name, what it is called, when there is one, and what is said beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bomix.report.figures import answer, checks, effects, runs, search

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from bomix.report.findings import Findings

MOST_VARIANTS = 41
"""Metrics that a figure of one metric at a time can be chosen for; of more, these are drawn, the objective first."""


@dataclass(frozen=True)
class Entry:
    """A figure of the report.

    Attributes:
        name: Its name in Python, in files and in the page.
        title: What it is called.
        section: The part of the page that it stands in.
        says: What it shows and how to read it, given the findings.
        has: Whether there is anything to draw.
        draw: Draws it; with variants, that of a metric.
        variants: The metrics that it can be drawn for; none where it is one figure.
        needs: What is missing where there is nothing to draw.
    """

    name: str
    title: str
    section: str
    says: Callable[[Findings], str]
    has: Callable[[Findings], bool]
    draw: Callable[..., go.Figure]
    variants: Callable[[Findings], tuple[str, ...]] = lambda found: ()
    needs: str = "it takes a few completed trials"


def _outputs(found: Findings) -> tuple[str, ...]:
    return found.outputs[:MOST_VARIANTS]


def _with_curves(found: Findings) -> tuple[str, ...]:
    table = found.completed["curve"]
    if not table.sizes["step"]:
        return ()
    seen = np.isfinite(table.values[found.known]).any(axis=(0, 1))
    return tuple(name for name, some in zip(found.metrics, seen, strict=True) if some)[:MOST_VARIANTS]


def _in_units(found: Findings) -> str:
    assert found.model is not None
    return f"Change of each metric between {found.model.reference} and the recommendation"


CATALOGUE = (
    Entry(
        "weights",
        "The mixture",
        "answer",
        lambda found: (
            "Recommended weights beside natural and uniform. The thin bracket is how far a weight may move, the "
            "others following, before the model would notice a loss."
        ),
        lambda found: found.best is not None,
        answer.weights,
    ),
    Entry(
        "gains",
        "Who gains and who loses",
        "answer",
        lambda found: f"{_in_units(found)}, with 95 % intervals. An interval that crosses the line may go either way.",
        lambda found: found.model is not None and not found.is_reference,
        answer.gains,
    ),
    Entry(
        "front",
        "The trade-off",
        "answer",
        lambda found: (
            "Mixtures of which no other is better in every group of metrics. Which of them is best depends on "
            "what a group is worth to you."
        ),
        lambda found: found.best is not None and len(found.best.front) > 1 and len(found.best.front[0].groups) > 1,
        answer.front,
        needs="it takes an objective with several groups of metrics",
    ),
    Entry(
        "history",
        "Trial by trial",
        "search",
        lambda found: (
            "Each point is a trial: hollow where it was asked for without looking at any result. Colours are "
            "clusters of mixtures. The dark line is the lowest prediction among the mixtures tried so far, by "
            "the model as it is now; unlike the lowest observation it is not fooled by a lucky seed."
        ),
        lambda found: bool(found.known.any()),
        search.history,
    ),
    Entry(
        "parallel",
        "All mixtures that were tried",
        "search",
        lambda found: (
            "A line per trial over the domains, dark for the best fifth. Where dark lines run together, the "
            "good mixtures agree; where they spread, the weight matters little."
        ),
        lambda found: found.known.sum() > 1 and len(found.domains) > 1,
        search.parallel,
    ),
    Entry(
        "ternary",
        "Three domains at a time",
        "search",
        lambda found: (
            "Shares among three domains, whatever the rest of the mixture is; a point is large where the three "
            "make up most of the tokens."
        ),
        lambda found: found.known.sum() > 1 and len(found.domains) >= 3,
        search.ternary,
        needs="it takes three domains and two trials",
    ),
    Entry(
        "effects",
        "What each domain does to each metric",
        "effects",
        lambda found: (
            f"Change of a metric when {found.model.step if found.model else 0:.0%} of the tokens of the "
            "recommended mixture are given to one domain. Blue is better, orange worse, in standard deviations of the "
            "trials. A sign says whether the value rises or falls; cells without one could be either."
        ),
        lambda found: found.model is not None and len(found.domains) > 1,
        effects.effects,
    ),
    Entry(
        "slices",
        "One weight at a time",
        "effects",
        lambda found: (
            "What is expected when one weight changes and the others keep their proportions, with 95 % bands. "
            "The full line is the recommendation, the dotted one the reference."
        ),
        lambda found: found.model is not None and len(found.domains) > 1,
        effects.slices,
        _outputs,
    ),
    Entry(
        "own_weight",
        "Loss against own weight",
        "effects",
        lambda found: (
            "Each metric against the weight of its own domain, both axes logarithmic: a power law is a straight "
            "line. The spread at one weight is what the other domains do, and noise."
        ),
        lambda found: len(found.values) > 1 and bool(found.own),
        effects.own_weight,
        needs="it takes metrics whose own domain is known",
    ),
    Entry(
        "held_out",
        "Can the model be believed?",
        "checks",
        lambda found: (
            "Left: each trial as predicted without it. Right: how many trials the intervals hold; below the "
            f"shaded band they are too narrow. {_method(found)}"
        ),
        lambda found: found.validation is not None,
        checks.held_out,
        _outputs,
    ),
    Entry(
        "correlations",
        "Which losses go together",
        "checks",
        lambda found: (
            "Rank correlations over the mixtures tried, 1 where a mixture that is better by the one is better "
            "by the other. Numbers stand where the 95 % interval leaves out zero."
        ),
        lambda found: found.correlations is not None,
        checks.correlations,
    ),
    Entry(
        "curves",
        "Curves of training",
        "runs",
        lambda found: (
            f"Losses while the trials trained, dark for the best fifth; at most {runs.MOST_CURVES} trials are "
            "drawn, a fifth of them from each."
        ),
        lambda found: bool(_with_curves(found)),
        runs.curves,
        _with_curves,
        "no trial has kept its losses over the steps",
    ),
    Entry(
        "cost",
        "Time and cost",
        "runs",
        lambda found: "Device-seconds of each trial, and device-hours of all so far.",
        lambda found: bool(np.isfinite(found.dataset["cost"].values).any()),
        runs.cost,
        needs="no trial has told its cost",
    ),
)
"""In the order of the page."""


def drawable(found: Findings) -> list[Entry]:
    """The figures that there is something to draw for."""
    return [entry for entry in CATALOGUE if entry.has(found)]


def _method(found: Findings) -> str:
    return "" if found.validation is None else f"{found.validation.attrs['description']}."
