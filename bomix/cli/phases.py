"""Tables of two phases."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from bomix.cli.tables import titled
from bomix.problem import Problem
from bomix.space.display import share
from bomix.space.phases import Phases
from bomix.space.weights import Weights


def phases(problem: Problem, of: Phases) -> Table:
    """A row per phase: its share of the run, and its tokens where those of the run are known."""
    table = titled("phases")
    for column in ("phase", "share", *(["tokens"] if problem.run_tokens else [])):
        table.add_column(column, justify="left" if column == "phase" else "right")
    for name, part in of.share.items():
        table.add_row(name, share(part), *([f"{part * problem.run_tokens:,.0f}"] if problem.run_tokens else []))
    return table


def phase_weights(problem: Problem, of: Phases, mixtures: Mapping[str, Weights]) -> Table:
    """A row per domain, and for each mixture the weight in the whole run, with that of each phase where they differ.

    Args:
        problem: Says how many passes over a domain a mixture makes.
        of: The phases.
        mixtures: Label to weights by phase and domain; the recommendation among them decides the order.
    """
    first, last = of.names
    table = titled(f"weights of the whole run ({first} > {last} where they differ)")
    table.add_column("domain")
    whole = {label: of.aggregate(weights) for label, weights in mixtures.items()}
    for label in mixtures:
        table.add_column(label, justify="right")
    passes = problem.epochs(mixtures["best"])
    if passes is not None:
        table.add_column("passes of best", justify="right")
    for name in sorted(of.domains, key=lambda name: -whole["best"][name]):
        cells = []
        for label, weights in mixtures.items():
            parts = of.split(weights)
            differ = "" if of.is_tied(weights) else f" ({share(parts[first][name])} > {share(parts[last][name])})"
            cells.append(share(whole[label][name]) + differ)
        table.add_row(name, *cells, *([] if passes is None else [f"{passes[name]:.2f}x"]))
    return table
