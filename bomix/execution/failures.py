"""What is said where a run of a study ends because its trials fail: the last failure, its log, and the cure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bomix.errors import EvaluationError
from bomix.trial import IMPORTED, REFERENCE, REWEIGHTING, Failure, Record

if TYPE_CHECKING:
    from bomix.contracts.study import RunnableStudy
    from bomix.history import History


class Failures:
    """The failed trials that a run counts.

    Args:
        study: The study.
        in_all: Whether those of earlier runs count: all since the last trial that was trained here and completed.
    """

    def __init__(self, study: RunnableStudy, *, in_all: bool) -> None:
        self._study = study
        self._in_all = in_all
        self._failed = _in_a_row(study.history) if in_all else []
        self._useless = False

    def ended(self, record: Record, *, useless: bool) -> None:
        """Count a trial that has ended.

        Args:
            record: The trial, whichever way it ended.
            useless: Whether it is an expert that came back without what experts are for.
        """
        self._useless |= useless
        if self._in_all:
            self._failed = _in_a_row(self._study.history)
        elif isinstance(record.outcome, Failure):
            self._failed.append(record)

    @property
    def too_many(self) -> bool:
        """Whether the run ends for it."""
        return bool(self._failed) and (self._useless or len(self._failed) >= self._study.spec.execution.max_failures)

    def give_up(self) -> None:
        """Raise EvaluationError where there are too many."""
        if self.too_many:
            raise too_many(self._study, self._failed, useless=self._useless, in_all=self._in_all)


def _in_a_row(history: History) -> list[Record]:
    """The failed trials since the last one that was trained here and completed, by their numbers."""
    last = max((record.trial.id for record in history.completed if record.trial.origin != IMPORTED), default=-1)
    return [record for record in history.failed if record.trial.id > last]


def too_many(study: RunnableStudy, failed: Sequence[Record], *, useless: bool, in_all: bool = False) -> EvaluationError:
    """The error that ends a run.

    Args:
        study: The study.
        failed: What failed in this run, at least one.
        useless: Whether an expert came back without what experts are for.
        in_all: Whether failures of earlier runs count: then the same command comes to the same end, until they do not.
    """
    count, folder = len(failed), study.folder
    trial, last = failed[-1].trial, failed[-1].outcome
    assert isinstance(last, Failure)
    where = f" (log below {folder / 'trials'})" if folder else ""
    why = (
        "an expert came back without what experts are for, and so would the others"
        if useless
        else f"execution.max_failures is {study.spec.execution.max_failures}"
    )
    cure = (
        "mend the cause, then have them count for nothing (`bomix withdraw`), raise execution.max_failures, or run "
        "without --detach, which counts anew"
        if in_all
        else "mend the cause and run the same command again"
    )
    return EvaluationError(
        f"{count} trial{'s' if count > 1 else ''} failed, and {why}; the last one, trial {trial.id}: "
        f"{last.message}{where}\n{last.log_tail}\n{cure}{_again(study, failed)}"
    )


def _again(study: RunnableStudy, failed: Sequence[Record]) -> str:
    """How references are asked for again that failed: a study goes on without, or can do nothing without them."""
    anchors = set(study.problem.anchors()) | {REFERENCE, REWEIGHTING}
    lost = [record.trial for record in failed if record.trial.origin in anchors]
    if not lost or study.folder is None:
        return ""
    numbers = ", ".join(str(trial.id) for trial in lost)
    what = f"trial {numbers} is a reference" if len(lost) == 1 else f"trials {numbers} are references"
    cure = "`bomix withdraw` has it asked for anew" if study.history.completed else "`bomix restart` begins anew"
    return f"; {what}, and what failed counts as tried: {cure}"
