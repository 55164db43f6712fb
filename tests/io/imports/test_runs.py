"""What every importer owes: checked as runs are added."""

from __future__ import annotations

import re

import numpy as np
import pytest

from bomix.errors import Fault
from bomix.io.imports.runs import RunCollector, Runs
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.scale import Scale
from bomix.space.mixture_space import MixtureSpace
from bomix.trial import Result

PROBLEM = Problem(MixtureSpace(("code", "web")), (Metric("code"), Metric("web")), Mean())
HALF = {"code": 0.5, "web": 0.5}


def collected(*runs: tuple[object, object], allow_partial: bool = False) -> tuple[Runs, list[str]]:
    faults: list[Fault] = []
    collector = RunCollector(PROBLEM, faults, allow_partial=allow_partial)
    for number, (weights, losses) in enumerate(runs, 1):
        places = {"where": f"w:{number}", "losses_at": f"l:{number}"}
        collector.add(weights, losses, Scale(7), **places, key=str(number))  # type: ignore[arg-type]
    return collector.found(["web"], ["a note"], where="w"), [str(fault) for fault in faults]


def test_what_was_not_measured_is_named_and_sums_are_set_right() -> None:
    found, faults = collected(
        ({"code": 0.3, "web": 0.699}, {"web": np.float32(2.5)}),
        (HALF, {"code": float("nan"), "web": 2}),
        (HALF, {"code": None, "web": 2.0}),
        (HALF, Result({"web": 2.0}, cost=9.0, info={"table": "w"})),
    )
    assert faults == []
    assert {result.unmeasured for _, result, _ in found.runs} == {("code",)}
    assert {type(result.losses["web"]) for _, result, _ in found.runs} <= {float, int}
    assert sum(found.runs[0][0].values()) == pytest.approx(1.0, abs=1e-15)
    assert (found.runs[3][1].cost, found.runs[3][1].info) == (9.0, {"table": "w"})
    assert {scale for _, _, scale in found.runs} == {Scale(7)}
    assert (found.metrics, found.notes) == (("web",), ("a note",))


@pytest.mark.parametrize(
    ("weights", "losses", "said"),
    [
        ({"code": 1.0}, {"web": 2.0}, "w:1: .*web"),
        ({"code": 0.5, "web": 0.5, "wiki": 0.0}, {"web": 2.0}, "w:1: .*wiki"),
        ({"code": 0.5, "web": 0.4}, {"web": 2.0}, "w:1: .*sum to 0.9"),
        (HALF, {"web": "nan"}, "l:1: losses.web: expected a finite number, found 'nan'"),
        (HALF, {"web": float("inf")}, "l:1: losses.web: expected a finite number, found inf"),
        (HALF, {"web": 2.0, "wiki": 1.0}, "l:1: losses.wiki: unknown name 'wiki'"),
        (HALF, {}, "l:1: run 1 has no loss; --allow-partial drops it"),
        (HALF, {"web": None}, "l:1: run 1 has no loss; --allow-partial drops it"),
    ],
)
def test_what_cannot_be_recorded_is_told_with_its_line(
    weights: dict[str, float], losses: dict[str, object], said: str
) -> None:
    _, faults = collected((weights, losses), (HALF, {"web": 1.0}))
    (fault,) = faults
    assert re.match(said, fault), fault


def test_weights_that_could_not_be_read_are_told_once_by_who_read_them() -> None:
    assert collected((None, {"web": 2.0}), (HALF, {"web": 1.0}))[1] == []


def test_strays_are_dropped_with_a_note_where_that_is_wanted() -> None:
    found, faults = collected((HALF, {}), (HALF, {"web": 1.0}), allow_partial=True)
    assert faults == []
    assert found.notes == ("a note", "dropped 1 without weights or losses: l:1")
    assert collected((HALF, {}), allow_partial=True)[1] == ["w: no run is left that has weights and losses"]
