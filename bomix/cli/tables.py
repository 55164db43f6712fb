"""What a study, or the registry, holds: tables for standard output."""

from __future__ import annotations

import dataclasses
import sys
import typing

from rich.console import Console
from rich.table import Table

from bomix.config import registry
from bomix.config.build import spec_fields
from bomix.config.components import component_group
from bomix.errors import UnknownKindError
from bomix.report.shown import value
from bomix.scale import written
from bomix.space.display import mixture, share
from bomix.study.study import Study
from bomix.trial import Failure, Result, Status

_LARGE = 1e15
"""Tokens from which a count is shown with an exponent: a hundred times all text that there is."""

PLAIN_WIDTH = 120
"""Columns of a table that no terminal shows: a pipe has no width of its own."""


def console() -> Console:
    """A console on standard output for text that is shown as it is, wide enough where that is no terminal."""
    # Names are the user's: brackets in them are no markup.
    width = None if sys.stdout is not None and sys.stdout.isatty() else PLAIN_WIDTH
    return Console(width=width, markup=False, highlight=False)


def domains(study: Study) -> Table:
    """What each domain holds, the bounds of its weight, and the weight below which it is left out."""
    space, stats = study.problem.space, study.records.resolution.preparation.domains
    table = titled("domains")
    natural = study.problem.natural or {}
    heads = ("domain", "tokens", "documents", "bytes/token", "natural", "weight from", "to", "zero below")
    for column in heads:
        table.add_column(column, justify="left" if column == "domain" else "right")
    for name, lower, upper, small in zip(space.domains, space.lower, space.upper, space.negligible, strict=True):
        measured = stats.get(name)
        tokens = study.problem.tokens.get(name)
        table.add_row(
            name,
            "unknown" if tokens is None else f"{tokens:,.0f}" if tokens < _LARGE else f"{tokens:.4g}",
            "" if measured is None else f"{measured.documents:,}",
            "" if measured is None else f"{measured.bytes_per_token:.2f}",
            share(natural[name]) if name in natural else "",
            share(lower),
            share(upper),
            f"{small:.1g}",
        )
    return table


def scales(study: Study) -> Table:
    """What a run of each of several scales is and costs, how many there are, and which one is decided about."""
    problem, history = study.problem, study.history
    table = titled("scales")
    stated = any(each.cost is not None for each in study.spec.scales.values())
    for column in ("scale", "params", "tokens", "cost of a run" if stated else "FLOPs of a run", "runs", "trained", ""):
        table.add_column(column, justify="right" if column not in ("scale", "trained", "") else "left")
    for each in problem.scales:
        sizes = each.scale
        runs = sum(history.counted_as(record) == sizes for record in history.informative)
        table.add_row(
            each.name if sizes.recipe is None else f"{each.name} ({sizes.recipe})",
            written(sizes.params),
            written(sizes.tokens),
            f"{each.cost:.3g}",
            str(runs),
            "yes" if each.trained else "no",
            "decided about" if sizes == problem.scale else "",
        )
    return table


def trials(study: Study, *, latest: int | None = None) -> Table:
    """One row per trial.

    Args:
        study: Whose trials are shown.
        latest: How many of them, the last ones, and before those all that are pending; None for all.
    """
    problem, records = study.problem, study.history.all_records
    table, several = titled("trials"), bool(problem.scales)
    for column in ("trial", "status", "origin", *(("scale",) if several else ()), "seed", "objective", "mixture"):
        table.add_column(column, justify="right" if column in ("trial", "seed", "objective") else "left")
    first = 0 if latest is None else len(records) - latest
    for record in (each for place, each in enumerate(records) if place >= first or each.status is Status.PENDING):
        trial = record.trial
        objective = value(problem.value(record.result.losses)) if record.status is Status.COMPLETED else ""
        note = mixture(trial.weights)
        if trial.reweighting is not None:
            objective, note = "", f"from {note}"
            if isinstance(record.outcome, Result) and record.outcome.mixture is not None:
                note = f"{note} to {mixture(record.outcome.mixture)}"
        if isinstance(record.outcome, Failure):
            note = f"{note}: {record.outcome.message}"
        if record.revision:
            note = f"{note} (revision {record.revision})"
        if record.withdrawn is not None:
            note = f"{note}: {record.withdrawn}"
        scale = (problem.scale_name(trial.scale),) if several else ()
        table.add_row(str(trial.id), str(record.status), trial.origin, *scale, str(trial.seed), objective, note)
    return table


def kinds(group: str) -> Table:
    """The kinds of a group with their keys and defaults."""
    table = titled(group)
    for column in ("kind", "what it is", "keys"):
        table.add_column(column)
    for kind in sorted(registry.kinds(group)):
        try:
            spec = registry.resolve(group, kind)
        except UnknownKindError as error:  # of an installed package whose own requirements are missing
            table.add_row(kind, str(error), "")
            continue
        summary = (spec.__doc__ or "").strip().split("\n")[0]
        table.add_row(kind, summary, "\n".join(_keys(spec)))
    return table


def titled(title: str) -> Table:
    """An empty table with its title on the left."""
    return Table(title=title, title_justify="left", title_style="bold", min_width=len(title) + 2)


def _keys(spec: type[object]) -> list[str]:
    hints = typing.get_type_hints(spec)
    lines = []
    for field in spec_fields(spec):
        hint = hints[field.name]
        name = (
            hint.__name__
            if isinstance(hint, type)
            else str(hint).replace("typing.", "").replace("collections.abc.", "")
        )
        if field.default is not dataclasses.MISSING:
            lines.append(f"{field.name}: {name} = {_shown(hint, field.default)}")
        else:
            required = field.default_factory is dataclasses.MISSING
            lines.append(f"{field.name}: {name}{' (required)' if required else ''}")
    return lines


def _shown(hint: typing.Any, default: object) -> str:
    """A default as a study file says it; of a component its kind, whose own keys have a row of their own."""
    group = component_group(hint)
    if group is not None and default is not None:
        return registry.kind_of(group, type(default))
    if isinstance(default, tuple) and any(map(dataclasses.is_dataclass, default)):
        return f"({len(default)} of its own)"
    return repr(default)
