"""MLflow's own client reads what was logged into a database."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.callbacks.mlflow import MLflow
from tests.callbacks.logged import NAMES, run

mlflow = pytest.importorskip("mlflow")
pytest.importorskip("sqlalchemy")
pytestmark = [pytest.mark.callbacks, pytest.mark.filterwarnings("ignore")]  # those of its own database


def test_a_run_holds_every_trial_under_names_that_it_allows(tmp_path: Path) -> None:
    where = f"sqlite:///{tmp_path / 'kept.db'}"
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
