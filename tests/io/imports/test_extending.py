"""Runs of an earlier study as an importer hands them over."""

from __future__ import annotations

from pathlib import Path

from bomix.io.imports.carried import CARRIED
from bomix.io.imports.domain_changes import DomainChanges, carriage
from bomix.io.imports.extending import read_extended
from bomix.io.imports.study import OtherStudy
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.space.mixture_space import MixtureSpace
from bomix.trial import EXPERT, Record, Result, Trial

OLD, NEW = ("code", "web", "wiki"), ("books", "code", "web")


def test_runs_have_keys_gaps_and_what_their_mixtures_do_not_say() -> None:
    records = (
        Record(Trial(0, {"code": 0.4, "web": 0.4, "wiki": 0.2}, 7, "sobol"), Result({"loss": 3.0, "gone": 1.0})),
        Record(Trial(1, {"code": 1.0, "web": 0.0, "wiki": 0.0}, 0, EXPERT), Result({"loss": 3.5})),
        Record(Trial(2, {"code": 0.0, "web": 0.01, "wiki": 0.99}, 0, "sobol"), Result({"loss": 4.0})),
    )
    other = OtherStudy(Path("before"), OLD, (Metric("loss"), Metric("gone")), records)
    problem = Problem(MixtureSpace(NEW), (Metric("loss"), Metric("fresh")), Mean())
    plan = carriage(DomainChanges(dropped=("wiki",)), OLD, NEW, old_tokens={}, new_tokens={})
    found = read_extended(other, problem, plan, recipe=True)
    ((weights, result, scale),) = found.runs
    assert (weights, scale) == ({"books": 0.0, "code": 0.5, "web": 0.5}, None)
    assert (result.losses, result.unmeasured) == ({"loss": 3.0}, ("fresh",))
    assert (result.info["run"], result.info["seed"]) == ("before/0", 7)
    assert result.info[CARRIED]["other"] == {"wiki (dropped, 1)": 0.2, "recipe (before 1)": 1.0}
    notes = " ".join(found.notes)
    for told in ("1 runs of experts", "1 runs of text that the study has no more", "left out gone, no metrics"):
        assert told in notes
