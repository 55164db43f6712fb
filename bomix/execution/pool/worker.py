"""What a worker of a pool calls: it runs an attempt in a process of its own, and says how that ended.

Nothing that a trial does ends the worker, and every end comes back as data: an error that a pool raises is its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bomix
from bomix.contracts.executor import Attempt, Ended
from bomix.errors import EvaluationError
from bomix.execution.local.executor import LocalExecutor, UnloadableError
from bomix.execution.local.slots import Slot
from bomix.execution.pool import notes
from bomix.execution.pool.notes import Wanted
from bomix.execution.pool.warm import Setting, warm
from bomix.io.store import records
from bomix.trial import Failure

if TYPE_CHECKING:
    from bomix.trial import Trial

PATIENCE_S = 10.0
"""Seconds in which a folder that the driver has just made must be seen: network file systems are some behind."""
LOOK_S = 0.5
"""Seconds between looks at what the driver wants."""
GIVEN_UP = "its driver has given it up, or a later run of the study has taken over"
"""Why an attempt is not run, or ended, whose note is another driver's or nobody's."""
DEAD_S = 180.0
"""Seconds without a sign of the driver after which it is taken for dead: it gives one every ten, and file systems that
stall for a minute are known."""
REPORTS = 32
"""Reports of progress that are told of at once; of more the last ones."""
REPORT_S = 2.0
"""Seconds after which one more is: a list of weeks stays small."""


def run(setting: Mapping[str, Any], job: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Run an attempt, or those of a group.

    Args:
        setting: What :meth:`bomix.execution.pool.warm.Setting.to_data` made.
        job: ``attempts``, each the JSON of a trial and the folder of its attempt; the driver's ``slot`` and its
            ``token``, and the ``version`` of its bomix.
        where: What the engine calls the node.

    Returns:
        ``events``, what happened, all ends and the last reports among it; or ``refused``, why nothing can be run here;
        or ``unseen``, the folder that is not seen here; or ``lost``, why this attempt is not run, or not to its end.
        Besides ``node``, the name of the machine, and ``where``.
    """
    said = {"node": platform.node(), "where": where}
    if job["version"] != bomix.__version__:
        what = f"bomix is {bomix.__version__} there and {job['version']} here; install the same version on all machines"
        return {**said, "refused": what}
    attempts = [(records.trial_from_json(trial), Path(folder)) for trial, folder in job["attempts"]]
    folder = attempts[0][1]
    if (wanted := _first_note(folder)) is None:
        return {**said, "unseen": str(folder)}
    if wanted.token != job["token"]:
        return {**said, "lost": GIVEN_UP}
    try:
        if (other := notes.claim(folder, f"{platform.node()}, process {os.getpid()}")) is not None:
            return {**said, "lost": f"the engine ran it a second time, after {other} had begun it"}
        writer = notes.Writer(folder)
        writer.append([{"began": True, **said}])
        with warm(Setting.from_data(setting)) as executor:
            executor.use([Slot(job["slot"])])
            _run(executor, attempts, writer, _Wishes(folder, wanted))
    except UnloadableError as error:
        return {**said, "refused": str(error)}
    except (EvaluationError, OSError) as error:
        return {**said, "lost": f"{type(error).__name__}: {error}"}
    return {**said, "events": writer.kept}


def _first_note(folder: Path) -> Wanted | None:
    """What the driver said before it called; None where the folder is not seen here."""
    patience = time.monotonic() + PATIENCE_S
    while (found := Wanted.read(folder)) is None and time.monotonic() < patience:
        with contextlib.suppress(OSError):
            os.listdir(folder.parent)  # has a network file system look again at what it did not find before
        time.sleep(0.1)
    return found


def _run(
    executor: LocalExecutor, attempts: Sequence[tuple[Trial, Path]], writer: notes.Writer, wishes: _Wishes
) -> None:
    """Run trials and write down what happens, until the last has ended.

    Raises:
        EvaluationError: The process that trials are forked from has ended, and they with it.
    """
    executor.submit_together([(trial, Attempt(1, folder)) for trial, folder in attempts])
    left = {trial.id: trial for trial, _ in attempts}
    lost: str | None = None
    started, told = time.monotonic(), 0
    while left:
        happened = list(executor.events(LOOK_S))
        room = REPORTS + int((time.monotonic() - started) / REPORT_S) - told
        ends = [_as_lost(event, lost) for event in happened if isinstance(event, Ended)]
        reports = [event for event in happened if not isinstance(event, Ended)]
        reports = reports[len(reports) - min(len(reports), room, REPORTS) :]
        told += len(reports)
        # Before its end comes what a trial reported: the order in which the local executor tells both.
        writer.append([*map(notes.to_data, reports), *map(notes.to_data, ends)])
        for end in ends:
            del left[end.trial.id]
        wishes.look()
        lost = lost or wishes.lost
        for number in left if lost else wishes.cancelled & left.keys():
            executor.cancel(left[number])


def _as_lost(end: Ended, why: str | None) -> Ended:
    """An end of a trial that nobody waited for any more; a result is one all the same."""
    if why is None or not isinstance(end.outcome, Failure):
        return end
    return dataclasses.replace(end, outcome=Failure(why, end.log_tail), lost=True)


class _Wishes:
    """What the driver wants, looked at now and then.

    Args:
        folder: The folder of the attempt.
        found: What it wanted at first.
    """

    def __init__(self, folder: Path, found: Wanted) -> None:
        self._folder = folder
        self._found = found
        self._token = found.token
        self._looked = self._changed = time.monotonic()

    def look(self) -> None:
        """Read the driver's note, unless that was just done; one that cannot be read is that of before."""
        if (now := time.monotonic()) < self._looked + LOOK_S:
            return
        self._looked = now
        found = Wanted.read(self._folder)
        if found is not None and found != self._found:
            self._found, self._changed = found, now

    @property
    def lost(self) -> str | None:
        """Why nobody waits any more for what runs; None where somebody does."""
        if self._found.token != self._token:
            return GIVEN_UP
        if self._looked > self._changed + DEAD_S:
            return f"its driver gave no sign of life for {DEAD_S:g} s"
        return None

    @property
    def cancelled(self) -> frozenset[int]:
        """Ids of trials that are not wanted any more."""
        return frozenset(self._found.cancelled)
