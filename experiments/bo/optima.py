"""Tables of where the optimum lies, and of the law of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from experiments.bo.moves import CORNER, Moves, Moving, apart, cost_of
from experiments.bo.plan import FIVE
from experiments.bo.stats import said
from experiments.runs import Row


def optimum_table(moves: Moves) -> Iterator[str]:
    """The best mixture at each size and number of tokens."""
    yield f"| parameters | tokens | {' | '.join(FIVE.domains)} | error, left out | spread |"
    yield f"|---|---|{'---|' * (len(FIVE.domains) + 2)}"
    for (size, share), best in moves.optima.items():
        each = np.array([again[size, share] for again in moves.optima_again])
        cells = [said(moves.interval(each[:, at], x), 2, sign=False) for at, x in enumerate(best)]
        error, spread = moves.laws[size, share].error
        yield f"| {size} | {share:.0%} | {' | '.join(cells)} | {error:.4f} | {spread:.4f} |"


def exponent_table(moves: Moves) -> Iterator[str]:
    """How each weight moves with tokens and with parameters, by the law of all cells."""
    cells = list(moves.optima)
    point = Moving(moves.optima, cells).found
    again = np.array([Moving(each, cells).found for each in moves.optima_again])
    yield f"| log weight against | {' | '.join(FIVE.domains)} |\n|---|{'---|' * len(FIVE.domains)}"
    for row, name in ((1, "log tokens"), (2, "log parameters")):
        if row == 1 or CORNER in moves.optima:
            told = [said(moves.interval(again[:, row, at], x), 2) for at, x in enumerate(point[row])]
            yield f"| {name} | {' | '.join(told)} |"


def prediction_table(moves: Moves, laws: Sequence[Row]) -> Iterator[str]:
    """Laws of the optimum against one that does not move: the share of tokens that is elsewhere, and what it costs."""
    yield "| predicted | share elsewhere | loss above the best there |\n|---|---|---|"
    for name, elsewhere, cost in moves.judged(laws):
        yield f"| {name} | {said(elsewhere, 2, sign=False)} | {said(cost)} |"
    for size in moves.designs:
        cell = (size, 1.0)
        off = [apart(each[cell], moves.optima[cell]) for each in moves.optima_again]
        cost = [cost_of(moves.laws[cell], each[cell], moves.optima[cell]) for each in moves.optima_again]
        told = f"{np.median(off):.2f}, median | {np.median(cost):+.4f}, median |"
        yield f"| {size}: the same mixtures drawn again | {told}"


def table(moves: Moves | None, laws: Sequence[Row]) -> Iterator[str]:
    """Everything about where the optimum is."""
    if moves is None:
        yield "The law of the optimum: not run yet."
        return
    yield f"floor {moves.floor:g}\n"
    yield from optimum_table(moves)
    yield ""
    yield from exponent_table(moves)
    yield ""
    yield from prediction_table(moves, laws)
    if CORNER not in moves.optima:
        yield "\nThe design at 1M is not run yet."
