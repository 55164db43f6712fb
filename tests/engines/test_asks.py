"""With one slot a study asks for the same mixtures wherever its trials run, also where a model of the record asks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bomix.study.study import Study
from bomix.trial import Result
from tests.engines import ray_nodes
from tests.engines.slurm_daemons import Cluster
from tests.engines.studies import optimize

pytestmark = pytest.mark.engines

DESIGN, TRIALS = 4, 9
STRATEGIES: dict[str, Any] = {
    "bayesian": {"kind": "bayesian", "n_init": DESIGN},
    "turbo": {"kind": "turbo", "n_init": DESIGN},
    "law": {"kind": "law", "n_init": DESIGN},
}


def run(folder: Path, strategy: Any, execution: Mapping[str, Any]) -> Study:
    """A study of a known function with noise, run to its end."""
    folder.mkdir(parents=True)
    data = {
        "domains": {f"d{number}": {} for number in range(4)},
        "evaluator": {"kind": "synthetic", "domains": 4, "noise": 0.01},
        "strategy": strategy,
        "budget": {"trials": TRIALS},
        "execution": dict(execution),
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(data))
    optimize(folder)
    return Study.open(folder)


def are_alike(folder: Path, strategy: str, execution: Mapping[str, Any]) -> None:
    """Both have the same trials and losses, to the last bit, and a model asked for the later ones."""
    ours, local = (run(folder / name, STRATEGIES[strategy], how) for name, how in (("there", execution), ("here", {})))
    assert [each.trial for each in ours.history.records] == [each.trial for each in local.history.records]
    assert [each.outcome for each in ours.history.records] == [each.outcome for each in local.history.records]
    assert all(isinstance(each.outcome, Result) for each in ours.history.records)
    assert {each.trial.origin for each in ours.history.records[DESIGN:]} != {ours.history.records[1].trial.origin}
    assert len(ours.history.records) == TRIALS


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_jobs_of_slurm_are_asked_for_what_local_processes_are(cluster: Cluster, tmp_path: Path, strategy: str) -> None:
    are_alike(tmp_path, strategy, {"kind": "slurm", "poll_s": 1})


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_tasks_of_ray_are_asked_for_what_local_processes_are(
    ray_cluster: ray_nodes.Cluster, tmp_path: Path, strategy: str
) -> None:
    ray_cluster.join()
    try:
        are_alike(tmp_path, strategy, {"kind": "ray", "address": ray_nodes.ADDRESS, "grace_s": 1.0})
    finally:
        ray_cluster.kill("b")
