"""Every set of a corpus from its sources, with every fault of every source."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bomix.contracts.text import Source, Tokenizer, TokenizerSpec
from bomix.errors import DataError, Fault
from bomix.training.data.packing import Document, DocumentReader, TokenWriter, write_documents
from bomix.training.tasks.examples import TaskSource
from bomix.training.tasks.tokens import write_task

if TYPE_CHECKING:
    from bomix.training.data.spec import CorpusSpec

logger = logging.getLogger(__name__)

TOKENIZER = "evaluator.tokenizer"
TOKENIZER_FOLDER = "tokenizer"
# Where the tokenizer is missing, no token can be counted; reading on for the sake of other faults stops about here.
_BYTES_PER_TOKEN = 4


@dataclass(frozen=True)
class Inputs:
    """What a corpus is made of.

    Attributes:
        sources: Domain name to its text.
        validation: Name of a further validation set to its text.
        tokenizer: What makes tokens of it.
        spec: The options.
    """

    sources: Mapping[str, Source]
    validation: Mapping[str, Source]
    tokenizer: TokenizerSpec
    spec: CorpusSpec

    def place(self, key: str) -> str:
        """The path in the study file of a set's source; ``key`` is ``train/<domain>`` or ``validation/<metric>``."""
        name = key.partition("/")[2]
        return f"domains.{name}.source" if name in self.sources else f"evaluator.validation.{name}"

    def keys(self) -> list[str]:
        """All sets, in an order that does not depend on the study file's."""
        metrics = sorted({*self.sources, *self.validation})
        return [f"train/{name}" for name in sorted(self.sources)] + [f"validation/{name}" for name in metrics]


def assemble(folder: Path, inputs: Inputs, faults: list[Fault]) -> dict[str, Any]:
    """Read, split, tokenize and pack everything.

    Args:
        folder: Empty; gets the tokens and the tokenizer.
        inputs: What to read. Sources that ``faults`` already names are left out.
        faults: Gets whatever else is wrong.

    Returns:
        The record of the corpus, plain JSON. Not to be used where there are faults.
    """
    share = inputs.spec.validation_share
    domains = {name: DocumentReader(source, share) for name, source in sorted(inputs.sources.items())}
    further: dict[str, TaskSource | DocumentReader] = {
        name: source if isinstance(source, TaskSource) else DocumentReader(source, 1.0)
        for name, source in sorted(inputs.validation.items())
    }
    run = _Assembly(folder, inputs, faults)
    tokenizer = run.tokenizer(domains)
    if tokenizer is None:
        run.drain({**domains, **further})
        return {}
    trained: set[bytes] = set()
    for name, reader in domains.items():
        run.domain(name, reader, tokenizer, trained)
    for name, given in further.items():
        if isinstance(given, DocumentReader):
            run.further(name, given, tokenizer, trained)
        else:
            run.task(name, given, tokenizer, trained)
    (folder / TOKENIZER_FOLDER).mkdir()
    tokenizer.save(folder / TOKENIZER_FOLDER)
    return {
        "vocabulary": tokenizer.vocabulary,
        "end_of_document": tokenizer.end_of_document,
        "tokenizer_hash": tokenizer.hash,
        "dtype": tokenizer.dtype.name,
        "sets": run.sets,
    }


