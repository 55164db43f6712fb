"""The file of a trial: weights, tokens and passes per domain, and whose it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bomix.config.sections import DomainSpec, TargetSpec
from bomix.errors import ConfigError
from bomix.io.exports import sheet
from bomix.io.exports.sheet import sheet_of, token_counts
from bomix.scale import Scale
from bomix.study.study import Study
from bomix.trial import EXPERT, Trial

TRIAL = Trial(7, {"code": 0.25, "web": 0.75}, 3, "sobol")


@given(
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30).filter(lambda row: sum(row) > 0.0),
    st.integers(0, 10**13),
)
def test_tokens_of_domains_are_whole_and_add_up_and_follow_the_weights(row: list[float], total: int) -> None:
    weights = {f"d{place}": each / sum(row) for place, each in enumerate(row)}
    counts = token_counts(weights, total)
    assert sum(counts.values()) == total
    assert list(counts) == list(weights)
    slack = 1.0 + 1e-12 * total  # weights sum to one to rounding
    assert all(abs(counts[name] - weight * total) <= slack for name, weight in weights.items())


def test_what_rounding_leaves_goes_to_the_largest_remainders_and_then_by_name() -> None:
    assert token_counts({"b": 1 / 3, "a": 1 / 3, "c": 1 / 3}, 4) == {"b": 1, "a": 2, "c": 1}
    assert token_counts({"a": 0.26, "b": 0.74}, 10) == {"a": 3, "b": 7}


def test_tokens_and_passes_are_those_of_the_trial_and_of_the_run_that_is_decided_about() -> None:
    domains = {"code": DomainSpec(tokens=1e6), "web": DomainSpec(tokens=3e6)}
    problem = Study(domains, ["loss"], target=TargetSpec(2e6)).problem
    data = sheet_of(TRIAL, problem, tokens=400_000).to_data()
    assert data["tokens"] == {"code": 100_000, "web": 300_000}
    assert data["epochs"] == {"code": 0.1, "web": 0.1}
    assert data["target"] == {
        "tokens": {"code": 500_000, "web": 1_500_000},
        "epochs": {"code": 0.5, "web": 0.5},
    }


def test_a_run_that_is_to_repeat_as_the_target_is_told_how_much_it_may_see() -> None:
    domains = {"code": DomainSpec(tokens=1e6), "web": DomainSpec(tokens=3e6)}
    problem = Study(domains, ["loss"], target=TargetSpec(tokens=8e6, match_epochs=True)).problem
    data = sheet_of(TRIAL, problem, tokens=400_000).to_data()
    assert data["available"] == {"code": 50_000, "web": 150_000}
    assert data["epochs"] == data["target"]["epochs"] == {"code": 2.0, "web": 2.0}
    assert "available" not in sheet_of(replace(TRIAL, origin=EXPERT), problem, tokens=400_000).to_data()


def test_what_is_unknown_is_left_out() -> None:
    data = sheet_of(TRIAL, Study(["code", "web"], ["loss"]).problem).to_data()
    assert data == {"trial": 7, "seed": 3, "origin": "sobol", "weights": {"code": 0.25, "web": 0.75}}


def test_the_scale_of_a_trial_counts_before_what_is_given_by_hand() -> None:
    study = Study(["code", "web"], ["loss"], scales={"small": {"params": 10**6, "tokens": 10**8}})
    trial = study.ask()
    assert trial.scale == Scale(10**6, 10**8)
    data = sheet_of(trial, study.problem, tokens=5).to_data()
    assert data["tokens"] == {"code": 50_000_000, "web": 50_000_000}
    assert data["scale"]["name"] == "small"


def test_a_file_comes_back_as_the_trial_and_its_study(tmp_path: Path) -> None:
    path = tmp_path / "7.json"
    path.write_text(sheet_of(TRIAL, Study(["code", "web"], ["loss"]).problem).to_json("a study"))
    assert sheet.read(path) == (TRIAL, "a study")
    data = json.loads(path.read_text())
    assert (data["metrics"], data["result"]) == (["loss"], "7.result.json")
    del data["study"]  # as earlier versions wrote it
    path.write_text(json.dumps(data))
    assert sheet.read(path) == (TRIAL, None)


@pytest.mark.parametrize("content", ["", "[]", '{"trial": 7}', '{"trial": 7, "weights": 3}', "[" * 100_000])
def test_a_file_that_is_none_of_a_trial_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "7.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"7\.json is no trial as `bomix ask --out` writes it"):
        sheet.read(path)
    with pytest.raises(ConfigError, match=r"cannot read .*8\.json"):
        sheet.read(tmp_path / "8.json")
