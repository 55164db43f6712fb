"""Documents, the side that each is on, and the token files that they are written to."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from bomix.contracts.text import Tokenizer
from bomix.errors import DataError

_CHUNK = 1 << 20
"""Bytes that are read at a time where a file is only hashed."""


class Document(NamedTuple):
    """One text of a source.

    Attributes:
        text: The text.
        size: UTF-8 bytes of the text.
        digest: A hash of the text alone: the same text has it in every source.
        held_out: Whether it serves validation.
        ids: Its tokens where the source holds these; None where they are to be made of the text.
    """

    text: str
    size: int
    digest: bytes
    held_out: bool
    ids: np.ndarray | None = None


def digest_of(content: bytes) -> bytes:
    """16 bytes: ten milliard documents collide with a chance of 1e-19."""
    return hashlib.blake2b(content, digest_size=16).digest()


def is_held_out(digest: bytes, share: float) -> bool:
    """Whether a document serves validation: its hash is below ``share`` of the range.

    It depends on the text alone, so that a text that occurs in two domains is on the same side in both.
    """
    return int.from_bytes(digest[:8], "big") < share * 2.0**64


class TokenWriter:
    """Writes documents end to end, each closed by the end-of-document token.

    Args:
        path: The file.
        tokenizer: What gives the ids their type, and the end of document.
        limit: Tokens that are written at most; the document that reaches it is cut. None for all.
        before: What :meth:`state` said of an earlier writer of this file, which is gone on with; None for a new file.

    Attributes:
        documents: Documents written.
        tokens: Tokens written.

    Raises:
        DataError: The file is not what ``before`` says it is.
    """

    def __init__(
        self, path: Path, tokenizer: Tokenizer, limit: int | None, before: Mapping[str, Any] | None = None
    ) -> None:
        known = {"documents": 0, "tokens": 0, "bytes": 0} if before is None else before
        self.documents: int = known["documents"]
        self.tokens: int = known["tokens"]
        self._bytes: int = known["bytes"]
        self._limit = limit
        self._end = tokenizer.end_of_document
        self._dtype = tokenizer.dtype
        self._path = path
        self._file: BinaryIO
        if before is None:
            self._hash = hashlib.sha256()
            self._file = path.open("wb")
            return
        self._file = path.open("r+b")
        self._hash = _hash_of(self._file, self.tokens * self._dtype.itemsize)
        self._file.truncate()
        if self._hash.hexdigest() != before["sha256"]:
            self._file.close()
            raise DataError(f"{path} is not what was written")

    def __enter__(self) -> TokenWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    @property
    def full(self) -> bool:
        """Whether the limit leaves no place for a token and the end of document."""
        return self._limit is not None and self._limit - self.tokens < 2

    def write(self, document: Document, ids: np.ndarray) -> bool:
        """Append a document, unless full; whether it was."""
        if self.full:
            return False
        kept = len(ids) if self._limit is None else min(len(ids), self._limit - self.tokens - 1)
        data = np.append(ids[:kept], self._end).astype(self._dtype).tobytes()
        self._file.write(data)
        self._hash.update(data)
        self.documents += 1
        self.tokens += kept + 1
        # Of a document that is cut, the share of its tokens: a token may end inside a character.
        self._bytes += document.size if kept == len(ids) else round(document.size * kept / len(ids))
        return True

    def state(self) -> dict[str, Any]:
        """What is written so far, as plain JSON; it is durable."""
        self._file.flush()
        os.fsync(self._file.fileno())
        counts = {"documents": self.documents, "tokens": self.tokens, "bytes": self._bytes}
        return {**counts, "sha256": self._hash.hexdigest()}

    def facts(self, *, duplicates: int = 0, overlaps: int = 0) -> dict[str, Any]:
        """What was written, as plain JSON."""
        return {
            "file": self._path.name,
            "tokens": self.tokens,
            "documents": self.documents,
            "bytes": self._bytes,
            "duplicates": duplicates,
            "overlaps": overlaps,
            "sha256": self._hash.hexdigest(),
        }


def _hash_of(file: BinaryIO, size: int) -> Any:
    """The hash of the first bytes of a file, which is then read no further."""
    digest = hashlib.sha256()
    while size > 0 and (data := file.read(min(size, _CHUNK))):
        digest.update(data)
        size -= len(data)
    return digest
