"""Trials that are handed to trainers elsewhere as files in a folder, and the results that appear beside them.

::

    asked/7.json            what `bomix ask --out asked` wrote: the trial in numbers
    asked/7.tokens.json     the same in a format of its own, where one was wanted
    asked/7.result.json     what the trainer writes, in its own time: a result, or a failure

Results are taken in any order, by several processes at a time, and as often as one likes: what is recorded already is
known again. A file that is not whole is being written, and is left for later.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from bomix.errors import ConfigError, FaultsError, StoreError, StudyError
from bomix.io.exports import sheet
from bomix.io.exports.formats import FORMATS
from bomix.io.store import files, study_id
from bomix.io.store.incoming import RESULT_LIMIT, read_outcome
from bomix.io.store.records import outcome_to_data
from bomix.io.store.result_checks import bounded
from bomix.problem import Problem
from bomix.study.records import Records
from bomix.trial import Failure, Outcome, Record, Result, Trial

_FILE = re.compile(r"([0-9]{1,12})\.json")
_RESULT = re.compile(r"([0-9]{1,12})\.result\.json")


class State(StrEnum):
    """What became of a file of a result."""

    TOLD = "told"
    FAILED = "failed"
    BEFORE = "told before"
    LATER = "left for later"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"


@dataclass(frozen=True)
class Taken:
    """A file of a result.

    Attributes:
        trial: The number in its name.
        path: The file.
        state: What became of it.
        why: What is to be said of it; empty where all is well.
        record: The trial as it is recorded now; None where that is not known.
    """

    trial: int
    path: Path
    state: State
    why: str = ""
    record: Record | None = None


def hand_out(records: Records, trial: Trial, folder: Path, formats: Iterable[str], *, tokens: int | None) -> Path:
    """Write the file of a pending trial, and those of the formats that are wanted.

    Args:
        records: The spec and the trials of the study, which lies in a folder.
        trial: The trial.
        folder: Where the files go; it exists.
        formats: Keys of :data:`~bomix.io.exports.formats.FORMATS`.
        tokens: Training tokens of a run where the study says none.

    Returns:
        The file of the trial.

    Raises:
        StudyError: A format needs what is not known.
    """
    assert records.folder is not None, "the study was opened from a folder"
    found = sheet.sheet_of(trial, records.resolved.problem, tokens=tokens)
    texts = {f"{trial.id}{FORMATS[name].suffix}": FORMATS[name].text(found) for name in formats}
    texts[found.file_name] = found.to_json(study_id.ensured(records.folder))  # last: who sees it finds the others
    for name, text in texts.items():
        files.replace(folder / name, text)
    return folder / found.file_name


def refuse_strangers(records: Records, folder: Path) -> None:
    """Raise StudyError where a folder holds what is of another study: trials, or results of what was never asked for.

    The former would be written over, the latter be told as results of the trials that get their numbers now.
    """
    assert records.folder is not None, "the study was opened from a folder"
    own = study_id.read(records.folder)
    for number, path in _numbered(folder, _FILE):
        try:
            study = sheet.read(path)[1]
        except ConfigError:
            continue  # whatever it is, it is not another study's trial
        if study is not None and study != own:
            raise StudyError(f"{path} is trial {number} of another study; take another folder for this one")
    asked = {record.trial.id for record in records.history.all_records}
    for number, path in _numbered(folder, _RESULT):
        if number not in asked:
            raise StudyError(f"{path} is there before trial {number} was asked for; remove it, or take another folder")


def without_file(records: Records, folder: Path) -> list[int]:
    """Pending trials that have no file in a folder."""
    there = {number for number, _ in _numbered(folder, _FILE)}
    return [record.trial.id for record in records.history.pending if record.trial.id not in there]


def waiting(records: Records, folder: Path) -> list[int]:
    """Pending trials that have a file in a folder."""
    there = {number for number, _ in _numbered(folder, _FILE)}
    return [record.trial.id for record in records.history.pending if record.trial.id in there]


def take(records: Records, folder: Path, *, partial: bool = False) -> Iterator[Taken]:
    """Record whatever results lie in a folder, one after the other; each is durable before the next is looked at.

    Args:
        records: The spec and the trials of the study.
        folder: The folder.
        partial: Whether metrics that a result does not name were not measured.
    """
    for number, path in _numbered(folder, _RESULT):
        try:
            yield _take(records, number, path, partial=partial)
        except _Unfinished as unfinished:
            yield Taken(number, path, State.LATER, str(unfinished))
        except (ConfigError, FaultsError, StudyError, StoreError) as error:
            yield Taken(number, path, State.REFUSED, str(error))


def read_told(path: Path, problem: Problem, *, partial: bool = False, text: str | None = None) -> Outcome:
    """What a training wrote: its result, or why it failed; paths of artifacts are relative to the file's folder.

    Args:
        path: The file.
        problem: Names the metrics and domains.
        partial: Whether metrics that are not named were not measured.
        text: What stands in the file, where that was read already.

    Raises:
        ConfigError: The file cannot be read.
        FaultsError: Everything that is wrong with it.
    """
    text = _decoded(path, _content(path)) if text is None else text
    try:
        outcome = read_outcome(
            text,
            problem.metric_names,
            problem.phases or problem.space.domains,
            partial=partial,
            directions=problem.directions,
        )
    except FaultsError as error:
        raise FaultsError(error.faults, f"{path} cannot be used:") from error
    if isinstance(outcome, Failure):
        return outcome
    artifacts = {name: str(path.absolute().parent / at) for name, at in outcome.artifacts.items()}
    return replace(outcome, artifacts=artifacts)


class _Unfinished(Exception):
    """A file that is not whole yet."""


def _take(records: Records, number: int, path: Path, *, partial: bool) -> Taken:
    """Record one result.

    Raises:
        _Unfinished: The file is not whole yet.
        BomixError: It cannot be recorded.
    """
    text = _whole(path)
    known = _known(records, number, path)
    if known.withdrawn is not None:
        return Taken(number, path, State.WITHDRAWN, f"{known.withdrawn}; what came back of it counts no more", known)
    partial = partial or known.outcome is not None  # what is recorded was taken with its gaps, and is only compared
    outcome = read_told(path, records.resolved.problem, partial=partial, text=text)
    if known.outcome is None:
        try:
            known = records.tell(number, outcome)
            failed = isinstance(known.outcome, Failure)
            return Taken(number, path, State.FAILED if failed else State.TOLD, _of(known), known)
        except StoreError:
            known = records.find(number)
            if known.outcome is None:  # nobody told it meanwhile: it cannot be recorded
                raise
    if not _is_recorded(outcome, known.outcome):
        cure = "the record keeps what was told first; `bomix withdraw` has the trial count for nothing"
        raise StudyError(f"another result is recorded of trial {number}; {cure}")
    return Taken(number, path, State.BEFORE, record=known)


def _known(records: Records, number: int, path: Path) -> Record:
    """The recorded trial that a result is of.

    Raises:
        BomixError: It is none of this study.
    """
    asked = path.with_name(f"{number}.json")
    if not asked.exists():
        raise StudyError(f"there is no {asked.name} beside it, which says which trial it is of")
    trial, study = sheet.read(asked)
    own = None if records.folder is None else study_id.read(records.folder)
    if trial.id != number or (study is not None and study != own):
        whose = f"it is of trial {trial.id}" if trial.id != number else "it is of a trial of another study"
        raise StudyError(f"{whose}, as {asked.name} says")
    return records.find(trial)


def _is_recorded(outcome: Outcome, recorded: Outcome | None) -> bool:
    """Whether a result is the one that is recorded, whatever way leads to its folder.

    The metrics that were not measured are those without a loss, whether or not this time it is said that they are.
    """
    if recorded is None or isinstance(outcome, Failure) != isinstance(recorded, Failure):
        return False
    if isinstance(outcome, Failure) and isinstance(recorded, Failure):
        return bounded(outcome).message == recorded.message
    one, other = (
        replace(each, unmeasured=(), artifacts={name: _real(path) for name, path in each.artifacts.items()})
        for each in (outcome, recorded)
        if isinstance(each, Result)
    )
    return outcome_to_data(one) == outcome_to_data(other)


def _real(path: str) -> str:
    """Where an artifact lies; ``..`` is taken as the record takes it, by the name and not by where a link leads."""
    return os.path.realpath(os.path.normpath(path))


def _of(record: Record) -> str:
    """What is to be said of a record: why it failed, or what was not measured."""
    if isinstance(record.outcome, Failure):
        return record.outcome.message
    gaps = record.result.unmeasured
    return f"not measured: {', '.join(gaps)}" if gaps else ""


def _numbered(folder: Path, pattern: re.Pattern[str]) -> list[tuple[int, Path]]:
    """Numbers and paths of the files of a folder whose names match, ascending."""
    found = ((pattern.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted((int(match[1]), path) for match, path in found if match)


def _whole(path: Path) -> str:
    """The text of a file that is whole.

    Raises:
        _Unfinished: It is not JSON from its first to its last character, so that it is being written.
        ConfigError: It cannot be read.
    """
    content = _content(path)
    try:
        text = content.decode("utf-8-sig")
        json.loads(text, parse_int=str, parse_float=str)  # numbers are looked at when it is read
    except RecursionError:
        pass  # whole, and of no use: the checks say so
    except ValueError as error:
        seconds = time.time() - path.stat().st_mtime
        what = "it is empty" if not content.strip() else f"it is not whole ({error})"
        raise _Unfinished(f"{what}; it was written to {_ago(seconds)} ago") from error
    return text


def _ago(seconds: float) -> str:
    """A span of time in words."""
    for length, unit in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _content(path: Path) -> bytes:
    try:
        return files.bytes_of(path, RESULT_LIMIT, pipes=True)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error}") from error


def _decoded(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"cannot read {path}: it is not UTF-8 ({error.reason}); write it in that encoding") from error
