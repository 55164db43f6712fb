"""Trials as steps of event files of TensorBoard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bomix.callbacks.values import settings, values
from bomix.config.extras import missing
from bomix.errors import Fault

if TYPE_CHECKING:
    from bomix.contracts.study import WatchedStudy
    from bomix.trial import Record, Trial


@dataclass
class TensorBoard:
    """Write each trial to event files; the number of the trial is the step.

    Attributes:
        log_dir: Folder of the event files; ``tensorboard`` in the folder of the study unless given.
    """

    log_dir: str | None = None
    _writer: Any = field(default=None, init=False, repr=False, compare=False)

    def unready(self) -> list[Fault]:
        """A package that is not installed."""
        said = missing("tensorboard", ["tensorboard"])
        return [] if said is None else [Fault("", said)]

    def began(self, study: WatchedStudy, pending: Sequence[Trial]) -> None:
        """Open the file, a new one in each run; TensorBoard joins those of a folder."""
        from torch.utils.tensorboard import SummaryWriter

        folder = Path("tensorboard") if study.folder is None else study.folder / "tensorboard"
        self._writer = SummaryWriter(log_dir=self.log_dir or str(folder))
        for name, text in settings(study).items():
            self._writer.add_text(name, text)

    def ended(self, study: WatchedStudy, record: Record) -> None:
        """Write a trial, at once: a run that is killed loses none."""
        for name, value in values(study, record).items():
            self._writer.add_scalar(name, value, global_step=record.trial.id)
        self._writer.flush()

    def closed(self) -> None:
        """Close the file."""
        self._writer.close()
