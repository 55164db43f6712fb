"""The documents of a source: each text once, on its side, in batches that are encoded together."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from bomix.contracts.text import DecodingTokenizer, Meter, Source, SourceTraits, Tokenizer, TokenSource
from bomix.contracts.traits import traits
from bomix.errors import DataError
from bomix.training.data.packing import Document, digest_of, is_held_out

logger = logging.getLogger(__name__)

BATCH_BYTES = 1 << 18
"""Text that is tokenized at a time: enough for the tokenizer's own batches, little beside the memory of a process."""
BATCH_DOCUMENTS = 512
"""Documents that are tokenized at a time, where they are short."""

_COMPARED = 16
"""Documents of a source of tokens whose text is encoded again, to see whether it is the right tokenizer."""
_DIFFERENCE = 0.05
"""Relative difference of their numbers of tokens that cuts inside of words explain."""

_Raw = str | tuple[str, np.ndarray]
"""What a source yields: a text, or where it stands and the tokens of one."""


@dataclass
class Count:
    """How far the reading of a source is.

    Attributes:
        read: What the source has yielded, blank texts and duplicates among it.
        duplicates: Documents dropped because their text had come before: of training, of validation.
    """

    read: int = 0
    duplicates: list[int] = field(default_factory=lambda: [0, 0])


@dataclass(frozen=True)
class Batch:
    """Documents that are tokenized together.

    Attributes:
        documents: The documents, in order.
        count: How far the reading is with them.
        share: Share of the source that is read with them; None where the source does not tell.
    """

    documents: list[Document]
    count: Count
    share: float | None


class DocumentReader:
    """The documents of a source, each text once; blank ones are passed over.

    Args:
        source: The source that the documents come from.
        share: Share of the documents that serve validation.
    """

    def __init__(self, source: Source, share: float) -> None:
        self.source = source
        self._share = share
        self._meter = Meter()
        self._ahead: deque[_Raw] = deque()
        self._rest: Iterator[_Raw] | None = None
        self._tokenizer: Tokenizer | None = None
        self._compared: list[tuple[int, int]] = []

    def begin(self, tokenizer: Tokenizer) -> None:
        """Read with a tokenizer, which a source of tokens asks for: what it holds are tokens of it.

        Raises:
            DataError: The source holds tokens, and the tokenizer makes no text of them.
        """
        if isinstance(self.source, TokenSource) and not isinstance(tokenizer, DecodingTokenizer):
            raise DataError("holds tokens, and evaluator.tokenizer makes no text of them; use `kind: pretrained`")
        self._tokenizer = tokenizer

    def peek(self, size: int) -> str:
        """The first training documents, ``size`` bytes of them in all; they will still be iterated over."""
        kept: list[bytes] = []
        seen: set[bytes] = set()
        missing = size
        for raw in self._raw():
            self._ahead.append(raw)
            document = self._document(raw)
            if document is None or document.digest in seen:
                continue
            seen.add(document.digest)
            if not document.held_out:
                kept.append(document.text.encode()[:missing])
                missing -= len(kept[-1])
            if missing <= 0:
                break
        return b"\n".join(kept).decode(errors="ignore")

    def documents(self, is_new: Callable[[bytes, int], bool], count: Count) -> Iterator[Document]:
        """Yield each document once.

        Args:
            is_new: From a text's hash and number to whether it had not come before, which it then has.
            count: Where to begin; it is counted on.
        """
        for raw in islice(self._items(), count.read, None):
            count.read += 1
            if (document := self._document(raw)) is None:
                continue
            if is_new(document.digest, count.read):
                yield document
            else:
                count.duplicates[document.held_out] += 1

    def batches(self, is_new: Callable[[bytes, int], bool], count: Count) -> Iterator[Batch]:
        """Yield each document once, in batches; the arguments are those of :meth:`documents`."""
        batch: list[Document] = []
        size = 0
        for document in self.documents(is_new, count):
            batch.append(document)
            size += document.size
            if size >= BATCH_BYTES or len(batch) >= BATCH_DOCUMENTS:
                yield self._batch(batch, count)
                batch, size = [], 0
        yield self._batch(batch, count)

    def _batch(self, batch: list[Document], count: Count) -> Batch:
        return Batch(batch, Count(count.read, [*count.duplicates]), self._meter.share)

    def _items(self) -> Iterator[_Raw]:
        """What was peeked at, and then the rest."""
        while self._ahead:
            yield self._ahead.popleft()
        yield from self._raw()

    def _raw(self) -> Iterator[_Raw]:
        if self._rest is None:
            self._rest = iter(self._opened())
        return self._rest

    def _opened(self) -> Iterable[_Raw]:
        if isinstance(self.source, TokenSource):
            assert self._tokenizer is not None, "tokens are read with a tokenizer"
            return self.source.bind(self._tokenizer.end_of_document).token_documents(self._meter)
        metered = traits(self.source, SourceTraits).metered
        return self.source.documents() if metered is None else metered(self._meter)

    def _document(self, raw: _Raw) -> Document | None:
        """One document with its hash and side; None for one that is blank."""
        ids = None
        if isinstance(raw, str):
            text = raw
        else:
            place, ids = raw
            tokenizer = self._tokenizer
            assert isinstance(tokenizer, DecodingTokenizer)
            if len(ids) and int(ids.max()) >= tokenizer.vocabulary:
                raise DataError(
                    f"{place}: holds the token {int(ids.max())}, beyond the vocabulary of evaluator.tokenizer "
                    f"({tokenizer.vocabulary}); name the tokenizer that made the tokens, or correct the source's dtype"
                )
            text = tokenizer.decode(ids.tolist())
            if len(self._compared) < _COMPARED and len(ids):
                self._compare(place, len(ids), len(tokenizer.encode([text])[0]))
        if not text.strip():
            return None
        content = text.encode()
        digest = digest_of(content)
        return Document(text, len(content), digest, is_held_out(digest, self._share), ids)

    def _compare(self, place: str, held: int, made: int) -> None:
        """Warn where the text of the first tokens gives quite other tokens: another tokenizer made those."""
        self._compared.append((held, made))
        sums = [sum(counts) for counts in zip(*self._compared, strict=True)]
        if len(self._compared) == _COMPARED and abs(sums[0] - sums[1]) > _DIFFERENCE * sums[0]:
            logger.warning(
                "%s and those before it: their text has %d tokens, and evaluator.tokenizer makes %d of it; was it that "
                "tokenizer that made them?",
                *(place, *sums),
            )
