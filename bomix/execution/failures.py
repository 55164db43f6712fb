"""What is said where a run of a study ends because its trials fail: the last failure, its log, and the cure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bomix.errors import EvaluationError
from bomix.trial import REFERENCE, REWEIGHTING, Failure, Record

if TYPE_CHECKING:
    from bomix.contracts.study import RunnableStudy


def too_many(study: RunnableStudy, failed: Sequence[Record], *, useless: bool) -> EvaluationError:
    """The error that ends a run.

    Args:
        study: The study.
        failed: What failed in this run, at least one.
        useless: Whether an expert came back without what experts are for.
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
    return EvaluationError(
        f"{count} trial{'s' if count > 1 else ''} failed, and {why}; the last one, trial {trial.id}: "
        f"{last.message}{where}\n{last.log_tail}\nmend the cause and run the same command again{_again(study, failed)}"
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
