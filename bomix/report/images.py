"""The figures of a report as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bomix.errors import ConfigError
from bomix.report.figures.catalogue import drawable

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from bomix.report.findings import Findings

_WIDTH = 980
"""Pixels of a figure's width: that of the page's column."""
_SCALE = 2
"""Device pixels per pixel of a PNG, so that it is sharp in print."""


def save(found: Findings, folder: Path, kind: str) -> list[Path]:
    """Write every figure; of one that can be chosen for several metrics the first, the objective as a rule.

    Args:
        found: What is drawn.
        folder: Where to; it is made where it is missing.
        kind: ``png``, ``svg`` or ``pdf``.

    Returns:
        The files, in the order of the page.

    Raises:
        ConfigError: Kaleido is missing, or finds no Chromium.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {}
    for entry in drawable(found):
        variants = entry.variants(found)
        drawn[folder / f"{entry.name}.{kind}"] = entry.draw(found, variants[0]) if variants else entry.draw(found)
    _write(list(drawn.values()), list(drawn), kind)
    return list(drawn)


def _write(figures: list[go.Figure], paths: list[Path], kind: str) -> None:
    import plotly.io

    try:
        from choreographer.errors import ChromeNotFoundError
    except ModuleNotFoundError:
        raise ConfigError("figures as files need kaleido; pip install 'bomix[images]'") from None
    try:
        plotly.io.write_images(figures, paths, format=kind, width=_WIDTH, scale=_SCALE if kind == "png" else 1)
    except (RuntimeError, ChromeNotFoundError) as error:
        what = "figures as files need a Chromium (Debian: apt install chromium; elsewhere BROWSER_PATH names one)"
        raise ConfigError(f"{what}: {error}") from None
