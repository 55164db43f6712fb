"""What a column of a table measures, as its name says it: losses, scores, and which direction is better."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bomix.io.tables.columns import METRIC
from bomix.io.tables.table import Table, to_share
from bomix.problem import NATS_PER_TOKEN

_WORD = re.compile(r"(?<![a-zA-Z0-9])[fF]1(?![a-zA-Z0-9])|[a-zA-Z]+")
_PERPLEXITIES = frozenset({"ppl", "perplexity"})
_ACCURACIES = frozenset({"acc", "accuracy", "em", "match", "pass"})
_SCORES = _ACCURACIES | {"f1", "score", "bleu", "rouge", "mcc"}
_MISTAKES = frozenset({"err", "error", "errors", "wer", "cer", "mse", "mae", "rmse"})
_BITS = frozenset({"bpb", "bits"})
LOSSES = frozenset({"loss", "losses", "nll", "ce", "entropy"})
TRAINING = frozenset({"train", "training"})
MEASURES = _PERPLEXITIES | _SCORES | _BITS | LOSSES
"""Words in the name of a column that say that it measures something."""


@dataclass(frozen=True)
class DraftMetric:
    """A metric that a table has.

    Attributes:
        column: Its column.
        unit: Nats per token unless the name of the column says otherwise.
        direction: ``max`` where its name, or who measured it, says that higher is better.
        signed: Whether it has values below zero, which its unit does not allow.
    """

    column: str
    unit: str = NATS_PER_TOKEN
    direction: Literal["min", "max"] = "min"
    signed: bool = False


def words_of(name: str) -> set[str]:
    """The words of a name in lower case; of numbers that follow them only that of ``f1``."""
    return {word.lower() for word in _WORD.findall(name)}


def metric_of(table: Table, column: str, higher: Mapping[str, bool | None], domains: Sequence[str] = ()) -> DraftMetric:
    """The metric of a column, unit and direction by its name; a word for a loss says more than one for a score.

    Args:
        table: The table.
        column: Its column.
        higher: Column to whether higher is better, where who measured it says so.
        domains: The domains, whose names say nothing of what is measured on them.
    """
    words = _measure(column, domains)
    values = [value for cell in table.cells_of(column) if (value := to_share(cell)) is not None]
    least, most = min(values, default=1.0), max(values, default=1.0)
    above = higher.get(column)
    if above is not True and words & (LOSSES | _BITS | _PERPLEXITIES):
        if words & _PERPLEXITIES and least >= 1.0:
            return DraftMetric(column, "perplexity")
        return DraftMetric(column, "bits/byte" if words & _BITS else NATS_PER_TOKEN, signed=least < 0.0)
    if words & _MISTAKES and above is not True:
        return DraftMetric(column, "score")
    if words & _SCORES or above:
        unit = "score"
        if words & _ACCURACIES and least >= 0.0 and most <= 100.0:
            unit = "accuracy" if most <= 1.0 else "%"
        return DraftMetric(column, unit, "min" if above is False else "max")
    return DraftMetric(column, signed=least < 0.0)


def _measure(column: str, domains: Sequence[str]) -> set[str]:
    """The words of a column that say what it measures: none of those of the domain that it is measured on."""
    losses = [match for pattern in METRIC.patterns if (match := pattern.fullmatch(column))]
    for match in losses:
        if (words := words_of(f"{column[: match.start(1)]} {column[match.end(1) :]}")) & LOSSES:
            return words
    left = column
    for name in sorted(domains, key=len, reverse=True):
        left = re.sub(rf"(?<![a-zA-Z0-9]){re.escape(name)}(?![a-zA-Z0-9])", " ", left)
    return words_of(left)


def guesses(
    table: Table, metrics: Mapping[str, DraftMetric], higher: Mapping[str, bool | None], domains: Sequence[str]
) -> list[str]:
    """Notes on the directions that only the names of columns say, or not even they."""
    told = {name: each for name, each in metrics.items() if higher.get(each.column) is None}
    best = [name for name, each in told.items() if each.direction == "max"]
    silent = [
        name
        for name, each in told.items()
        if each.direction == "min" and not _measure(each.column, domains) & (MEASURES | _MISTAKES)
    ]
    notes = []
    if best:
        notes.append(f"{table.path}: taken for better when higher: {', '.join(best)}; 'direction: min' says otherwise")
    if silent:
        what = f"taken for a loss, as no word in the name says what it is: {', '.join(silent)}"
        notes.append(f"{table.path}: {what}; 'direction: max' in the study file says otherwise")
    return notes
