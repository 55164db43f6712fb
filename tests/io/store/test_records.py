"""Trials and outcomes survive JSON exactly; damage is noticed."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bomix.errors import BomixError, FaultsError, StoreError
from bomix.io.store import records
from bomix.io.store.incoming import accepted, read_result
from bomix.io.store.result_checks import cleaned
from bomix.scale import Scale
from bomix.trial import Curve, Failure, Result, Trial

finite = st.floats(allow_nan=False, allow_infinity=False)
METRICS = ("code", "web")
DOMAINS = ("code", "web")


shares = st.dictionaries(st.text(min_size=1), st.floats(0.01, 1.0), min_size=1)


@given(shares=shares, seed=st.integers(0, 2**62), tokens=st.integers(1, 10**24))
def test_a_trial_survives_exactly(shares: dict[str, float], seed: int, tokens: int) -> None:
    total = math.fsum(shares.values())
    trial = Trial(7, {name: share / total for name, share in shares.items()}, seed, "log_ei", Scale(10, tokens))
    assert records.trial_from_json(records.trial_to_json(trial)) == trial


@given(data=st.data())
def test_every_change_of_a_digit_of_a_trial_is_noticed(data: st.DataObject) -> None:
    text = records.trial_to_json(Trial(7, {"code": 0.25, "web": 0.75}, 0, "log_ei", Scale(10, 200)))
    digits = [position for position, letter in enumerate(text) if letter.isdigit()]
    position = data.draw(st.sampled_from(digits))
    other = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != text[position]]))
    with pytest.raises(StoreError):
        records.trial_from_json(text[:position] + other + text[position + 1 :])


@pytest.mark.parametrize(
    "weights",
    [{"code": 0.25, "web": 0.7}, {"code": -0.25, "web": 1.25}, {"code": math.nan, "web": 1.0}, {}, {"a": 1e9}],
)
def test_weights_that_are_no_mixture_are_no_trial(weights: dict[str, float]) -> None:
    earlier = {"schema": 2, "id": 0, "seed": 0, "origin": "sobol", "weights": weights}
    with pytest.raises(StoreError, match="not a trial"):
        records.trial_from_json(json.dumps(earlier))
    assert records.trial_from_json(json.dumps({**earlier, "weights": {"code": 0.25, "web": 0.75}})).id == 0


def test_a_checksum_that_was_taken_away_is_missed() -> None:
    trial = json.loads(records.trial_to_json(Trial(0, {"code": 1.0}, 0, "sobol")))
    del trial["checksum"]
    with pytest.raises(StoreError, match="checksum"):
        records.trial_from_json(json.dumps(trial))


@given(loss=finite, curve=st.lists(finite, max_size=9))
def test_a_result_survives_exactly(loss: float, curve: list[float]) -> None:
    steps = np.arange(len(curve), dtype=float)
    result = Result({"code": loss}, cost=1.25, curve=Curve(steps, {"code": np.array(curve)}), info={"device": "cpu"})
    trial_id, back = records.outcome_from_json(records.outcome_to_json(3, result))
    assert trial_id == 3
    assert isinstance(back, Result)
    assert back.curve is not None
    assert (back.losses, back.cost, back.info) == (result.losses, result.cost, result.info)
    np.testing.assert_array_equal(back.curve.losses["code"], np.array(curve))


def test_a_failure_survives() -> None:
    failure = Failure("out of memory", "last lines\nof the log", attempts=2)
    assert records.outcome_from_json(records.outcome_to_json(3, failure)) == (3, failure)


@given(data=st.data())
def test_every_change_of_a_digit_is_noticed(data: st.DataObject) -> None:
    text = records.outcome_to_json(3, Result({"code": 2.71828}))
    digits = [position for position, letter in enumerate(text) if letter.isdigit()]
    position = data.draw(st.sampled_from(digits))
    other = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != text[position]]))
    with pytest.raises(StoreError):
        records.outcome_from_json(text[:position] + other + text[position + 1 :])


@pytest.mark.parametrize("cut", [0, 1, 20, -2])
def test_a_file_cut_short_is_noticed(cut: int) -> None:
    with pytest.raises(StoreError):
        records.outcome_from_json(records.outcome_to_json(3, Result({"code": 2.0}))[:cut])


def test_a_users_result_is_read() -> None:
    text = json.dumps({"losses": {"code": 1, "web": 2.5}, "sems": {"web": 0.1}, "realized": {"code": 0.4, "web": 0.6}})
    result = read_result(text, METRICS, DOMAINS)
    assert result.losses == {"code": 1, "web": 2.5}
    assert result.realized == {"code": 0.4, "web": 0.6}


def test_null_stands_for_a_metric_that_was_not_measured_and_survives() -> None:
    result = read_result('{"losses": {"code": 2.5, "web": null}, "sems": {"code": 0.1, "web": null}}', METRICS, DOMAINS)
    assert (result.losses, result.sems, result.unmeasured) == ({"code": 2.5}, {"code": 0.1}, ("web",))
    assert records.outcome_from_json(records.outcome_to_json(3, result)) == (3, result)
    assert accepted(result, METRICS, DOMAINS, title="") == result


@pytest.mark.parametrize(
    ("losses", "where", "what"),
    [
        ({"code": 2.5}, "losses.web", "null"),
        ({"code": None, "web": None}, "losses", "at least one"),
        ({"code": 2.5, "web": None, "wbe": None}, "losses.wbe", "unknown"),
        ({"code": 2.5, "web": math.nan}, "losses.web", "finite"),
        ({"code": 2.5, "web": -math.inf}, "losses.web", "finite"),
    ],
)
def test_a_gap_must_be_meant(losses: dict[str, float | None], where: str, what: str) -> None:
    with pytest.raises(FaultsError) as caught:
        read_result(json.dumps({"losses": losses}), METRICS, DOMAINS)
    (fault,) = caught.value.faults
    assert fault.where == where
    assert what in fault.what


def test_a_gap_of_an_evaluator_reaches_the_record() -> None:
    returned = cleaned(Result({"code": 2.5, "web": None}))  # type: ignore[dict-item]  # as an evaluator may
    handed_over = records.result_from_data(json.loads(json.dumps(records.result_to_data(returned))))
    assert accepted(handed_over, METRICS, DOMAINS, title="") == Result({"code": 2.5}, unmeasured=("web",))


def test_a_metric_is_measured_or_not() -> None:
    with pytest.raises(FaultsError, match="keep one"):
        accepted(Result({"code": 2.5, "web": 1.0}, unmeasured=("web",)), METRICS, DOMAINS, title="")


def test_all_that_is_wrong_with_a_users_result_is_said_at_once() -> None:
    data = {"losses": {"code": math.nan, "wbe": 1.0}, "realized": {"code": "half"}, "cost": "dear", "extra": 1}
    with pytest.raises(FaultsError) as caught:
        read_result(json.dumps(data), METRICS, DOMAINS)
    assert {fault.where for fault in caught.value.faults} == {
        *("extra", "losses.web", "losses.wbe", "losses.code", "realized.code", "cost"),
    }


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"losses": 3}', "not json"])
def test_a_result_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(BomixError):
        read_result(text, METRICS, DOMAINS)


def test_a_realized_mixture_must_be_one() -> None:
    text = json.dumps({"losses": {"code": 1, "web": 2}, "realized": {"code": 0.4, "web": 0.4}})
    with pytest.raises(FaultsError, match="sum to 1"):
        read_result(text, METRICS, DOMAINS)


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ({"realized": {"code": 1.5, "web": -0.5}}, "realized.web"),
        ({"cost": -3}, "cost"),
        ({"sems": {"web": -1}}, "sems.web"),
        ({"curve": [1]}, "curve"),
        ({"curve": {"steps": [1], "losses": {"wbe": [2]}}}, "curve.losses.wbe"),
        ({"info": [1]}, "info"),
        ({"info": {"x": math.nan}}, "info"),
    ],
)
def test_every_part_of_a_result_is_checked(data: dict[str, object], where: str) -> None:
    with pytest.raises(FaultsError) as caught:
        read_result(json.dumps({"losses": {"code": 1, "web": 2}, **data}), METRICS, DOMAINS)
    assert [fault.where for fault in caught.value.faults] == [where]


def test_scalars_of_other_libraries_become_plain_numbers() -> None:
    result = cleaned(Result({"code": np.float32(2.5)}, realized={"code": np.float64(1.0)}, cost=np.float64(3.0)))
    assert records.outcome_from_json(records.outcome_to_json(0, result))[1] == Result(
        {"code": 2.5}, realized={"code": 1.0}, cost=3.0
    )


def test_a_file_of_a_newer_version_is_no_damaged_one() -> None:
    trial = json.loads(records.trial_to_json(Trial(0, {"code": 1.0}, 0, "sobol")))
    newest = records.TRIAL_SCHEMA
    told = f"it is of schema {newest + 1}, and this bomix reads up to {newest}; take a newer bomix"
    with pytest.raises(records.NewerVersionError, match=told):
        records.trial_from_json(json.dumps({**trial, "schema": newest + 1}))
    del trial["checksum"]
    assert records.trial_from_json(json.dumps({**trial, "schema": 1})).id == 0