class _Assembly:
    """One run of :func:`assemble`: where it writes, and what it has found so far."""

    def __init__(self, folder: Path, inputs: Inputs, faults: list[Fault]) -> None:
        self.sets: dict[str, dict[str, Any]] = {}
        self._folder = folder
        self._inputs = inputs
        self._spec = inputs.spec
        self._faults = faults

    def tokenizer(self, domains: Mapping[str, DocumentReader]) -> Tokenizer | None:
        """Train or load the tokenizer; None where that fails."""
        spec = self._inputs.tokenizer
        sample = []
        for name, reader in domains.items():
            with self._sound(self._inputs.place(f"train/{name}")) as sound:
                if sound and spec.sample_bytes:
                    sample.append(reader.peek(max(1, spec.sample_bytes // len(domains))))
        with self._sound(TOKENIZER) as sound:
            return spec.build(sample) if sound else None
        return None

    def drain(self, readers: Mapping[str, TaskSource | DocumentReader]) -> None:
        """Read as much as a corpus needs and write nothing, so that what is wrong with the documents is told, too."""
        limit = None if self._spec.max_tokens is None else self._spec.max_tokens * _BYTES_PER_TOKEN
        for name, reader in readers.items():
            with self._sound(self._inputs.place(f"train/{name}")) as sound:
                size = 0
                texts = reader if isinstance(reader, DocumentReader) else reader.examples()
                for each in texts if sound else ():
                    size += each.size
                    if limit is not None and size >= limit:
                        break
                if sound and not size:
                    raise DataError(_EMPTY)

    def domain(self, name: str, reader: DocumentReader, tokenizer: Tokenizer, trained: set[bytes]) -> None:
        """Write a domain's training and validation tokens; ``trained`` gets the training documents' hashes."""
        spec = self._spec
        with self._sound(self._inputs.place(f"train/{name}")) as sound, ExitStack() as stack:
            if not sound:
                return
            writer = partial(self._writer, stack, tokenizer)
            train = writer(f"train/{name}", spec.max_tokens, remember=bool(self._inputs.validation))
            held_out = writer(f"validation/{name}", spec.max_validation_tokens)

            def enough() -> bool:
                return train.full and (held_out.full or spec.max_validation_tokens is None)

            write_documents(reader, tokenizer, lambda document: held_out if document.held_out else train, enough)
            if not train.documents + held_out.documents:
                raise DataError(_EMPTY)
            trained |= train.digests
            self._note(f"train/{name}", train.facts(duplicates=reader.duplicates[False]))
            self._note(f"validation/{name}", held_out.facts(duplicates=reader.duplicates[True]))

    def further(self, name: str, reader: DocumentReader, tokenizer: Tokenizer, trained: set[bytes]) -> None:
        """Write a further validation set without the documents that any domain trains on."""
        with self._sound(self._inputs.place(f"validation/{name}")) as sound, ExitStack() as stack:
            if not sound:
                return
            writer = self._writer(stack, tokenizer, f"validation/{name}", self._spec.max_validation_tokens)
            overlaps = 0

            def route(document: Document) -> TokenWriter | None:
                nonlocal overlaps
                overlaps += document.digest in trained
                return None if document.digest in trained else writer

            write_documents(reader, tokenizer, route, lambda: writer.full)
            if not writer.documents:
                trained_on = f"all of its {overlaps} documents are trained on; use other text"
                raise DataError(trained_on if overlaps else _EMPTY)
            duplicates = sum(reader.duplicates)
            self._note(f"validation/{name}", writer.facts(duplicates=duplicates, overlaps=overlaps))

    def task(self, name: str, source: TaskSource, tokenizer: Tokenizer, trained: set[bytes]) -> None:
        """Write the examples of a task, without those that any domain trains on."""
        key = f"validation/{name}"
        with self._sound(self._inputs.place(key)) as sound:
            if sound:
                limit = self._spec.max_validation_tokens
                stem = self._stem(key)
                self._note(key, write_task(self._folder, stem, source, tokenizer, trained=trained, limit=limit))

    def _writer(
        self, stack: ExitStack, tokenizer: Tokenizer, key: str, limit: int | None, *, remember: bool = False
    ) -> TokenWriter:
        path = self._folder / f"{self._stem(key)}.bin"
        return stack.enter_context(TokenWriter(path, tokenizer, limit, remember=remember))

    def _stem(self, key: str) -> str:
        """What a set's files are called: numbered, since a name may hold what no file name can."""
        return f"{self._inputs.keys().index(key):04d}"

    def _note(self, key: str, facts: dict[str, Any]) -> None:
        self.sets[key] = facts
        logger.info(
            "%s: %d tokens of %d documents, %d duplicates and %d trained on dropped",
            *(key, facts["tokens"], facts["documents"], facts["duplicates"], facts["overlaps"]),
        )

    @contextmanager
    def _sound(self, place: str) -> Iterator[bool]:
        """Yield whether nothing is wrong at ``place`` so far, and turn an error inside the block into a fault there."""
        try:
            yield not any(fault.where == place or fault.where.startswith(f"{place}.") for fault in self._faults)
        except DataError as error:
            self._faults.append(Fault(place, str(error)))


_EMPTY = "holds no text; add documents, or correct the path, the split or the field"
