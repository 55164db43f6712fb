"""Which column is what, as a user says it: patterns, and files of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.errors import Fault, FaultsError
from bomix.io.imports.mapping import expanded, pattern_faults, read_mapping, written_mapping

COLUMNS = ["run", "config.mix.web", "config.mix.code", "config.mix.seed", "eval/web/loss", "a*b"]
NAMES = ["web", "code"]


def expand(mapping: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    faults: list[Fault] = []
    return expanded(mapping, COLUMNS, NAMES, faults), [str(fault) for fault in faults]


def test_a_pattern_is_every_column_that_it_fits_and_the_study_knows() -> None:
    assert expand({"config.mix.*": "weights.*", "eval/*/loss": "losses.*"}) == (
        {"config.mix.web": "weights.web", "config.mix.code": "weights.code", "eval/web/loss": "losses.web"},
        [],
    )


def test_a_column_by_itself_comes_before_a_pattern() -> None:
    found, _ = expand({"config.mix.*": "*", "config.mix.web": "code"})
    assert found == {"config.mix.web": "code", "config.mix.code": "code"}
    assert expand({"a*b": "web"}) == ({"a*b": "web"}, [])


def test_a_pattern_that_says_nothing_is_a_fault() -> None:
    assert expand({"conf.*": "*"})[1] == ["conf.*=*: no table has a column that this fits"]
    (fault,) = expand({"eval/*/loss": "loss_*"})[1]
    assert fault == "eval/*/loss=loss_*: makes 'loss_web' of 'eval/web/loss', which the study does not have"
    faults = pattern_faults({"a*b*": "*", "a*": "b", "a": "b*"}, "--map")
    assert [fault.what.split("'")[1] for fault in faults] == ["a*b*=*", "a*=b"]


def test_a_file_holds_what_was_written(tmp_path: Path) -> None:
    mapping = {"no": "weights.no", "12:30": "losses.a b", "x: y": "weights.*", "'": "#"}
    path = tmp_path / "columns.yaml"
    path.write_text(written_mapping(mapping))
    assert read_mapping(path) == mapping


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected a line for each column"),
        ("[a, b]", "expected a line for each column"),
        ("a: [b]\nc: 3", "a: expected the name of a domain or metric"),
        ("a: b\na: c", "a"),
        ("a: &x [*x]", "columns.yaml"),
        ("a: {", "columns.yaml"),
    ],
)
def test_a_file_that_is_no_mapping_says_so(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "columns.yaml"
    path.write_text(text)
    with pytest.raises(FaultsError) as caught:
        read_mapping(path)
    assert said in str(caught.value)
