"""The record behind a study: what is added is read again, and nothing is where one run is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.errors import FaultsError, StudyError
from bomix.history import History
from bomix.scale import Scale
from bomix.study.records import Records
from bomix.study.study import Study
from bomix.trial import IMPORTED, Candidate, Record, Result, Status, Trial

HALF = {"code": 0.5, "web": 0.5}


def records(folder: Path | None = None) -> Records:
    return Study(["code", "web"], ["loss"], path=folder).records


def test_another_reader_of_the_folder_sees_what_was_added(tmp_path: Path) -> None:
    first, second = records(tmp_path), Study.open(tmp_path)
    first.add_all([(HALF, {"loss": 3.0}), ({"code": 1.0, "web": 0.0}, {"loss": 2.5})])
    assert [record.trial.id for record in second.history.records] == [0, 1]
    second.records.add_all([(HALF, {"loss": 2.9})])
    assert [record.result.losses["loss"] for record in first.history.records] == [3.0, 2.5, 2.9]


def test_nothing_is_recorded_where_one_run_of_many_is_wrong() -> None:
    kept = records()
    with pytest.raises(FaultsError, match="wiki"):
        kept.add_all([(HALF, {"loss": 3.0}), ({"wiki": 1.0}, {"loss": 3.0})])
    assert kept.history.records == ()


def test_an_imported_run_has_its_own_scale_or_none() -> None:
    kept = records()
    added = kept.add_all([(HALF, {"loss": 3.0}), (HALF, {"loss": 2.0}, Scale(10, 100))])
    assert [record.trial.scale for record in added] == [None, Scale(10, 100)]
    assert {record.trial.origin for record in added} == {IMPORTED}


def test_an_enqueued_trial_is_pending_on_its_seed() -> None:
    kept = records()
    record = kept.enqueue(Candidate(HALF, "mine"), seed=7)
    assert (record.trial.seed, record.trial.origin, record.outcome) == (7, "mine", None)
    assert kept.history.pending == (record,)


def test_why_nothing_can_be_learnt_from_is_said(tmp_path: Path) -> None:
    text = "domains: {code: {}, web: {}}\nmetrics: {loss: {range: [0, 5]}}\nstrategy: sobol\n"
    (tmp_path / "study.yaml").write_text(text)
    study = Study.open(tmp_path)
    study.ask()
    with pytest.raises(StudyError, match=r"no trial has come back yet \(1 pending, 0 failed\)"):
        study.recommend()
    study.tell(0, {"loss": 3.0})
    (tmp_path / "study.yaml").write_text(text.replace("5", "2"))  # narrowed later
    study = Study.open(tmp_path)
    for call in (study.recommend, study.validate, lambda: study.predict([HALF])):
        with pytest.raises(StudyError, match="1 trials came back, and no value") as caught:
            call()
        assert "(as trial 0, whose loss is 3, outside its stated range [0, 2])" in str(caught.value)
        assert "state a range that holds it" in str(caught.value)
    assert [record.status for record in study.history.records] == [Status.COMPLETED]


def test_that_all_runs_are_of_another_scale_is_said() -> None:
    history = History((Record(Trial(0, HALF, 0, IMPORTED, Scale(10, 100)), Result({"loss": 3.0})),), Scale(20, 200))
    with pytest.raises(StudyError, match="no trial of the study's own scale") as caught:
        history.require_observations()
    assert "1 completed at another: 10 params x 100 tokens" in str(caught.value)
