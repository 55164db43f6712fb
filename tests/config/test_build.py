"""Specs from plain data and back: values, suffixes, components, and every fault at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

import pytest

from bomix.config.build import FILLED, build, number, plain
from bomix.config.wording import shown, to_quote, type_in_words
from bomix.contracts.executor import Execution
from bomix.contracts.objective import Objective
from bomix.errors import Fault
from bomix.execution.local.spec import LocalExecution
from bomix.objectives.robust import Excess
from bomix.objectives.weighted import Mean, WeightedMean


@dataclasses.dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    name: str = "x"

    def faults(self) -> list[Fault]:
        return [Fault("rate", "must be positive")] if self.rate <= 0 else []


@dataclasses.dataclass(frozen=True)
class Outer:
    count: int
    inner: Inner = dataclasses.field(default_factory=Inner)
    mode: Literal["a", "b"] = "a"
    paths: tuple[str, ...] = ()
    by_name: Mapping[str, Inner] = dataclasses.field(default_factory=dict)
    limit: float | None = None
    flag: bool = False
    compile: bool | Literal["auto"] = "auto"
    objective: Objective = dataclasses.field(default_factory=Mean)


def faults_of(data: object) -> dict[str, str]:
    _, faults = build(Outer, data)
    return {fault.where: fault.what for fault in faults}


@pytest.mark.parametrize(
    ("text", "value"),
    [("128k", 128_000), ("10M", 1e7), ("1.5B", 1.5e9), ("2T", 2e12), ("1_000", 1000), ("1.5e-3", 1.5e-3), ("-3", -3)],
)
def test_numbers_may_carry_a_suffix(text: str, value: float) -> None:
    assert number(text) == value


def test_values_are_converted_by_their_type() -> None:
    data = {"count": "2k", "inner": {"rate": 1}, "paths": "one", "by_name": {"w": {"rate": "1e-3"}}, "limit": "1M"}
    built, faults = build(Outer, data)
    assert not faults
    assert built == Outer(2000, Inner(1.0), paths=("one",), by_name={"w": Inner(1e-3)}, limit=1e6)


def test_a_spec_survives_the_way_to_plain_data_and_back() -> None:
    spec = Outer(3, Inner(2.0, "y"), "b", ("p", "q"), {"w": Inner()}, 1.5, True, False, WeightedMean(of={"m": 2.0}))
    assert build(Outer, plain(spec)) == (spec, [])


def test_every_fault_is_reported_at_once_with_its_path() -> None:
    found = faults_of(
        {
            "coutn": 1,
            "inner": {"rate": -1, "nmae": "z"},
            "mode": "c",
            "by_name": {"w": {"rate": "fast"}},
            "limit": "much",
            "flag": 1,
            "compile": "never",
            "objective": {"kind": "maen"},
        }
    )
    assert "did you mean 'count'" in found["coutn"]
    assert "missing" in found["count"]
    assert "did you mean 'name'" in found["inner.nmae"]
    assert set(found) == {
        *("coutn", "count", "inner.nmae", "mode", "by_name.w.rate", "limit", "flag", "compile", "objective.kind"),
    }
    assert "did you mean 'mean'" in found["objective.kind"]


def test_a_spec_checks_itself_once_its_fields_are_sound() -> None:
    assert faults_of({"count": 1, "inner": {"rate": -1}}) == {"inner.rate": "must be positive"}


@pytest.mark.parametrize(
    "data", [{"count": 1.5}, {"count": True}, {"count": float("nan")}, {"count": [1]}, {"count": None}]
)
def test_a_whole_number_is_a_whole_number(data: dict[str, object]) -> None:
    assert "whole number" in faults_of(data)["count"]


@pytest.mark.parametrize("data", [[], "text", 3])
def test_a_spec_is_a_mapping(data: object) -> None:
    assert "expected a mapping" in faults_of(data)[""]


def test_a_bare_kind_stands_for_its_defaults() -> None:
    built, faults = build(Outer, {"count": 1, "objective": "mean"})
    assert not faults
    assert built is not None
    assert built.objective == Mean()


def test_a_class_of_the_users_own_is_a_kind() -> None:
    built, faults = build(Outer, {"count": 1, "objective": {"kind": f"{__name__}:Own", "power": 3}})
    assert not faults
    assert built is not None
    assert built.objective == Own(3.0)
    assert plain(built)["objective"] == {"kind": f"{__name__}:Own", "power": 3.0}


@pytest.mark.parametrize("kind", ["no_such_package_anywhere:Own", f"{__name__}:Missing", f"{__name__}:faults_of"])
def test_a_class_that_is_not_there_is_named(kind: str) -> None:
    assert kind in faults_of({"count": 1, "objective": {"kind": kind}})["objective.kind"]


@dataclasses.dataclass(frozen=True)
class Own:
    power: float = 1.0

    def __call__(self, losses, metrics):
        return (losses**self.power).mean(-1)


@dataclasses.dataclass(frozen=True)
class Filled:
    given: int = 1
    sources: Mapping[str, int] = dataclasses.field(default_factory=dict, metadata={FILLED: "domains"})


def test_a_field_that_the_study_fills_is_no_key() -> None:
    _, faults = build(Filled, {"sources": {"a": 1}})
    assert [fault.where for fault in faults] == ["sources"]
    assert plain(Filled(2, {"a": 1})) == {"given": 2}


@dataclasses.dataclass(frozen=True)
class Union:
    metrics: tuple[str, ...] | Mapping[str, Inner] = ()


def test_a_fault_inside_one_of_several_types_is_told_where_it_is() -> None:
    _, faults = build(Union, {"metrics": {"a": {"rate": "fast"}}})
    assert [fault.where for fault in faults] == ["metrics.a.rate"]
    _, faults = build(Union, {"metrics": 3})
    assert [fault.where for fault in faults] == ["metrics"]


def test_a_mapping_is_called_one() -> None:
    _, faults = build(Excess, {"reference": "best"})
    assert [fault.what for fault in faults] == ["expected 'natural' or 'uniform' or a mapping, found 'best'"]


@dataclasses.dataclass(frozen=True)
class WithExecution:
    execution: Execution = dataclasses.field(default_factory=LocalExecution)


@pytest.mark.parametrize(
    ("data", "workers"),
    [
        (None, 1),
        ({}, 1),
        ("local", 1),
        ({"workers": 2}, 2),
        ({"kind": "local", "workers": 2}, 2),
    ],
)
def test_an_execution_without_a_kind_is_local(data: object, workers: int) -> None:
    built, faults = build(WithExecution, {"execution": data})
    assert faults == []
    assert built == WithExecution(LocalExecution(workers=workers))


@pytest.mark.parametrize(
    ("data", "where", "what"),
    [
        ({"wokers": 2}, "execution.wokers", "did you mean 'workers'"),
        ({"workers": 0}, "execution.workers", "expected at least 1, found 0"),
        (
            {"kind": "slrum"},
            "execution.kind",
            "kind 'slrum'; did you mean 'slurm'? (known: local, ray, slurm;",
        ),
        ({"kind": 3}, "execution", "expected a mapping with 'kind' (known: local, ray, slurm)"),
        (3, "execution", "expected a mapping with 'kind' (known: local, ray, slurm)"),
        ({"kind": "bomix.evaluators.command:Command"}, "execution.kind", "has no method 'start', so it is no executor"),
    ],
)
def test_a_wrong_execution_is_named(data: object, where: str, what: str) -> None:
    _, faults = build(WithExecution, {"execution": data})
    assert [fault.where for fault in faults] == [where]
    assert what in faults[0].what


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"a": [1, "x"]}, "{'a': [1, 'x']}"),
        (["y" * 100], "['" + "y" * 55 + "..."),
        (10**100, "a number of more than 60 digits"),
        (None, "None"),
    ],
)
def test_a_value_is_shown_in_half_a_line(value: object, said: str) -> None:
    assert shown(value) == said


def test_types_are_said_in_words() -> None:
    assert [type_in_words(each) for each in (int, str, tuple[str, ...], dict[str, int], Literal["b", "a"])] == [
        "a whole number",
        "text",
        "a list",
        "a mapping",
        "'a' or 'b'",
    ]
    assert [bool(to_quote(str, value)) for value in (7, None, True, "x", [7])] == [True, True, True, False, False]
    assert to_quote(int, None) == ""
