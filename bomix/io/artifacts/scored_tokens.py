"""What a model makes of every token of the validation sets: an artifact of a training run.

A folder of plain ``.npy`` files and an ``index.json``, so that a trainer of any kind can write one. A run whose
artifact :data:`bomix.trial.SCORED_TOKENS` is such a folder can serve as an expert of its domain.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from bomix.contracts.traits import field_values
from bomix.errors import DataError

SCHEMA = 1
"""Version of the folder's layout: raised when an older reader would read it wrong."""
_INDEX = "index.json"
_FIELDS = ("log_probabilities", "starts", "scored", "examples", "gold", "ids", "first")


@dataclass(frozen=True)
class ScoredTokens:
    """One validation set as one model sees it: ``T`` tokens in ``S`` sequences.

    Attributes:
        log_probabilities: ``T`` floats, ``ln p(token | the sequence before it)``, nats; at most 0.
        starts: ``S + 1`` integers: sequence ``s`` is ``starts[s]:starts[s + 1]``.
        tokens: Hash of the token ids and of where sequences begin; models are comparable where it is the same.
        scored: ``T`` booleans, the tokens that the loss is the mean over; None for all. A prompt, say, is not.
        examples: ``S`` numbers of the example that a sequence is an option of, for multiple choice; else None.
        gold: ``S`` booleans, whether the option is the right one; one of each example's. None as ``examples``.
        ids: ``T`` ids of the tokens, and
        first: ``S`` ids of the token before each sequence: together what a model must read to be judged on the same
            text. None where they were not kept.
        per_token: Whether options are compared by their mean over scored tokens rather than by their sum.
    """

    log_probabilities: np.ndarray
    starts: np.ndarray
    tokens: str
    scored: np.ndarray | None = None
    examples: np.ndarray | None = None
    gold: np.ndarray | None = None
    ids: np.ndarray | None = None
    first: np.ndarray | None = None
    per_token: bool = False

    @property
    def loss(self) -> float:
        """Mean of ``-ln p`` over the scored tokens, nats per token."""
        log_probabilities = np.asarray(self.log_probabilities, dtype=np.float64)
        return float(-(log_probabilities if self.scored is None else log_probabilities[self.scored]).mean())


def hash_of_tokens(ids: np.ndarray, starts: np.ndarray) -> str:
    """Hash of target tokens and sequence starts, whatever their integer types."""
    digest = hashlib.sha256(np.ascontiguousarray(ids, dtype=np.int64).tobytes())
    digest.update(np.ascontiguousarray(starts, dtype=np.int64).tobytes())
    return digest.hexdigest()


def write(folder: Path, sets: Mapping[str, ScoredTokens], *, tokenizer: str) -> None:
    """Write an artifact; ``index.json`` comes last, so that a folder without it does not count.

    Args:
        folder: Made here; must not exist.
        sets: Metric name to its tokens.
        tokenizer: Hash of what made the tokens.
    """
    folder.mkdir(parents=True)
    listed = {}
    for number, name in enumerate(sorted(sets)):
        entry: dict[str, Any] = {"tokens": sets[name].tokens, "per_token": sets[name].per_token, "files": {}}
        held = field_values(sets[name])
        for field in _FIELDS:
            if (values := held[field]) is not None:
                file = f"{number:04d}.{field}.npy"
                np.save(folder / file, np.asarray(values))
                entry["files"][field] = {"file": file, "sha256": _hash(folder / file)}
        listed[name] = entry
    index = {"schema": SCHEMA, "tokenizer": tokenizer, "sets": listed}
    (folder / _INDEX).write_text(json.dumps(index, indent=1), encoding="utf-8")


@dataclass(frozen=True)
class Index:
    """What an artifact holds, by its index alone; :meth:`read` opens a set.

    Attributes:
        folder: The folder that it is stored in.
        tokenizer: Hash of what made the tokens.
        entries: Metric name to what the index says of its set.
        key: Hash that changes with anything in the artifact.
    """

    folder: Path
    tokenizer: str
    entries: Mapping[str, Mapping[str, Any]]
    key: str

    def read(self, name: str, *, verify: bool = False) -> ScoredTokens:
        """Open a set, arrays memory-mapped.

        Args:
            name: A metric of ``entries``.
            verify: Whether to read every byte and compare it with the checksums of the index, where it has them.

        Raises:
            DataError: A file is missing or damaged, or the arrays do not fit together.
        """
        return _read_set(self.folder, name, self.entries[name], verify)


