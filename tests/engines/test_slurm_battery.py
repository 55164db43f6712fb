"""The executor of Slurm keeps its contract, on real daemons."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from bomix.contracts.executor import Executor, GroupExecutor
from bomix.errors import EvaluationError
from bomix.execution.slurm.spec import SlurmExecution
from bomix.testing import GroupExecutorBattery
from bomix.testing.endings import Ending, GroupEnding, Way, this_process
from bomix.testing.executors import trial
from bomix.testing.group_executors import THIRD
from tests.engines.slurm_daemons import Cluster

pytestmark = [pytest.mark.engines, pytest.mark.usefixtures("cluster")]


@contextmanager
def study_of(evaluator: Any) -> Iterator[Path]:
    """A study's folder whose file says of an evaluator."""
    options = {"kind": f"{type(evaluator).__module__}:{type(evaluator).__name__}"}
    for field in dataclasses.fields(evaluator):
        value = vars(evaluator)[field.name]
        options[field.name] = list(value) if isinstance(value, tuple) else value
    with tempfile.TemporaryDirectory() as name:
        data = {"domains": {"code": {}, "web": {}}, "metrics": ["loss"], "evaluator": options}
        (Path(name) / "study.yaml").write_text(yaml.safe_dump(data))
        yield Path(name)


class TestSlurm(GroupExecutorBattery):
    spec = SlurmExecution(poll_s=1.0)
    kind = "slurm"

    @contextmanager
    def executor(self, how: Way = "well", *, workers: int = 1) -> Iterator[Executor]:
        with self._started(Ending(how, this_process()), workers) as executor:
            yield executor

    @contextmanager
    def group_executor(self, how: Way = "well", trials: Sequence[int] = (THIRD,)) -> Iterator[GroupExecutor]:
        with self._started(GroupEnding(how, this_process(), trials=tuple(trials)), 2) as executor:
            yield executor

    @contextmanager
    def _started(self, evaluator: Any, workers: int) -> Iterator[Any]:
        with study_of(evaluator) as folder:
            executor = self.sized(workers).start(evaluator, folder=folder)
            try:
                yield executor
            finally:
                executor.close()

    def test_closing_ends_the_trials_that_run(self, tmp_path: Path) -> None:
        pytest.skip("jobs go on when their driver ends: tests/engines/test_slurm_faults.py")

    def test_closing_ends_the_group_that_runs(self, tmp_path: Path) -> None:
        pytest.skip("jobs go on when their driver ends: tests/engines/test_slurm_faults.py")

    def test_an_evaluator_that_cannot_be_loaded_there_is_told(self, tmp_path: Path) -> None:
        with study_of(Ending()) as folder:
            executor = self.sized(1).start(Ending(), folder=folder)
            (folder / "study.yaml").write_text("domains: {code: {}, web: {}}\nevaluator: {kind: 'nowhere:Gone'}\n")
            self.submit(executor, trial(), tmp_path)
            with pytest.raises(EvaluationError, match="nowhere"):
                self.until_ended(executor)


def test_the_cluster_is_empty_afterwards(cluster: Cluster) -> None:
    cluster.until(lambda: cluster.ask("squeue", "--noheader").strip() == "", "a job is left")
