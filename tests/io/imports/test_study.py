"""Runs of another study, whose domains have other names, are parts of this one's, or unions of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.errors import FaultsError
from bomix.io.imports.study import OtherStudy, parsed_domains, read_study
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.scale import Scale
from bomix.space.mixture_space import MixtureSpace
from bomix.trial import Failure, Record, Result, Reweighting, Trial

HERE = Problem(MixtureSpace(["books", "code", "web"]), (Metric("code"), Metric("web")), Mean())


def other(*runs: dict[str, float], metrics: tuple[Metric, ...] = (Metric("code"), Metric("old"))) -> OtherStudy:
    names = tuple(sorted({name for run in runs for name in run}))
    records = [
        Record(Trial(at, run, 7, "sobol", Scale(tokens=9)), Result({"code": 2.0, "old": 3.0}, {"code": 0.1}))
        for at, run in enumerate(runs)
    ]
    failed = Record(Trial(99, runs[0], 0, "sobol"), Failure("diverged"))
    return OtherStudy(Path("before"), names, metrics, (*records, failed))


def test_domains_are_renamed_merged_and_split() -> None:
    domains = parsed_domains(["cc=web", "c4=web", "text=books:0.25,code:0.75", "a:b=web"])
    assert domains.weights({"cc": 0.25, "c4": 0.25, "text": 0.5}) == {"web": 0.5, "books": 0.125, "code": 0.375}
    found = read_study(
        other({"cc": 0.5, "c4": 0.5}, {"cc": 0.0, "c4": 1.0}), HERE, parsed_domains(["cc=web", "c4=code"])
    )
    assert [run[0] for run in found.runs] == [
        {"books": 0.0, "code": 0.5, "web": 0.5},
        {"books": 0.0, "code": 1.0, "web": 0.0},
    ]
    _, result, scale = found.runs[0]
    assert (result.losses, result.sems, result.unmeasured) == ({"code": 2.0}, {"code": 0.1}, ("web",))
    assert result.info == {"run": "before/0", "seed": 7}
    assert scale == Scale(tokens=9)
    assert found.notes == ("no run of before has books: weight 0", "before: left out old, no metrics of this study")


def test_what_was_drawn_counts_and_metrics_are_renamed() -> None:
    record = Record(
        Trial(0, {"web": 0.5, "code": 0.5}, 0, "sobol"), Result({"old": 3.0}, realized={"web": 0.6, "code": 0.4})
    )
    study = OtherStudy(Path("before"), ("code", "web"), (Metric("old"),), (record,))
    found = read_study(study, HERE, parsed_domains([]), metrics={"old": "losses.web"}, prefix="x-")
    assert found.runs[0][0] == {"books": 0.0, "code": 0.4, "web": 0.6}
    assert found.runs[0][1].losses == {"web": 3.0}
    assert found.runs[0][1].info["run"] == "x-before/0"


def test_runs_on_text_that_is_not_here_are_asked_about() -> None:
    study = other({"web": 0.5, "wiki": 0.5}, {"web": 1.0, "wiki": 0.0})
    with pytest.raises(FaultsError, match="before:trial 0: run is of text that this study has no domain for: wiki"):
        read_study(study, HERE, parsed_domains([]))
    found = read_study(study, HERE, parsed_domains([]), allow_partial=True)
    assert len(found.runs) == 1


@pytest.mark.parametrize(
    ("domains", "said"),
    [
        (["cc"], "expected OLD=NEW once"),
        (["cc=web", "cc=code"], "expected OLD=NEW once"),
        (["cc=web,code"], "give each part its share, web:0.6"),
        (["cc=web:0.5,code:0.4"], "the shares of its parts must sum to 1"),
        (["wbe=code"], "the other study has no domain 'wbe'"),
        (["web=cdoe"], "this study has no domain 'cdoe'; did you mean 'code'?"),
    ],
)
def test_a_map_that_says_nothing_is_refused(domains: list[str], said: str) -> None:
    with pytest.raises(FaultsError) as caught:
        read_study(other({"web": 1.0}), HERE, parsed_domains(domains))
    assert said in str(caught.value)


def test_metrics_of_one_name_and_two_meanings_are_refused() -> None:
    study = other({"web": 1.0}, metrics=(Metric("code", "accuracy", "max"),))
    with pytest.raises(
        FaultsError, match=r"metrics\.code: is accuracy, direction max there, and nats/token, direction min"
    ):
        read_study(study, HERE, parsed_domains([]))
    with pytest.raises(FaultsError, match="has no metric of this study: x there"):
        read_study(other({"web": 1.0}, metrics=(Metric("x"),)), HERE, parsed_domains([]))


def test_runs_of_no_single_mixture_are_left_out_and_counted() -> None:
    mixture, losses = {"code": 0.5, "web": 0.5}, Result({"code": 2.0})
    reweighted = Trial(1, mixture, 0, "doremi", reweighting=Reweighting("doremi"))
    trials = (Trial(0, mixture, 0, "sobol"), reweighted, Trial(2, {"code": 1.0, "web": 0.0}, 0, "expert"))
    records = tuple(Record(trial, losses) for trial in trials)
    found = read_study(
        OtherStudy(Path("before"), ("code", "web"), (Metric("code"),), records), HERE, parsed_domains([])
    )
    assert [run[1].info["run"] for run in found.runs] == ["before/0"]
    assert any("left out 1 runs that were reweighted while they trained" in note for note in found.notes)
    assert any("left out 1 runs of experts" in note for note in found.notes)


def test_a_name_that_is_mapped_onto_comes_from_the_mapping_alone() -> None:
    study = other({"code": 0.5, "web": 0.5})
    found = read_study(study, HERE, parsed_domains([]), metrics={"old": "code"})
    assert (found.runs[0][1].losses, found.runs[0][1].sems) == ({"code": 3.0}, {})
    assert found.notes[-1] == "before: left out code, no metrics of this study"
    with pytest.raises(FaultsError, match="code and old are both mapped onto 'web'; keep one"):
        read_study(study, HERE, parsed_domains([]), metrics={"code": "web", "old": "web"})
    with pytest.raises(FaultsError, match="this study has no metric 'wbe'; did you mean 'web'"):
        read_study(study, HERE, parsed_domains([]), metrics={"old": "wbe"})