@dataclass(frozen=True)
class Artifact:
    """An artifact that was read.

    Attributes:
        folder: The folder that it is stored in.
        tokenizer: Hash of what made the tokens.
        sets: Metric name to its tokens, arrays memory-mapped.
        key: Hash that changes with anything in the artifact.
    """

    folder: Path
    tokenizer: str
    sets: Mapping[str, ScoredTokens]
    key: str


def read(folder: Path) -> Artifact:
    """Open an artifact.

    Raises:
        DataError: It is not there, incomplete, of another schema, or its arrays do not fit together.
    """
    index = read_index(folder)
    return Artifact(folder, index.tokenizer, {name: index.read(name) for name in index.entries}, index.key)


def read_index(folder: Path) -> Index:
    """The index of an artifact; kept until its file changes.

    Raises:
        DataError: It is not there, damaged, or of another schema.
    """
    try:
        status = (folder / _INDEX).stat()
        return _read_index(folder, status.st_mtime_ns, status.st_size)
    except FileNotFoundError as error:
        raise DataError(f"{folder} holds no {_INDEX}; train the expert again") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / _INDEX} is damaged ({error}); train the expert again") from error


@lru_cache(maxsize=256)
def _read_index(folder: Path, changed: int, size: int) -> Index:
    """See :func:`read_index`; ``changed`` and ``size`` are of the file."""
    text = (folder / _INDEX).read_text(encoding="utf-8")
    index = json.loads(text)
    schema, tokenizer, listed = index["schema"], str(index["tokenizer"]), dict(index["sets"])
    if schema != SCHEMA:
        raise DataError(f"{folder / _INDEX} is of schema {schema}, not {SCHEMA}; train the expert again")
    return Index(folder, tokenizer, listed, hashlib.sha256(text.encode()).hexdigest())


def _read_set(folder: Path, name: str, entry: Mapping[str, Any], verify: bool) -> ScoredTokens:
    try:
        if verify:
            _verify(folder, name, entry["files"])
        arrays = {
            field: np.load(folder / stored["file"], mmap_mode="r", allow_pickle=False)
            for field, stored in entry["files"].items()
        }
        found = ScoredTokens(tokens=str(entry["tokens"]), per_token=bool(entry.get("per_token")), **arrays)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder}: set '{name}' cannot be read ({error}); train the expert again") from error
    for problem in _problems(found):
        raise DataError(f"{folder}: set '{name}': {problem}; train the expert again")
    return found


def _verify(folder: Path, name: str, files: Mapping[str, Mapping[str, str]]) -> None:
    """Raise DataError where a file is not the one that the index was written for."""
    for stored in files.values():
        path = folder / stored["file"]
        if "sha256" in stored and _hash(path) != stored["sha256"]:
            raise DataError(
                f"{path}, of set '{name}', is damaged: its checksum is not that of {_INDEX}; copy it again, or train "
                "the expert again"
            )


def _problems(found: ScoredTokens) -> list[str]:
    values, starts = found.log_probabilities, found.starts
    if values.ndim != 1 or starts.ndim != 1 or not len(values) or len(starts) < 2:
        return ["holds no tokens"]
    problems = []
    if starts[0] != 0 or starts[-1] != len(values) or (np.diff(starts) <= 0).any():
        problems.append("its sequences do not fill its tokens")
    if not np.isfinite(values).all() or (values > 1e-3).any():
        problems.append("some probabilities are no numbers above 0 and up to 1")
    sequences = len(starts) - 1
    wrong = {"scored": len(values), "examples": sequences, "gold": sequences, "ids": len(values), "first": sequences}
    held = field_values(found)
    for field, length in wrong.items():
        if (array := held[field]) is not None and array.shape != (length,):
            problems.append(f"'{field}' has {array.shape}, not ({length},)")
        elif array is not None and field in ("scored", "gold") and array.dtype != bool:
            problems.append(f"'{field}' holds {array.dtype}, not booleans")
    return problems


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
