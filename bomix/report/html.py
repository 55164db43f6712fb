"""The page: one file that needs no network, with everything that it shows in it."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

import bomix
from bomix.report import limits, summary, tables
from bomix.report.figures.catalogue import Entry, drawable
from bomix.report.figures.search import largest
from bomix.report.figures.style import DARK, label
from bomix.report.phases import phase_table
from bomix.report.prose import prose
from bomix.report.sliders import sliders, what_if_data

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from bomix.report.findings import Findings

SECTIONS: Mapping[str, str] = {
    "answer": "The answer",
    "what-if": "What if",
    "search": "The search",
    "effects": "What domains do",
    "checks": "How far to believe it",
    "runs": "The runs",
}
"""Parts of the page, in their order."""


def page(found: Findings) -> str:
    """The whole page as HTML.

    Args:
        found: What it says and shows. Names in it may be anything: they are shown as they are, never run.
    """
    figures = {entry: _drawn(found, entry) for entry in drawable(found)}
    parts = {name: _section(found, name, figures) for name in SECTIONS}
    links = [f'<li><a href="#{name}">{SECTIONS[name]}</a></li>' for name, part in parts.items() if part]
    body = "\n".join(part for part in parts.values() if part)
    title = html.escape(f"{found.name}: data mixture")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="generator" content="bomix {bomix.__version__}">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{_asset("page.css")}</style>
</head>
<body>
<a class="skip" href="#answer">Skip to the answer</a>
<nav aria-label="Parts of the page"><ul>{"".join(links)}</ul></nav>
<header class="page">
<p class="kicker">{html.escape(_kicker(found))}</p>
<h1>{prose(summary.headline(found))}</h1>
</header>
<main>
<noscript><p>The figures and the sliders need JavaScript; the words and tables do not.</p></noscript>
{body}
</main>
<footer>Written by bomix {bomix.__version__} from the record of “{html.escape(found.name)}”. Lower is better; weights
are shares of the training tokens; intervals are central 95 % intervals.</footer>
{_json("page-data", _page_data(found))}
{_drawings(figures)}
<script>{_plotly()}</script>
<script>{_asset("page.js")}</script>
</body>
</html>
"""


_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)
"""The browser itself refuses whatever the page might ask the network for."""


def _section(found: Findings, name: str, figures: Mapping[Entry, list[go.Figure]]) -> str:
    """A part of the page; empty where there is nothing to show in it."""
    inside = [_figure(found, entry, drawn[0]) for entry, drawn in figures.items() if entry.section == name]
    if name == "answer":
        inside = [*_answer(found), *inside]
    elif name == "what-if":
        inside = [sliders(found)] if found.model is not None and found.model.what_if is not None else []
    elif name == "runs":
        inside = [*inside, tables.runs(found)]
    if not any(inside):
        return ""
    return f'<section id="{name}" aria-labelledby="head-{name}">\n<h2 id="head-{name}">{SECTIONS[name]}</h2>\n' + (
        "\n".join(inside) + "\n</section>"
    )


def _answer(found: Findings) -> list[str]:
    """Words and tables of the first part."""
    said = [*summary.gains(found), " ".join(summary.winners_and_losers(found))]
    shape = [*summary.flatness(found), *summary.epochs(found)]
    lists = [("What limits the answer", limits.limits(found)), ("What to run next", summary.next_steps(found))]
    blocks = "".join(f"<div><h3>{head}</h3>{_said(lines)}</div>" for head, lines in lists if lines)
    return [
        tables.tiles(found),
        _said(each for each in (*said, *shape) if each),
        f'<div class="columns">{blocks}</div>',
        tables.mixture(found),
        *([] if found.phased is None else [phase_table(found.phased)]),
        tables.metrics(found),
    ]


def _said(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{prose(line)}</li>" for line in lines)
    return f'<ul class="said">{items}</ul>' if items else ""


def _figure(found: Findings, entry: Entry, drawn: go.Figure) -> str:
    variants = entry.variants(found)
    name = entry.name
    choices = _variant_choice(entry, variants) if len(variants) > 1 else ""
    if name == "ternary":
        choices = _corner_choices(found)
    described = prose(entry.says(found))
    height = f"min-height:{drawn.layout.height:.0f}px"  # nothing moves when it is drawn
    return (
        f'<figure><h3>{entry.title}</h3><figcaption id="says-{name}">{described}</figcaption>{choices}'
        f'<div class="plot" id="plot-{name}" data-name="{name}" data-first="0" role="img" style="{height}" '
        f'aria-label="{entry.title}" aria-describedby="says-{name}"></div></figure>'
    )


def _variant_choice(entry: Entry, variants: tuple[str, ...]) -> str:
    options = "".join(f'<option value="{at}">{html.escape(name)}</option>' for at, name in enumerate(variants))
    return (
        f'<p class="choices"><label>of <select data-variant-of="{entry.name}" '
        f'aria-label="{entry.title}: which value">{options}</select></label></p>'
    )


def _corner_choices(found: Findings) -> str:
    chosen = largest(found)
    selects = []
    for corner, first in enumerate(chosen):
        options = "".join(
            f'<option value="{at}"{" selected" if name == first else ""}>{html.escape(name)}</option>'
            for at, name in enumerate(found.domains)
        )
        selects.append(f'<select data-corner="{corner}" aria-label="domain of corner {corner + 1}">{options}</select>')
    return f'<p class="choices">{" ".join(selects)}</p>'


def _drawn(found: Findings, entry: Entry) -> list[go.Figure]:
    """A figure, or one for each value that it can be chosen for."""
    variants = entry.variants(found)
    return [entry.draw(found, name) for name in variants] if variants else [entry.draw(found)]


def _drawings(figures: Mapping[Entry, list[go.Figure]]) -> str:
    """Every figure as plain data that is read when it comes into view."""
    return "\n".join(
        _script(f"figure-{entry.name}-{at}", str(figure.to_json()))
        for entry, drawn in figures.items()
        for at, figure in enumerate(drawn)
    )


def _page_data(found: Findings) -> dict[str, Any]:
    """What the page computes with."""
    return {
        "dark": dict(DARK),
        "labels": [label(name) for name in found.domains],
        "trials": np.round(found.weights, 5).tolist(),
        "mixtures": [
            {"name": name, "weights": [mixture[domain] for domain in found.domains]}
            for name, mixture in found.mixtures.items()
        ],
        **what_if_data(found),
    }


def _kicker(found: Findings) -> str:
    counts = f"{len(found.values)} trial{'' if len(found.values) == 1 else 's'} completed"
    of = f"{len(found.domains)} domains, {len(found.metrics)} metric{'' if len(found.metrics) == 1 else 's'}"
    return f"{found.name} · {counts} · {of}"


def _json(name: str, content: Any) -> str:
    return _script(name, json.dumps(content, allow_nan=False))


def _script(name: str, content: str) -> str:
    """Plain data in a script element; nothing in it can end the element, whatever users call their domains."""
    safe = content.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return f'<script type="application/json" id="{name}">{safe}</script>'


def _asset(name: str) -> str:
    return resources.files("bomix.report").joinpath("assets", name).read_text("utf-8")


def _plotly() -> str:
    """Plotly's own code, as its Python package brings it."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())
