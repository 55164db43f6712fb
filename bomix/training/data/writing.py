"""Sets of documents to token files: encode, write, note down from time to time how far it is."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

from bomix.contracts.text import Tokenizer
from bomix.errors import DataError
from bomix.progress import Reading, report_reading
from bomix.training.data.documents import Batch, Count, DocumentReader
from bomix.training.data.encoding import Encoder, Ids
from bomix.training.data.ledger import Ledger
from bomix.training.data.packing import Document, TokenWriter
from bomix.training.tasks.examples import TaskSource
from bomix.training.tasks.tokens import write_task

logger = logging.getLogger(__name__)

EMPTY = "holds no text; add documents, or correct the path, the split or the field"
Facts = dict[str, dict[str, Any]]
"""Key of a set to what was written of it, plain JSON."""
NOTE_S = 10.0
"""Seconds of work that a kill costs, at most: to note down takes some ten milliseconds."""
TELL_S = 0.2
"""Seconds between two reports of progress: as often as an eye follows."""


@dataclass(frozen=True)
class Target:
    """A set that documents are written to.

    Attributes:
        key: ``train/<domain>`` or ``validation/<metric>``.
        stem: The name of its file without the ending.
        limit: Tokens that it holds at most; None for all.
    """

    key: str
    stem: str
    limit: int | None


@dataclass(frozen=True)
class Packing:
    """Writes the sets of a corpus, one source after the other.

    Attributes:
        folder: Gets the files.
        tokenizer: What makes tokens.
        encoder: What encodes with it.
        ledger: What is known of the building, also of one that was killed.
        remember: Whether further validation sets will ask which documents are trained on.
    """

    folder: Path
    tokenizer: Tokenizer
    encoder: Encoder
    ledger: Ledger
    remember: bool

    def domain(self, name: str, reader: DocumentReader, train: Target, held_out: Target) -> Facts:
        """Write a domain's training and validation tokens.

        Raises:
            DataError: The source is broken, or holds no text.
        """
        if (done := self._done([train, held_out])) is not None:
            return done
        with ExitStack() as stack:
            run = _Pass(self, name, reader, [train, held_out], stack)
            training, validation = run.writers

            def enough() -> bool:
                return training.full and (validation.full or held_out.limit is None)

            run.write(lambda document: validation if document.held_out else training, enough)
            if not training.documents + validation.documents:
                raise DataError(EMPTY)
            dropped = run.count.duplicates
            facts = (training.facts(duplicates=dropped[False]), validation.facts(duplicates=dropped[True]))
            return run.finished(facts)

    def further(self, name: str, reader: DocumentReader, target: Target) -> Facts:
        """Write a further validation set without the documents that any domain trains on; as :meth:`domain`."""
        if (done := self._done([target])) is not None:
            return done
        with ExitStack() as stack:
            run = _Pass(self, name, reader, [target], stack)
            (writer,) = run.writers
            run.write(lambda document: None if document.digest in self.ledger else writer, lambda: writer.full)
            if not writer.documents:
                trained_on = f"all of its {run.overlaps} documents are trained on; use other text"
                raise DataError(trained_on if run.overlaps else EMPTY)
            return run.finished([writer.facts(duplicates=sum(run.count.duplicates), overlaps=run.overlaps)])

    def task(self, source: TaskSource, stem: str, limit: int | None) -> dict[str, Any]:
        """Write the examples of a task, without those that any domain trains on."""
        return write_task(self.folder, stem, source, self.tokenizer, trained=self.ledger, limit=limit)

    def path(self, target: Target) -> Path:
        """The file of a set."""
        return self.folder / f"{target.stem}.bin"

    def _done(self, targets: Sequence[Target]) -> Facts | None:
        """What an earlier building has written of a source, where it had finished with it."""
        facts: Facts | None = (self.ledger.state(targets[0].key) or {}).get("done")
        if facts is None:
            return None
        for target in targets:
            path, size = self.path(target), facts[target.key]["tokens"] * self.tokenizer.dtype.itemsize
            if not path.is_file() or path.stat().st_size != size:
                return None
        return facts


class _Pass:
    """One reading of a source, from where an earlier one was killed, or from its beginning.

    Attributes:
        writers: One for each target.
        count: How far the reading is, as of what is written.
        overlaps: Documents so far that belong to no writer.
    """

    def __init__(
        self, packing: Packing, name: str, reader: DocumentReader, targets: Sequence[Target], stack: ExitStack
    ) -> None:
        self.count = Count()
        self.overlaps = 0
        self._packing, self._name, self._reader, self._targets = packing, name, reader, targets
        self._noted = self._told = time.monotonic()
        reader.begin(packing.tokenizer)
        before = packing.ledger.state(targets[0].key) or {}
        try:
            self.writers = self._opened(stack, before.get("writers"))
        except (DataError, OSError) as error:
            logger.warning("%s: the interrupted building cannot be gone on with (%s); it begins again", name, error)
            before = {}
            self.writers = self._opened(stack, None)
        if "writers" in before:
            self.count, self.overlaps = Count(before["read"], before["duplicates"]), before["overlaps"]
            logger.info("%s: goes on after %d documents that were read before", name, self.count.read)
        packing.ledger.forget(after=self.count.read)

    def write(self, writer_of: Callable[[Document], TokenWriter | None], enough: Callable[[], bool]) -> None:
        """Encode the documents and write each where it belongs.

        Args:
            writer_of: From a document to the writer that it belongs to; None drops it.
            enough: Whether no more is needed; asked after each document that was written.
        """
        if enough():
            return
        encoder = self._packing.encoder
        encoded = encoder.encoded(self._routed(writer_of))
        with closing(encoded):
            for (batch, routed, dropped), found in encoded:
                self.count = batch.count
                self.overlaps += dropped
                if self._written(routed, found, enough):
                    break
                self._pause(batch)
        self._tell(1.0, is_done=True)

    def finished(self, facts: Sequence[dict[str, Any]]) -> Facts:
        """Note that the source is done; key to what was written, of each target."""
        done = {target.key: found for target, found in zip(self._targets, facts, strict=True)}
        self._states()
        ledger = self._packing.ledger
        ledger.note(self._targets[0].key, {"done": done})
        ledger.forget()
        ledger.commit()
        return done

    def _opened(self, stack: ExitStack, states: Sequence[dict[str, Any]] | None) -> list[TokenWriter]:
        packing = self._packing
        return [
            stack.enter_context(TokenWriter(packing.path(target), packing.tokenizer, target.limit, before))
            for target, before in zip(self._targets, states or repeat(None), strict=False)
        ]

    def _routed(
        self, writer_of: Callable[[Document], TokenWriter | None]
    ) -> Iterator[tuple[tuple[Batch, list[tuple[Document, TokenWriter]], int], list[str]]]:
        """Batches, each with the documents to write and their writers, how many have none, and the texts to encode."""
        counted = Count(self.count.read, [*self.count.duplicates])
        for batch in self._reader.batches(self._packing.ledger.is_new, counted):
            placed = [(document, writer_of(document)) for document in batch.documents]
            dropped = sum(writer is None for _, writer in placed)
            routed = [(document, writer) for document, writer in placed if writer is not None and not writer.full]
            yield (batch, routed, dropped), [document.text for document, _ in routed if document.ids is None]

    def _written(self, routed: Sequence[tuple[Document, TokenWriter]], found: Ids, enough: Callable[[], bool]) -> bool:
        """Write documents; whether it is enough now."""
        made = iter(found)
        trained = []
        is_enough = False
        for document, writer in routed:
            if writer.write(document, next(made) if document.ids is None else document.ids) and not document.held_out:
                trained.append(document.digest)
            if is_enough := enough():
                break
        if self._packing.remember and self._targets[0].key.startswith("train/"):
            self._packing.ledger.train_on(trained)
        return is_enough

    def _pause(self, batch: Batch) -> None:
        """Between two batches: note down how far it is, and tell it, as often as is worth it."""
        now = time.monotonic()
        if now - self._noted >= NOTE_S:
            self._noted = now
            state = {"read": self.count.read, "duplicates": self.count.duplicates, "overlaps": self.overlaps}
            self._packing.ledger.note(self._targets[0].key, {**state, "writers": self._states()})
            self._packing.ledger.commit()
        if now - self._told >= TELL_S:
            self._told = now
            first, limit = self.writers[0], self._targets[0].limit
            shares = [batch.share, None if limit is None else first.tokens / limit]
            self._tell(max((share for share in shares if share is not None), default=None), is_done=False)

    def _states(self) -> list[dict[str, Any]]:
        return [writer.state() for writer in self.writers]

    def _tell(self, share: float | None, *, is_done: bool) -> None:
        documents, tokens = sum(w.documents for w in self.writers), sum(w.tokens for w in self.writers)
        report_reading(Reading(self._name, documents, tokens, None if share is None else min(1.0, share), is_done))
