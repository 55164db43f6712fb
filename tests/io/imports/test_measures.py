"""What the name of a column says of what it measures."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.io.imports.measures import guesses, metric_of
from bomix.io.tables.table import Row, Table


@pytest.mark.parametrize(
    ("column", "cells", "said"),
    [
        ("loss_f", ("2", "3"), ("nats/token", "min")),
        ("code_score_4_loss", ("2", "3"), ("nats/token", "min")),
        ("hellaswag_acc_err", ("0.1", "0.2"), ("score", "min")),
        ("mmlu_acc", ("31%", "n/a"), ("accuracy", "max")),
        ("mmlu_acc", ("31", "35"), ("%", "max")),
        ("squad_f1", ("0.1", "0.2"), ("score", "max")),
        ("f", ("0.1", "0.2"), ("nats/token", "min")),
        ("score_bpb", ("1", "2"), ("bits/byte", "min")),
        ("web_ppl", ("-", "-"), ("perplexity", "min")),
    ],
)
def test_a_word_for_a_loss_comes_before_one_for_a_score(
    column: str, cells: tuple[str, ...], said: tuple[str, str]
) -> None:
    table = Table(Path("t"), (column,), tuple(Row(at, (cell,)) for at, cell in enumerate(cells)))
    found = metric_of(table, column, {})
    assert (found.unit, found.direction) == said


def test_who_measured_says_more_than_a_name_and_a_guess_is_told() -> None:
    table = Table(Path("t"), ("win", "acc"), (Row(1, ("0.5", "0.5")),))
    metrics = {name: metric_of(table, name, {"win": True}) for name in table.columns}
    assert [each.direction for each in metrics.values()] == ["max", "max"]
    (note,) = guesses(table, metrics, {"win": True}, [])
    assert note == "t: taken for better when higher: acc; 'direction: min' says otherwise"
    assert guesses(table, {"win": metric_of(table, "win", {})}, {}, [])[0].startswith("t: taken for a loss")
