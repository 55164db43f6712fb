"""What a program hands to a study, made plain and checked before anything is written."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from operator import index
from pathlib import Path
from typing import Any, SupportsIndex

from bomix.config.components import nested_faults
from bomix.config.registry import modules_of
from bomix.config.settled import argument, settled
from bomix.config.spec import StudySpec
from bomix.contracts.surrogate import Surrogate
from bomix.errors import Fault, FaultsError, StudyError, raise_faults
from bomix.io.store.plain import as_mapping, number, short
from bomix.io.store.study_folder import STUDY_FILE, FolderStore
from bomix.trial import Trial

_ROUNDING = 1e-9
"""Largest difference of weights of one trial: who sent it through another format may have rounded its last digits."""


def sound(spec: StudySpec, folder: Path | None = None) -> StudySpec:
    """The same study with plain values, in which nothing is wrong.

    Args:
        spec: A study file, or what a program made of it.
        folder: The folder of the study, where modules of one's own are looked for too.

    Raises:
        FaultsError: What is of the wrong type; else everything that is wrong otherwise.
    """
    with contextlib.nullcontext() if folder is None else modules_of(folder):
        spec = typed(spec)  # nothing is compared or counted before every value is of its type
    raise_faults([*spec.faults(), *nested_faults(spec)])
    return spec


def typed(spec: Any) -> StudySpec:
    """The same study with plain values, each of its type.

    Raises:
        FaultsError: What is of the wrong type.
    """
    if not isinstance(spec, StudySpec):
        what = f"expected the spec of a study, found {short(spec)}; dataclasses.replace(study.spec, ...) changes one"
        raise FaultsError([Fault("spec", what)])
    plain, wrong = settled(spec)
    raise_faults(wrong)
    return plain


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


def trial_number(trial: Trial | SupportsIndex) -> int:
    """The number of a trial, or a whole number of any library.

    Raises:
        StudyError: It is neither.
    """
    given = trial.id if isinstance(trial, Trial) else trial
    # What says that it is an index may still be an array of two, or True: `number` leaves those.
    plain = number(given) if isinstance(given, SupportsIndex) else given
    if isinstance(plain, bool) or not isinstance(plain, (int, float)) or not isinstance(given, SupportsIndex):
        raise StudyError(f"expected a trial or its number, found {short(trial)}")
    try:
        return index(given)
    except TypeError:  # a tensor of a fraction
        raise StudyError(f"expected a trial or its number, found {short(trial)}") from None


def is_same(told: Trial, known: Trial) -> bool:
    """Whether a trial is the one that was recorded, a rounding of its weights aside."""
    weights = as_mapping(told.weights)
    if (told.seed, told.origin) != (known.seed, known.origin) or not isinstance(weights, Mapping):
        return False
    shares = {name: number(weight) for name, weight in weights.items()}
    return shares.keys() == known.weights.keys() and all(
        isinstance(shares[name], (int, float)) and abs(shares[name] - weight) <= _ROUNDING
        for name, weight in known.weights.items()
    )
