"""Trials as steps of a run of Weights & Biases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from bomix.callbacks.values import name_of, settings, values
from bomix.config.extras import missing
from bomix.errors import Fault

if TYPE_CHECKING:
    from bomix.contracts.study import WatchedStudy
    from bomix.trial import Record, Trial


@dataclass
class WandB:
    """Log each trial to a run of Weights & Biases; the number of the trial is the axis of its charts.

    The key comes from ``wandb login`` or ``WANDB_API_KEY``, never from a study file. Each call of ``bomix optimize`` is
    a run of its own in the group of the study.

    Attributes:
        project: Project of the run.
        entity: User or team; your default one unless given.
        name: Name of the group; that of the study's folder unless given.
        mode: ``offline`` writes files that ``wandb sync`` sends later; as ``WANDB_MODE`` says unless given.
        dir: Folder for wandb's files; the folder of the study, or where the command is called.
    """

    project: str = "bomix"
    entity: str | None = None
    name: str | None = None
    mode: Literal["online", "offline", "disabled"] | None = None
    dir: str | None = None
    _run: Any = field(default=None, init=False, repr=False, compare=False)

    def unready(self) -> list[Fault]:
        """A package that is not installed."""
        said = missing("wandb", ["wandb"])
        return [] if said is None else [Fault("", said)]

    def began(self, study: WatchedStudy, pending: Sequence[Trial]) -> None:
        """Open the run."""
        import wandb

        self._run = wandb.init(
            project=self.project,
            entity=self.entity,
            group=self.name or name_of(study),
            mode=self.mode,
            dir=self.dir or study.folder,
            config=settings(study),
            reinit="create_new",  # a run that the program has open stays as it is
            settings=wandb.Settings(console="off"),  # what is printed is the command's own
        )
        # Trials end in any order, and wandb drops what comes with a step below the last one: so they are no steps.
        self._run.define_metric("trial")
        self._run.define_metric("*", step_metric="trial")

    def ended(self, study: WatchedStudy, record: Record) -> None:
        """Log a trial."""
        self._run.log({"trial": record.trial.id, "origin": record.trial.origin, **values(study, record)})

    def closed(self) -> None:
        """Finish the run."""
        self._run.finish()
