"""What a program hands to a study, made plain and checked before anything is written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bomix.config.components import nested_faults
from bomix.config.settled import argument, settled
from bomix.contracts.surrogate import Surrogate
from bomix.errors import Fault, FaultsError, StudyError, raise_faults
from bomix.io.store.plain import short
from bomix.io.store.study_folder import STUDY_FILE, FolderStore

if TYPE_CHECKING:
    from bomix.config.spec import StudySpec


def sound(spec: StudySpec) -> StudySpec:
    """A spec with plain values, without faults.

    Args:
        spec: As a program made it.

    Raises:
        FaultsError: What is of the wrong type; else everything that is wrong otherwise.
    """
    spec, wrong = settled(spec)
    # Nothing is compared or counted before every value is of its type.
    raise_faults(wrong)
    raise_faults([*spec.faults(), *nested_faults(spec)])
    return spec


def surrogate_of(given: Any) -> Surrogate:
    """A surrogate that is given instead of the study's own.

    Raises:
        FaultsError: It is none, or something is wrong in it.
    """
    surrogate: Surrogate = argument("surrogate", Surrogate, given)
    raise_faults(nested_faults({"surrogate": surrogate}))
    return surrogate


def folder_path(path: Any) -> Path:
    """A path as it was given.

    Raises:
        FaultsError: It is none.
    """
    if not isinstance(path, (str, os.PathLike)) or "\0" in (text := str(path)) or not text:
        raise FaultsError([Fault("path", f"expected the path of a folder, found {short(path)}")])
    return Path(path)


def new_folder(path: Any) -> FolderStore:
    """The folder of a study that begins; it is made once there is something to write.

    Raises:
        FaultsError: The path is none.
        StudyError: A file is there, or a study that has a study file.
    """
    folder = folder_path(path)
    taken = next((each for each in (folder, *folder.parents) if each.exists()), None)
    if taken is not None and not taken.is_dir():
        raise StudyError(f"{taken} is a file; give the path of a folder, which may be new")
    if (file := folder / STUDY_FILE).exists():
        raise StudyError(f"{file} says what this study is; use Study.open, or another folder")
    return FolderStore(folder)
