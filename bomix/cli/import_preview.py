"""``bomix import --dry-run``: what would come in, in tables."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import click

from bomix.io.imports.differences import KEY, SEED
from bomix.space.display import mixture, share

if TYPE_CHECKING:
    from rich.table import Table

    from bomix.io.imports.identity import Compared
    from bomix.io.imports.runs import ImportedRun, Runs
    from bomix.problem import Problem

_SHOWN = 10
"""Runs that are listed before the others are counted: enough to see that keys, weights and losses are what they are."""
_METRICS = 3
"""Metrics of a run that stand in its row: as many as fit beside its mixture."""


def show(found: Runs, compared: Compared, problem: Problem) -> None:
    """Print tables of the domains, the metrics and the first runs, and what would become of all of them.

    Args:
        found: What an importer found.
        compared: The runs against the record.
        problem: The study's domains and metrics.
    """
    from bomix.cli.tables import console

    out = console()
    out.print(_domains(found, problem))
    out.print(_metrics(found, problem))
    out.print(_runs(found, compared, problem))
    counts = {
        "new": len(compared.new),
        "already there": len(compared.there),
        "to be completed": len(compared.completed),
        "to be revised": len(compared.changed),
        "withdrawn, which stay so": len(compared.withdrawn),
    }
    said = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
    click.echo(f"{len(found.runs)} runs: {said or 'none'}; nothing was recorded")


def _domains(found: Runs, problem: Problem) -> Table:
    from bomix.cli.tables import titled

    table = titled("weights")
    for name in ("domain", "least", "mean", "most", "runs without it"):
        table.add_column(name, justify="left" if name == "domain" else "right")
    for name in problem.space.domains:
        weights = [run[0].get(name, 0.0) for run in found.runs]
        cells = (share(min(weights)), share(statistics.fmean(weights)), share(max(weights)))
        table.add_row(name, *cells, str(sum(weight == 0.0 for weight in weights)))
    return table


def _metrics(found: Runs, problem: Problem) -> Table:
    from bomix.cli.tables import titled

    table = titled("metrics")
    for name in ("metric", "unit", "runs", "least", "median", "most", "with an error"):
        table.add_column(name, justify="left" if name in ("metric", "unit") else "right")
    for metric in problem.metrics:
        values = [run[1].losses[metric.name] for run in found.runs if metric.name in run[1].losses]
        errors = sum(metric.name in run[1].sems for run in found.runs)
        shown = [f"{each:.4g}" for each in (min(values), statistics.median(values), max(values))] if values else []
        unit = metric.unit + (", higher is better" if metric.direction == "max" else "")
        table.add_row(metric.name, unit, str(len(values)), *(shown or ["-", "-", "-"]), str(errors))
    return table


def _runs(found: Runs, compared: Compared, problem: Problem) -> Table:
    from bomix.cli.tables import titled

    names = [name for name in problem.metric_names if name in found.metrics][:_METRICS]
    rest = len(found.runs) - _SHOWN
    table = titled(f"the first {_SHOWN} of {len(found.runs)} runs" if rest > 0 else "runs")
    told = [name for name in (KEY, SEED) if any(name in run[1].info for run in found.runs)]
    scales = any(scale is not None for _, _, scale in found.runs)
    for name in (*told, *(["scale"] if scales else []), "mixture", *names, "becomes"):
        table.add_column(name, justify="right" if name in names else "left", overflow="fold")
    becomes = _becomes(compared)
    for run in found.runs[:_SHOWN]:
        weights, result, scale = run
        losses = [f"{result.losses[name]:.4g}" if name in result.losses else "-" for name in names]
        keys = [str(result.info.get(name, "-")) for name in told]
        size = [str(scale) if scale is not None else "-"] if scales else []
        table.add_row(*keys, *size, mixture(weights), *losses, becomes.get(id(run), "new"))
    return table


def _becomes(compared: Compared) -> dict[int, str]:
    """What becomes of each run that is no new one."""
    found: dict[int, str] = {}
    kinds = {"there": "there", "completed": "completed", "changed": "revised", "withdrawn": "withdrawn"}
    groups = {"there": compared.there, "completed": compared.completed, "changed": compared.changed}
    for kind, matches in {**groups, "withdrawn": compared.withdrawn}.items():
        for match in matches:
            run: ImportedRun = match.run
            found[id(run)] = f"{kinds[kind]}: trial {match.record.trial.id}"
    return found
