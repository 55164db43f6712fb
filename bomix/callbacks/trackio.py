"""Trials as steps of a run of trackio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bomix.callbacks.values import name_of, settings, values
from bomix.config.extras import missing
from bomix.errors import Fault

if TYPE_CHECKING:
    from bomix.contracts.study import WatchedStudy
    from bomix.trial import Record, Trial


@dataclass
class Trackio:
    """Log each trial to a run of trackio, here or in a Space of the Hub; the number of the trial is the step.

    A run that goes on goes on in the same run of trackio.

    Attributes:
        project: Project of the run.
        name: Name of the run; that of the study's folder unless given.
        space_id: The Space that it is sent to; it stays on this machine unless given.
    """

    project: str = "bomix"
    name: str | None = None
    space_id: str | None = None
    _run: Any = field(default=None, init=False, repr=False, compare=False)

    def unready(self) -> list[Fault]:
        """A package that is not installed."""
        said = missing("trackio", ["trackio"])
        return [] if said is None else [Fault("", said)]

    def began(self, study: WatchedStudy, pending: Sequence[Trial]) -> None:
        """Open the run."""
        import trackio

        self._run = trackio.init(
            project=self.project,
            name=self.name or name_of(study),
            space_id=self.space_id,
            config=settings(study),
            resume="allow",
            embed=False,
            auto_log_gpu=False,  # what trains is another process, and may be another machine
        )

    def ended(self, study: WatchedStudy, record: Record) -> None:
        """Log a trial."""
        self._run.log({"origin": record.trial.origin, **values(study, record)}, step=record.trial.id)

    def closed(self) -> None:
        """Finish the run."""
        self._run.finish()
