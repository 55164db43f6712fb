"""Documents to token files: read each text once, put it on its side, encode it, write it down."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from bomix.contracts.text import Source, Tokenizer

_BATCH_BYTES = 1 << 18
"""Text that is tokenized at a time: enough for the tokenizer's own batches, little beside the memory of a process."""
_BATCH_DOCUMENTS = 512
"""Documents that are tokenized at a time, where they are short."""


class Document(NamedTuple):
    """One text of a source.

    Attributes:
        text: The text.
        size: UTF-8 bytes of the text.
        digest: A hash of the text alone: the same text has it in every source.
        held_out: Whether it serves validation.
    """

    text: str
    size: int
    digest: bytes
    held_out: bool


def digest_of(content: bytes) -> bytes:
    """16 bytes: ten milliard documents collide with a chance of 1e-19."""
    return hashlib.blake2b(content, digest_size=16).digest()


def is_held_out(digest: bytes, share: float) -> bool:
    """Whether a document serves validation: its hash is below ``share`` of the range.

    It depends on the text alone, so that a text that occurs in two domains is on the same side in both.
    """
    return int.from_bytes(digest[:8], "big") < share * 2.0**64


class DocumentReader:
    """The documents of a source, each text once; blank ones are passed over.

    Args:
        source: The source that the documents come from.
        share: Share of the documents that serve validation.

    Attributes:
        duplicates: Documents dropped so far because their text had come before: of training, of validation.
    """

    def __init__(self, source: Source, share: float) -> None:
        self.duplicates = [0, 0]
        self._share = share
        self._ahead: list[Document] = []
        self._rest = self._read(source)

    def __iter__(self) -> Iterator[Document]:
        ahead, self._ahead = self._ahead, []
        return chain(ahead, self._rest)

    def peek(self, size: int) -> str:
        """The first training documents, ``size`` bytes of them in all; they will still be iterated over."""
        kept: list[bytes] = []
        missing = size
        for document in self._rest:
            self._ahead.append(document)
            if not document.held_out:
                kept.append(document.text.encode()[:missing])
                missing -= len(kept[-1])
            if missing <= 0:
                break
        return b"\n".join(kept).decode(errors="ignore")

    def _read(self, source: Source) -> Iterator[Document]:
        seen: set[bytes] = set()
        for text in source.documents():
            if not text.strip():
                continue
            content = text.encode()
            digest = digest_of(content)
            held_out = is_held_out(digest, self._share)
            if digest in seen:
                self.duplicates[held_out] += 1
                continue
            seen.add(digest)
            yield Document(text, len(content), digest, held_out)


class TokenWriter:
    """Writes documents end to end, each closed by the end-of-document token.

    Args:
        path: The file.
        tokenizer: What gives the ids their type, and the end of document.
        limit: Tokens that are written at most; the document that reaches it is cut. None for all.
        remember: Whether :attr:`digests` is kept.

    Attributes:
        digests: Hashes of the documents written.
        documents: Documents written.
    """

    def __init__(self, path: Path, tokenizer: Tokenizer, limit: int | None, *, remember: bool = False) -> None:
        self.digests: set[bytes] = set()
        self.documents = 0
        self._tokens = 0
        self._bytes = 0
        self._remember = remember
        self._limit = limit
        self._end = tokenizer.end_of_document
        self._dtype = tokenizer.dtype
        self._hash = hashlib.sha256()
        self._path = path
        self._file = path.open("wb")

    def __enter__(self) -> TokenWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    @property
    def full(self) -> bool:
        """Whether the limit leaves no place for a token and the end of document."""
        return self._limit is not None and self._limit - self._tokens < 2

    def write(self, document: Document, ids: list[int]) -> None:
        """Append a document, unless full."""
        if self.full:
            return
        kept = len(ids) if self._limit is None else min(len(ids), self._limit - self._tokens - 1)
        data = np.array([*ids[:kept], self._end], dtype=self._dtype).tobytes()
        self._file.write(data)
        self._hash.update(data)
        self.documents += 1
        self._tokens += kept + 1
        # Of a document that is cut, the share of its tokens: a token may end inside a character.
        self._bytes += document.size if kept == len(ids) else round(document.size * kept / len(ids))
        if self._remember:
            self.digests.add(document.digest)

    def facts(self, *, duplicates: int = 0, overlaps: int = 0) -> dict[str, Any]:
        """What was written, as plain JSON."""
        return {
            "file": self._path.name,
            "tokens": self._tokens,
            "documents": self.documents,
            "bytes": self._bytes,
            "duplicates": duplicates,
            "overlaps": overlaps,
            "sha256": self._hash.hexdigest(),
        }


def write_documents(
    documents: Iterable[Document],
    tokenizer: Tokenizer,
    writer_of: Callable[[Document], TokenWriter | None],
    enough: Callable[[], bool],
) -> None:
    """Encode documents and write each where it belongs.

    Args:
        documents: The documents, read no further than needed, plus one batch.
        tokenizer: What makes tokens of their text.
        writer_of: From a document to the writer that it belongs to; None drops it. Called once for each document.
        enough: Whether no more is needed; asked after each document that was written.
    """
    for batch in _batches(documents):
        routed = [(document, writer) for document in batch if (writer := writer_of(document)) and not writer.full]
        encoded = tokenizer.encode([document.text for document, _ in routed])
        for (document, writer), ids in zip(routed, encoded, strict=True):
            writer.write(document, ids)
            if enough():
                return


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += document.size
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_DOCUMENTS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
