"""Numbers of any library become plain ones; JSON that would not come back as it was is named."""

from __future__ import annotations

import fractions
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bomix.io.store.plain import DEEPEST, as_json, json_faults, number, short


@pytest.mark.parametrize(
    "value",
    [
        np.float32(2.5),
        np.float64(2.5),
        np.array(2.5),
        np.array([2.5]),
        torch.tensor(2.5),
        torch.tensor([2.5], requires_grad=True),
        torch.tensor(2.5, dtype=torch.bfloat16),
        fractions.Fraction(5, 2),
    ],
)
def test_a_real_number_of_any_library_is_a_float(value: Any) -> None:
    plain = number(value)
    assert type(plain) is float
    assert plain == 2.5


@pytest.mark.parametrize(
    "value",
    [
        True,
        np.True_,
        np.complex128(2.5),
        np.array([1.0, 2.0]),
        torch.tensor(True),
        torch.tensor(1j),
        torch.tensor([1.0, 2.0]),
        2.5 + 0j,
        "2.5",
        None,
    ],
)
def test_what_is_no_real_number_is_left_to_the_checks(value: Any) -> None:
    assert number(value) is value


def test_what_json_has_a_form_for_becomes_it() -> None:
    given = {
        9: 1,
        10: np.int64(2),
        np.int64(11): 3,
        None: {True: (1, np.float32(0.5))},
        "at": Path("a/b"),
        "many": np.arange(3),
    }
    plain = as_json(given)
    assert plain == {"9": 1, "10": 2, "11": 3, "null": {"true": [1, 0.5]}, "at": "a/b", "many": [0, 1, 2]}
    assert json_faults("info", plain) == []
    assert json.loads(json.dumps(plain)) == plain


def nested(levels: int) -> dict[str, Any]:
    value: Any = 0
    for _ in range(levels):
        value = {"a": value}
    return {"a": value} if levels == 0 else value


itself: dict[str, Any] = {}
itself["again"] = itself


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (3, "expected a mapping, found 3"),
        ({"a": object()}, "must be plain JSON"),
        ({"a": {1, 2}}, "must be plain JSON"),
        ({"a": math.nan}, "must be plain JSON"),
        ({"a": 1j}, "must be plain JSON"),
        ({(1, 2): 3}, "must be plain JSON"),
        ({1: "a", "1": "b"}, "two keys that are the same as text"),
        (nested(DEEPEST + 1), f"deeper than {DEEPEST} levels"),
        (nested(100_000), f"deeper than {DEEPEST} levels"),
        (itself, f"deeper than {DEEPEST} levels"),
    ],
)
def test_what_would_not_come_back_is_named(value: Any, said: str) -> None:
    (fault,) = json_faults("info", as_json(value))
    assert fault.where == "info"
    assert said in fault.what
    assert len(fault.what) < 300


def test_as_deep_as_is_allowed_is_allowed() -> None:
    assert json_faults("info", as_json(nested(DEEPEST))) == []


def test_a_message_stays_short() -> None:
    assert len(short("x" * 10_000)) < 100
    assert short(10**5000) == "a int"
    assert "..." in short(list(range(1000)))
