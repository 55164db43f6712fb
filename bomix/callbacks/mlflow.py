"""Trials as steps of a run of MLflow."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bomix.callbacks.values import name_of, settings, values
from bomix.config.extras import missing
from bomix.errors import Fault

if TYPE_CHECKING:
    from bomix.contracts.study import WatchedStudy
    from bomix.trial import Record, Trial

_REFUSED = re.compile(r"[^\w\-. :/]")
"""Characters that MLflow allows in no name of a metric; ``_`` takes their place."""


@dataclass
class MLflow:
    """Log each trial to a run of MLflow; the number of the trial is the step.

    The run that a program has open stays as it is. A run that goes on is another run of the same name.

    Attributes:
        experiment: Name of the experiment; it is made where it is not there.
        name: Name of the run; that of the study's folder unless given.
        tracking_uri: Where runs are kept, ``http://...`` or ``sqlite:///...``; as ``MLFLOW_TRACKING_URI`` says, else as
            MLflow has it, unless given. A folder is refused by MLflow 3 unless ``MLFLOW_ALLOW_FILE_STORE`` is ``true``.
    """

    experiment: str = "bomix"
    name: str | None = None
    tracking_uri: str | None = None
    _client: Any = field(default=None, init=False, repr=False, compare=False)
    _run_id: str = field(default="", init=False, repr=False, compare=False)

    def unready(self) -> list[Fault]:
        """A package that is not installed."""
        said = missing("mlflow", ["mlflow"])
        return [] if said is None else [Fault("", said)]

    def began(self, study: WatchedStudy, pending: Sequence[Trial]) -> None:
        """Open the run."""
        from mlflow import MlflowClient
        from mlflow.entities import Param

        self._client = MlflowClient(tracking_uri=self.tracking_uri)
        known = self._client.get_experiment_by_name(self.experiment)
        number = self._client.create_experiment(self.experiment) if known is None else known.experiment_id
        self._run_id = self._client.create_run(number, run_name=self.name or name_of(study)).info.run_id
        self._client.log_batch(self._run_id, params=[Param(name, text) for name, text in settings(study).items()])

    def ended(self, study: WatchedStudy, record: Record) -> None:
        """Log a trial."""
        from mlflow.entities import Metric

        now, step = int(time.time() * 1000), record.trial.id
        found = [Metric(_REFUSED.sub("_", name), each, now, step) for name, each in values(study, record).items()]
        self._client.log_batch(self._run_id, metrics=found)

    def closed(self) -> None:
        """Finish the run."""
        self._client.set_terminated(self._run_id)
