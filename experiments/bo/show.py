"""Every table of README.md, from kept results alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial

from experiments.bo import claims, criteria, histories, methods, moves, optima, repeats, slices
from experiments.runs import Row

HEAD = 2
"""Lines of a table that has nothing below its head."""


def parts(rows: Sequence[Row], found: Sequence[Row], laws: Sequence[Row]) -> dict[str, Callable[[], Iterator[str]]]:
    """Heading to what yields the lines below it.

    Args:
        rows: What was trained.
        found: What searches and laws chose.
        laws: Where laws across sizes put the optimum.
    """
    made = cache(partial(moves.made, rows))
    return {
        "Three columns": lambda: claims.table(rows, found, made()),
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
        "The law of the optimum": lambda: optima.table(made(), laws),
    }


def said(lines: Iterator[str]) -> str:
    """The text of a part."""
    found = list(lines)
    return "\n".join(["Not run yet."] if len(found) == HEAD else found)


def cost(rows: Sequence[Row]) -> str:
    """How many runs there are, and what they cost."""
    return f"{len(rows):,} runs, {sum(row['cpu_s'] for row in rows) / 3600:.1f} CPU-hours"


def table(rows: Sequence[Row], found: Sequence[Row], laws: Sequence[Row]) -> None:
    """Print all of them, and what the runs cost."""
    print(f"{cost(rows)}\n")
    for name, lines in parts(rows, found, laws).items():
        print(f"{name}\n\n{said(lines())}\n")


def block(name: str) -> re.Pattern[str]:
    """What a page has between the comment that names a part and the next comment."""
    return re.compile(rf"(?<=<!-- {re.escape(name)} -->\n\n).*?(?=\n\n<!-- end -->)", re.DOTALL)


def pasted(page: str, rows: Sequence[Row], found: Sequence[Row], laws: Sequence[Row]) -> str:
    """A page with the tables of today between its comments."""
    every = {name: said(lines()) for name, lines in parts(rows, found, laws).items()} | {"Cost": cost(rows)}
    for name, text in every.items():
        if len(block(name).findall(page)) != 1:
            raise ValueError(f"README.md needs the comment of '{name}' once")
        page = block(name).sub(lambda _, text=text: text, page)
    return page
