"""Corpora that are tokens already: arrays of numpy, raw files, Megatron-LM's pairs of ``.bin`` and ``.idx``.

The layout of an ``.idx`` was read in megatron-core 0.16.1 (``core/datasets/indexed_dataset.py``) and tested with it.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, get_args

import numpy as np

from bomix.contracts.text import Meter
from bomix.errors import DataError, Fault
from bomix.training.data.places import follow, is_remote, matches, stamp

DType = Literal["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]

_CHUNK = 1 << 20
"""Tokens that are read at a time: larger parts are read no faster."""
_LONGEST = 1 << 24
"""Tokens of one document at most: more of them without an end are a stream whose ends are marked otherwise."""
_HEADER = b"MMIDIDX\x00\x00"
_COUNTS = struct.Struct("<QBQQ")  # version, type, sequences, documents and one
_TYPES = {1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 8: "uint16"}
"""Megatron's code of a type to the type; 6 and 7 are floating-point numbers, which no tokens are."""


class _Index(NamedTuple):
    """What an ``.idx`` says: ``S`` sequences with lengths and offsets in bytes, documents by their first sequences."""

    dtype: np.dtype[Any]
    lengths: np.ndarray
    offsets: np.ndarray
    documents: np.ndarray


@dataclass(frozen=True)
class Tokens:
    """Token ids that were made elsewhere: ``.npy``, a raw ``.bin``, Megatron's ``.bin`` with its ``.idx``.

    ``evaluator.tokenizer`` names the tokenizer that made them: by the text that they stand for documents are split
    into training and validation, and known again in other sources. A text among the documents that is blank is passed
    over.

    Attributes:
        paths: Files or globs, as those of the kind ``files``, on this machine. Of Megatron's pair either is named.
        dtype: Type of the ids in raw ``.bin`` files, ``uint16`` say, low byte first; other files say it themselves.
        header_bytes: Bytes before the first id of a raw ``.bin`` file.
        end_of_document: The id at which documents end, or begin, in ``.npy`` and raw files; by default the end of
            document of the tokenizer. Megatron's index knows the documents.
        document_tokens: Cut ``.npy`` and raw files into documents of so many tokens instead.
        root: The folder that relative paths start from; by default the study file's.
    """

    paths: tuple[str, ...]
    dtype: DType | None = None
    header_bytes: int = 0
    end_of_document: int | None = None
    document_tokens: int | None = None
    root: str | None = None

    def faults(self) -> list[Fault]:
        """What is wrong with the fields alone."""
        found = [] if self.paths else [Fault("paths", "names no file; give at least one path or glob")]
        remote = [path for path in self.paths if is_remote(path)]
        if remote:
            found.append(Fault("paths", f"'{remote[0]}' is elsewhere; tokens are read from this machine, so copy them"))
        if self.dtype is not None and self.dtype not in get_args(DType):
            found.append(Fault("dtype", f"is '{self.dtype}'; must be one of {', '.join(get_args(DType))}"))
        least = {"header_bytes": 0, "end_of_document": 0, "document_tokens": 1}
        given = {"header_bytes": self.header_bytes, "end_of_document": self.end_of_document,
                 "document_tokens": self.document_tokens}  # fmt: skip
        for key, value in given.items():
            if value is not None and value < least[key]:
                found.append(Fault(key, f"is {value}; must be at least {least[key]}"))
        if self.end_of_document is not None and self.document_tokens is not None:
            found.append(Fault("document_tokens", "cuts documents, and end_of_document ends them; give one of the two"))
        return found

    def relative_to(self, folder: Path) -> Tokens:
        """The same source with relative paths, and a relative root, taken from ``folder``."""
        return dataclasses.replace(self, root=str(folder / Path(self.root or ".").expanduser()))

    def bind(self, end_of_document: int) -> Tokens:
        """The same source, told by which token a document ends where its files mark no ends themselves."""
        if self.end_of_document is not None:
            return self
        return dataclasses.replace(self, end_of_document=end_of_document)

    def files(self) -> tuple[Path, ...]:
        """Every file of tokens, in order; of Megatron's pairs the ``.bin``.

        Raises:
            DataError: A path or glob that matches nothing, a file of an unknown kind, a raw one without a type.
        """
        root = Path(self.root or ".").expanduser()
        found: set[Path] = set()
        for pattern in self.paths:
            files = [path for path in matches(pattern, root) if isinstance(path, Path)]
            if not files:
                raise DataError(f"no file matches '{pattern}' (looked in {root.absolute()}); correct the path")
            found |= {path.with_suffix(".bin") if path.suffix == ".idx" else path for path in files}
        for path in found:
            if path.suffix not in (".npy", ".bin"):
                raise DataError(f"{path}: no tokens are read from such a file; it must end in .npy, .bin or .idx")
            if not path.is_file():
                raise DataError(f"{path}: the .idx is there, and its .bin is not")
            if path.suffix == ".bin" and self.dtype is None and not path.with_suffix(".idx").is_file():
                raise DataError(
                    f"{path}: there is no .idx beside it, so it is raw; set the source's `dtype`, uint16 say"
                )
        return tuple(sorted(found))

    def signature(self) -> str:
        """Paths, sizes and times of all files, and the fields that say how they are read."""
        found = self.files()
        indices = [path.with_suffix(".idx") for path in found if path.suffix == ".bin"]
        files = [stamp(path) for path in (*found, *(path for path in indices if path.is_file()))]
        keys = (self.dtype, self.header_bytes, self.end_of_document, self.document_tokens)
        return json.dumps({"kind": "tokens", "keys": keys, "files": files})

    def documents(self) -> Iterator[str]:
        """Yield the ids of each document, written out; the text that they stand for is the tokenizer's to tell."""
        for _, ids in self.token_documents(Meter()):
            yield " ".join(map(str, ids.tolist()))

    def token_documents(self, meter: Meter) -> Iterator[tuple[str, np.ndarray]]:
        """Yield where each document stands, and its ids without those that end it."""
        sizes = {path: path.stat().st_size for path in self.files()}
        total, before = max(1, sum(sizes.values())), 0
        for path, size in sizes.items():
            meter.begin(before / total, size / total)
            before += size
            try:
                with path.open("rb") as file:
                    follow(meter, file, size)
                    yield from self._read(path, file)
            except OSError as error:
                raise DataError(f"{path}: cannot be read ({error})") from error

    def _read(self, path: Path, file: BinaryIO) -> Iterator[tuple[str, np.ndarray]]:
        if (index := path.with_suffix(".idx")).is_file() and path.suffix == ".bin":
            return self._indexed(path, file, _read_index(index, path))
        dtype, count = self._layout(path, file)
        return self._cut(path, _parts(path, file, dtype, count))

    def _layout(self, path: Path, file: BinaryIO) -> tuple[np.dtype[Any], int]:
        """Type and number of the ids of a file, which is then read from the first of them on."""
        if path.suffix == ".npy":
            return _npy_layout(path, file)
        dtype = np.dtype(self.dtype).newbyteorder("<")
        size = path.stat().st_size - self.header_bytes
        if size < 0 or size % dtype.itemsize:
            raise DataError(
                f"{path}: {size} bytes are no whole number of {dtype.name} ids; correct dtype or header_bytes"
            )
        file.seek(self.header_bytes)
        return dtype, size // dtype.itemsize

    def _cut(self, path: Path, parts: Iterator[np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
        """Documents of a stream of ids."""
        number, rest = 0, np.empty(0, np.int64)
        for part in parts:
            stream = np.concatenate([rest, part])
            if self.document_tokens is not None:
                ends = np.arange(self.document_tokens, len(stream) + 1, self.document_tokens)
                pieces, skipped = np.split(stream, ends), 0
            else:
                pieces, skipped = np.split(stream, np.flatnonzero(stream == self.end_of_document)), 1
            # Each piece but the first begins with the id at which the one before it ended.
            pieces = [piece[skipped if at else 0 :] for at, piece in enumerate(pieces)]
            *whole, rest = pieces
            for ids in whole:
                number += 1
                yield f"{path}, document {number}", ids
            if len(rest) > _LONGEST:
                raise DataError(
                    f"{path}: no token {self.end_of_document} ends the document in {_LONGEST:,} tokens; set the "
                    "source's `end_of_document`, or cut it by `document_tokens: 2048`, say"
                )
        if len(rest):
            yield f"{path}, document {number + 1}", rest

    def _indexed(self, path: Path, file: BinaryIO, index: _Index) -> Iterator[tuple[str, np.ndarray]]:
        """Documents of a pair of Megatron's, without the ids that end them."""
        for number in range(len(index.documents) - 1):
            first, last = int(index.documents[number]), int(index.documents[number + 1])
            parts = [np.empty(0, index.dtype)]
            for offset, length in zip(
                index.offsets[first:last].tolist(), index.lengths[first:last].tolist(), strict=True
            ):
                file.seek(offset)
                parts.append(np.fromfile(file, index.dtype, count=length))
            ids = _sound(path, np.concatenate(parts))
            while len(ids) and ids[-1] == self.end_of_document:
                ids = ids[:-1]
            yield f"{path}, document {number + 1}", ids


def _parts(path: Path, file: BinaryIO, dtype: np.dtype[Any], count: int) -> Iterator[np.ndarray]:
    while count > 0:
        ids = np.fromfile(file, dtype, count=min(count, _CHUNK))
        if not len(ids):
            raise DataError(f"{path}: breaks off, {count:,} ids lack; fetch the file again")
        count -= len(ids)
        yield _sound(path, ids)


def _sound(path: Path, ids: np.ndarray) -> np.ndarray:
    """The ids as int64.

    Raises:
        DataError: One is negative, or beyond every vocabulary.
    """
    found = ids.astype(np.int64)
    if len(found) and found.min() < 0:
        raise DataError(f"{path}: holds the token {int(found.min())}; correct the source's `dtype`, or mend the file")
    return found


def _npy_layout(path: Path, file: BinaryIO) -> tuple[np.dtype[Any], int]:
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except ValueError as error:
        raise DataError(f"{path}: no array of numpy ({error}); name a raw file .bin and give its dtype") from error
    if dtype.kind not in "iu":
        raise DataError(f"{path}: holds {dtype}, and tokens are integers")
    if fortran and len(shape) > 1:
        raise DataError(f"{path}: stands column after column; save it in C order, np.ascontiguousarray")
    return dtype, int(np.prod(shape, dtype=np.int64))


def _read_index(path: Path, data: Path) -> _Index:
    """Read an ``.idx``.

    Raises:
        DataError: It is none, or the ``.bin`` is shorter than it says.
    """
    with path.open("rb") as file:
        head = file.read(len(_HEADER) + _COUNTS.size)
    if not head.startswith(_HEADER) or len(head) < len(_HEADER) + _COUNTS.size:
        raise DataError(f"{path}: no index of Megatron's; where the .bin is a raw file of another program, rename this")
    version, code, sequences, documents = _COUNTS.unpack(head[len(_HEADER) :])
    if version != 1 or code not in _TYPES:
        raise DataError(f"{path}: version {version} with type {code}; version 1 with ids of integers is read")
    at = len(head)
    size = at + sequences * (4 + 8) + documents * 8
    if path.stat().st_size < size:
        raise DataError(f"{path}: breaks off; it must have {size} bytes")
    found = []
    for dtype, count in (("<i4", sequences), ("<i8", sequences), ("<i8", documents)):
        found.append(np.memmap(path, dtype, "r", at, (count,)) if count else np.empty(0, dtype))
        at += count * np.dtype(dtype).itemsize
    index = _Index(np.dtype(_TYPES[code]).newbyteorder("<"), *found)
    needed = int(index.offsets[-1]) + int(index.lengths[-1]) * index.dtype.itemsize if sequences else 0
    if data.stat().st_size < needed:
        raise DataError(f"{data}: breaks off; by {path.name} it must have {needed} bytes")
    return index
