"""The figure of a recommendation: its weights, the trials that led to it, and what it gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bomix.report.figures.validation import STYLE, wrapped, written

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BEST, _REFERENCES, _INK, _QUIET, _LINE = "#2b6c99", ("#b9bec3", "#7d8489"), "#222222", "#5b6066", "#8a8f94"
_WIDTHS = (1.25, 1.0, 1.0)
"""Shares of the three panels: names of domains stand left of the first."""
_ROW = 0.34
"""Inches of a domain: three bars beside each other, each as high as small type."""
_MOST = 20
"""Domains that are drawn; of more, those whose weights differ most, since the others would say nothing."""


@dataclass(frozen=True)
class Gain:
    """What a recommendation gains over a reference.

    Attributes:
        mean: Objective of the recommendation minus that of the reference; below zero is better.
        interval: 95 % interval of it.
        differences: The same on each seed on which both were trained; empty for a prediction.
    """

    mean: float
    interval: tuple[float, float]
    differences: tuple[float, ...] = ()


@dataclass(frozen=True)
class Picture:
    """All that is drawn.

    Attributes:
        weights: Name of a mixture to its weights, the references first and the recommendation last.
        trials: Number of each completed trial of the search, and its objective.
        designed: The numbers of those that were chosen without looking at a result.
        gains: Reference to what is gained over it.
        unit: Unit of the objective.
    """

    weights: Mapping[str, Mapping[str, float]]
    trials: Sequence[tuple[int, float]]
    designed: frozenset[int]
    gains: Mapping[str, Gain]
    unit: str


def render(picture: Picture, *, file_format: str = "png") -> bytes:
    """Draw a recommendation.

    Args:
        picture: What is drawn.
        file_format: One of :data:`bomix.report.figures.validation.FORMATS`.

    Returns:
        The content of the file; the same picture gives the same bytes.
    """
    return written(lambda: figure(picture), STYLE, file_format)


def figure(picture: Picture) -> Figure:
    """Three panels: weights, the objective over the trials, the gain over each reference."""
    from matplotlib.figure import Figure

    rows = min(_MOST, len(next(iter(picture.weights.values()))))
    drawn = Figure(figsize=(9.6, max(2.6, 0.9 + _ROW * rows)), layout="constrained")
    weights, trials, gains = drawn.subplots(1, 3, width_ratios=_WIDTHS)
    _weights(weights, picture)
    _trials(trials, picture)
    _gains(gains, picture)
    return drawn


def _colours(picture: Picture) -> dict[str, str]:
    *references, best = picture.weights
    return {**dict(zip(references, _REFERENCES, strict=False)), best: _BEST}


def _weights(axes: Axes, picture: Picture) -> None:
    """A bar for each domain and mixture."""
    names = list(next(iter(picture.weights.values())))
    spread = {name: np.ptp([mixture[name] for mixture in picture.weights.values()]) for name in names}
    shown = sorted(sorted(names, key=lambda name: -spread[name])[:_MOST], key=names.index)
    height = 0.8 / len(picture.weights)
    for at, (label, mixture) in enumerate(picture.weights.items()):
        places = np.arange(len(shown)) + (at - (len(picture.weights) - 1) / 2) * height
        axes.barh(places, [mixture[name] for name in shown], height * 0.9, color=_colours(picture)[label], label=label)
    axes.set_yticks(range(len(shown)), [wrapped(name) for name in shown], color=_INK)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.legend(fontsize=7.5, frameon=False, labelcolor=_QUIET, handlelength=1.0, borderaxespad=0.1)
    left_out = f", {len(names) - len(shown)} domains alike left out" if len(names) > len(shown) else ""
    _titled(axes, f"weights{left_out}", "share of the training tokens")


def _trials(axes: Axes, picture: Picture) -> None:
    """The objective of each trial, those of the design hollow, and the lowest so far."""
    numbers = np.array([number for number, _ in picture.trials], dtype=int)
    values = np.array([value for _, value in picture.trials])
    is_designed = np.isin(numbers, list(picture.designed))
    for these, filled, label in ((is_designed, False, "design"), (~is_designed, True, "asked by what was learnt")):
        if these.any():
            face = _BEST if filled else "white"
            axes.plot(numbers[these], values[these], "o", mfc=face, mec=_BEST, markersize=4.5, label=label)
    axes.step(numbers, np.fmin.accumulate(values), where="post", color=_LINE, linewidth=0.9, label="lowest so far")
    axes.legend(fontsize=7.5, frameon=False, labelcolor=_QUIET, handlelength=1.4, borderaxespad=0.1)
    axes.set_xlabel("trial")
    axes.set_ylabel(picture.unit)
    _titled(axes, "objective of each trial", "lower is better")


def _gains(axes: Axes, picture: Picture) -> None:
    """The difference from each reference: seeds as small points, their mean with its interval."""
    axes.axvline(0.0, color=_LINE, linewidth=0.8, linestyle=(0, (4, 3)))
    for at, gain in enumerate(picture.gains.values()):
        low, high = gain.interval
        if np.isfinite([low, high]).all():
            axes.plot([low, high], [at, at], color=_BEST, linewidth=2.2, solid_capstyle="round")
        axes.plot(gain.differences, [at + 0.14] * len(gain.differences), "o", color=_BEST, markersize=2.6, alpha=0.5)
        axes.plot(gain.mean, at, "o", color=_BEST, markersize=5.5)
        axes.annotate(f"{gain.mean:+.4f}", (gain.mean, at), (0, 8), textcoords="offset points", ha="center", color=_INK)
    axes.set_yticks(range(len(picture.gains)), [f"minus {name}" for name in picture.gains], color=_INK)
    axes.set(ylim=(max(1, len(picture.gains)) - 0.5, -0.5), xlabel=picture.unit)
    axes.tick_params(axis="y", length=0)
    seeds = max((len(gain.differences) for gain in picture.gains.values()), default=0)
    how = f"{seeds} fresh seeds, paired" if seeds else "predicted"
    _titled(axes, f"{list(picture.weights)[-1]} minus each reference", f"95 % interval, {how}; below 0 is better")


def _titled(axes: Axes, title: str, below: str) -> None:
    axes.set_title(f"{title}\n", loc="left", color=_INK, fontweight="bold", pad=5)
    axes.annotate(below, (0, 1), (0, 5), "axes fraction", "offset points", fontsize=7.5, color=_QUIET)
