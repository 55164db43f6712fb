"""What is done about a study's files by hand: damaged ones set aside, trials without a result begun anew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bomix.errors import StudyError
from bomix.io.store import aside, lock
from bomix.io.store.study_folder import STUDY_FILE, DamagedError, FolderStore
from bomix.io.store.trial_files import OUTCOME_FILE, Damage
from bomix.study import resolved_file
from bomix.trial import Status


@dataclass(frozen=True)
class Repaired:
    """A damaged file that was set aside.

    Attributes:
        lost: What the study does not know any more, in words.
        moved: Where the file is now.
        reason: What was wrong with it.
        now: How the study goes on, in words.
    """

    lost: str
    moved: Path
    reason: str
    now: str

    def __str__(self) -> str:
        return f"lost: {self.lost} ({self.reason}); kept as {self.moved}; {self.now}"


def damages(folder: Path) -> tuple[Damage, ...]:
    """The damaged files of a study's trials.

    Raises:
        StoreError: A file of a newer version.
    """
    return FolderStore(folder).read().damages


def repair(folder: Path, file: Path | None = None) -> list[Repaired]:
    """Set every damaged file of a study aside, so that the study can go on; nothing is deleted.

    Args:
        folder: The study folder.
        file: The study file that it was opened by; ``study.yaml`` where none is named.

    Raises:
        StoreError: A driver holds the study; or a file is of a newer version.
        DamagedError: ``resolved.json`` is damaged and there is no study file that it could be written again from.
    """
    store = FolderStore(folder, file or folder / STUDY_FILE)
    with lock.holding(folder):
        store.sweep()
        done = []
        for damage in store.read().damages:
            moved = aside.move_damage(store, damage)
            pending = damage.path.name == OUTCOME_FILE and not damage.imported
            now = "the trial is pending again" if pending else "the trial counts no longer"
            now = "import its table again" if damage.imported else now
            now = "what was recorded before it counts again" if damage.is_amendment else now
            done.append(Repaired(damage.lost, moved, damage.reason, now))
        if (reason := _resolved_damage(store)) is not None:
            moved = aside.move_resolved(store)
            lost = "what the study was when its first trial was asked for"
            done.append(Repaired(lost, moved, reason, "it is taken from the study file as it is now"))
    return done


def restart(folder: Path) -> Path | None:
    """Begin a study anew that has no result yet, as its file is now; nothing is deleted.

    Args:
        folder: The study folder.

    Returns:
        The folder that keeps the trials that were asked for; None where there were none.

    Raises:
        StudyError: A trial has a result.
        StoreError: A driver holds the study; or a file is of a newer version.
    """
    store = FolderStore(folder)
    with lock.holding(folder):
        kept = store.read()
        told = [record.trial.id for record in kept.records if record.status is Status.COMPLETED]
        if told:
            listed = ", ".join(map(str, told[:10])) + (", ..." if len(told) > 10 else "")
            raise StudyError(
                f"trial{'s' if len(told) > 1 else ''} {listed} of {folder} came back with a result; a study that has "
                "results is not begun anew: undo the change, or start a study in a new folder"
            )
        return aside.move_trials(store) if kept.records or kept.damages else None


def _resolved_damage(store: FolderStore) -> str | None:
    """What is wrong with ``resolved.json``; None where nothing is."""
    try:
        kept = resolved_file.read(store)
        if kept is not None:
            resolved_file.spec_of(kept)
            resolved_file.preparation_of(kept)
    except DamagedError as error:
        if store.file is None or not store.file.is_file():
            raise
        return error.reason
    return None
