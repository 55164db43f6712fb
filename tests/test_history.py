from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import bomix
from bomix.dataset import SCHEMA_VERSION
from bomix.errors import StudyError
from bomix.history import History
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.scale import Scale
from bomix.space.mixture_space import MixtureSpace
from bomix.trial import CONFIRM, IMPORTED, Candidate, Curve, Failure, Record, Result, Trial

PROBLEM = Problem(MixtureSpace(("web", "code")), (Metric("loss"), Metric("acc", "share", "max")), Mean())
HALF = {"web": 0.5, "code": 0.5}


def records() -> tuple[Record, ...]:
    curve = Curve(np.array([10, 20]), {"loss": np.array([4.0, 3.0]), "acc": np.array([0.1, 0.2])})
    longer = Curve(np.array([20, 30]), {"loss": np.array([3.5, 2.5])})
    full = Result(
        {"loss": 3.0, "acc": 0.2},
        {"loss": 0.01},
        {"web": 0.7, "code": 0.3},
        {"web": 0.1, "code": 2.0},
        12.5,
        curve,
    )
    return (
        Record(Trial(2, HALF, 5, "log_ei", Scale(1000, 20000))),
        Record(Trial(0, {"web": 0.8, "code": 0.2}, 5, "uniform", Scale(1000, 20000)), full),
        Record(Trial(1, HALF, 6, IMPORTED), Result({"loss": 2.5}, curve=longer)),
        Record(Trial(3, HALF, 5, "sobol"), Failure("killed")),
        Record(Trial(4, HALF, 7, CONFIRM), Result({"loss": 2.4, "acc": 0.3})),
    )


def test_records_are_ordered_and_sorted_into_what_they_are():
    history = History(records())
    assert [r.trial.id for r in history.records] == [0, 1, 2, 3, 4]
    assert [r.trial.id for r in history.completed] == [0, 1, 4]
    assert [r.trial.id for r in history.observations] == [0, 1, 4]
    assert [r.trial.id for r in history.searched] == [0, 1]
    assert [r.trial.id for r in history.pending] == [2]
    assert [r.trial.id for r in history.failed] == [3]
    assert [r.trial.id for r in history.asked] == [0, 2, 3]
    assert (history.n_asked, history.next_id, len(history)) == (3, 5, 5)
    assert [r.trial.id for r in History(records()[::-1]).records] == [0, 1, 2, 3, 4]


def test_a_round_of_confirmations_ends_with_the_next_result():
    history = History(records())
    waiting = Record(Trial(5, HALF, 8, CONFIRM))
    history = history.with_record(waiting)
    assert [r.trial.id for r in history.confirming] == [4, 5]
    assert [r.trial.id for r in history.unconfirmed.records] == [0, 1, 2, 3]
    asked = history.with_pending([Candidate(HALF, "log_ei")])
    assert [r.trial.id for r in asked.confirming] == [4, 5]
    after = asked.with_record(Record(asked.records[-1].trial, Result({"loss": 2.0})))
    assert after.confirming == ()
    assert after.unconfirmed is after
    # An older trial that comes back late belongs to what the round did not know, and leaves the round what it is.
    late = history.with_record(Record(history.records[2].trial, Result({"loss": 2.0})))
    assert [r.trial.id for r in late.confirming] == [4, 5]
    assert [r.trial.id for r in history.until(2).records] == [0, 1]


def test_an_id_stands_once():
    with pytest.raises(StudyError, match="trial 2 stands twice"):
        History((*records(), Record(Trial(2, HALF, 0, "sobol"))))


def test_adding_gives_a_new_value():
    history = History(records())
    done = Record(history.records[2].trial, Result({"loss": 2.0}))
    after = history.with_record(done)
    assert not after.pending
    assert len(history.pending) == 1
    waiting = after.with_pending([Candidate(HALF, "sobol"), Candidate(HALF, "log_ei")])
    assert [r.trial.id for r in waiting.pending] == [5, 6]


def test_the_dataset_has_the_schema():
    data = History(records()).to_dataset(PROBLEM, attrs={"study": "{}"})
    dims = {
        "weights": ("trial", "domain"),
        "weights_realized": ("trial", "domain"),
        "loss": ("trial", "metric"),
        "eval_sem": ("trial", "metric"),
        "curve": ("trial", "step", "metric"),
        "epochs": ("trial", "domain"),
        "params": ("trial",),
        "tokens": ("trial",),
        "cost": ("trial",),
    }
    assert {name: variable.dims for name, variable in data.data_vars.items()} == dims
    assert data["domain"].values.tolist() == ["code", "web"]
    assert data["status"].values.tolist() == ["completed", "completed", "pending", "failed", "completed"]
    assert data["unit"].values.tolist() == ["nats/token", "share"]
    assert data["direction"].values.tolist() == ["min", "max"]
    assert data["weights"].sel(trial=0, domain="web").item() == 0.8
    assert data["weights_realized"].sel(trial=0, domain="web").item() == 0.7
    assert data["loss"].sel(trial=4, metric="acc").item() == 0.3
    assert data["cost"].sel(trial=0).item() == 12.5
    assert data["seed"].values.tolist() == [5, 6, 5, 5, 7]
    assert data["step"].values.tolist() == [10, 20, 30]
    np.testing.assert_array_equal(data["curve"].sel(trial=0, metric="loss"), [4.0, 3.0, np.nan])
    np.testing.assert_array_equal(data["curve"].sel(trial=1, metric="loss"), [np.nan, 3.5, 2.5])
    assert data["loss"].sel(trial=[2, 3]).isnull().all()
    assert data["curve"].sel(trial=2).isnull().all()
    assert data["params"].isnull().values.tolist() == [False, True, False, True, True]
    assert data.attrs == {"schema_version": SCHEMA_VERSION, "bomix_version": bomix.__version__, "study": "{}"}


@pytest.mark.parametrize("history", [History(records()), History()], ids=["full", "empty"])
def test_it_survives_netcdf(history, tmp_path):
    data = history.to_dataset(PROBLEM, attrs={"study": '{"seed": 0}'})
    data.to_netcdf(tmp_path / "results.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "results.nc", engine="h5netcdf") as back:
        xr.testing.assert_equal(back.load(), data)
        assert dict(back.attrs) == data.attrs
