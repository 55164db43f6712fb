"""What is moved out of a study's record and kept: damaged files, trials that were begun anew. Only under the lock."""

from __future__ import annotations

import itertools
from pathlib import Path

from bomix.io.store import files, results_file
from bomix.io.store.study_folder import RESOLVED_FILE, TRIALS, FolderStore
from bomix.io.store.study_id import ID_FILE
from bomix.io.store.trial_files import TRIAL_FILE, Damage

DAMAGED = "damaged"
RESTARTED = "restarted"


def move_damage(store: FolderStore, damage: Damage) -> Path:
    """Move what cannot be read out of the record, into a folder that keeps it.

    A trial whose outcome is moved is pending again, but for an imported run; that, and one whose own file is moved, is
    no trial of the study any more.

    Returns:
        Where it is now.
    """
    whole = damage.path.name == TRIAL_FILE or (damage.imported and not damage.is_amendment)
    moved = damage.path.parent if whole else damage.path
    with results_file.changing(store.folder):
        return _moved(store.folder, moved, f"{damage.trial:04d}-{damage.path.name}")


def move_resolved(store: FolderStore) -> Path:
    """Move ``resolved.json`` out of the study; it is written again from the study file. Returns where it is now."""
    return _moved(store.folder, store.folder / RESOLVED_FILE, RESOLVED_FILE)


def move_trials(store: FolderStore) -> Path:
    """Move all trials and ``resolved.json`` into a folder that keeps them.

    Returns:
        That folder.
    """
    kept = store.folder / RESTARTED
    numbers = (kept / str(number) for number in itertools.count(1))
    target = next(free for free in numbers if not free.exists())
    target.mkdir(parents=True)
    results_file.remove(store.folder)
    # The file last: while it is there, nothing but the study as it was can go on.
    for name in (TRIALS, ID_FILE, RESOLVED_FILE):
        if (path := store.folder / name).exists():
            path.rename(target / name)
    for folder in (target, kept, store.folder):
        files.sync(folder)
    return target


def _moved(folder: Path, path: Path, name: str) -> Path:
    """Move a file or folder to ``damaged``, under a name of its own there."""
    kept = folder / DAMAGED
    kept.mkdir(exist_ok=True)
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    target = next(kept / free for free in names if not (kept / free).exists())
    path.rename(target)
    files.sync(path.parent)
    files.sync(kept)
    return target
