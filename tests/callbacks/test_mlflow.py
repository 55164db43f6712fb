"""MLflow's own client reads what was logged into a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.callbacks.mlflow import MLflow
from tests.callbacks.logged import NAMES, run

mlflow = pytest.importorskip("mlflow")
pytestmark = pytest.mark.callbacks


def test_a_run_holds_every_trial_under_names_that_it_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    where = (tmp_path / "kept").as_uri()
    study = run(tmp_path, MLflow(tracking_uri=where))
    client = mlflow.MlflowClient(tracking_uri=where)
    (found,) = client.search_runs([client.get_experiment_by_name("bomix").experiment_id])
    assert found.info.run_name == "mixture"
    assert found.info.status == "FINISHED"
    assert found.data.params["metrics"] == "c++, web"
    assert {name.replace("+", "_") for name in NAMES} <= found.data.metrics.keys()
    steps = client.get_metric_history(found.info.run_id, "weight/c__")
    weights = [record.trial.weights["c++"] for record in study.history.records]
    assert [(each.step, each.value) for each in steps] == list(enumerate(weights))
