"""Every table of README.md, from kept results alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from experiments.bo import criteria, histories, methods, moves, repeats, slices
from experiments.runs import Row


def parts(rows: Sequence[Row], found: Sequence[Row], laws: Sequence[Row]) -> dict[str, Callable[[], Iterator[str]]]:
    """Heading to what yields the lines below it.

    Args:
        rows: What was trained.
        found: What searches and laws chose.
        laws: Where laws across sizes put the optimum.
    """
    return {
        "Spread, noise and ceiling": lambda: methods.spread_table(rows),
        "Table I": lambda: methods.method_table(rows),
        "Table I, weights": lambda: methods.weight_table(rows),
        "Promised against realised": lambda: methods.promise_table(rows, found),
        "Figure 2: the law in the own weight": lambda: slices.law_table(rows),
        "Figure 2: the best share": lambda: slices.optimum_table(rows),
        "Figure 2b": lambda: slices.search_table(rows),
        "Table II": lambda: repeats.budget_table(rows),
        "Figures 3 and 4": lambda: histories.cluster_table(rows),
        "Table III": lambda: repeats.repeat_table(rows, found),
        "Table III, published": repeats.published_table,
        "Table IV": lambda: repeats.restart_table(rows),
        "Figure 5": lambda: criteria.domain_table(rows),
        "Table V": lambda: criteria.scale_table(rows),
        "Figure 6": lambda: histories.many_table(rows),
        "The law of the optimum": lambda: moves.table(rows, laws),
    }


def table(rows: Sequence[Row], found: Sequence[Row], laws: Sequence[Row]) -> None:
    """Print all of them, and what the runs cost."""
    hours = sum(row["cpu_s"] for row in rows) / 3600
    print(f"{len(rows)} runs, {hours:.1f} CPU-hours\n")
    for name, lines in parts(rows, found, laws).items():
        print(f"{name}\n")
        for line in lines():
            print(line)
        print()
