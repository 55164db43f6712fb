"""Every set of a corpus from its sources, with every fault of every source."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bomix.contracts.text import Source, SourceTraits, Tokenizer, TokenizerSpec, TokenizerTraits, TokenSource
from bomix.contracts.traits import traits
from bomix.errors import DataError, Fault
from bomix.training.data.documents import Count, DocumentReader
from bomix.training.data.encoding import Encoder
from bomix.training.data.hub import UnreachableError
from bomix.training.data.ledger import Ledger
from bomix.training.data.packing import Document
from bomix.training.data.sources import Hub
from bomix.training.data.tokenizer import Pretrained
from bomix.training.data.writing import EMPTY, Packing, Target
from bomix.training.tasks.examples import Example, TaskSource

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

    def parts(self) -> dict[str, Source | TokenizerSpec]:
        """Place in the study file to what stands there: domains, further validation sets, the tokenizer."""
        domains = {f"domains.{name}.source": source for name, source in sorted(self.sources.items())}
        further = {f"evaluator.validation.{name}": source for name, source in sorted(self.validation.items())}
        return {**domains, **further, TOKENIZER: self.tokenizer}

    def remote(self) -> list[str]:
        """Places of what is read over a network."""
        return [place for place, part in self.parts().items() if _is_remote(part)]

    def token_sources(self) -> list[str]:
        """Places of the sources that hold tokens."""
        return [place for place, part in self.parts().items() if isinstance(part, TokenSource)]

    def keys(self) -> list[str]:
        """All sets, in an order that does not depend on the study file's."""
        metrics = sorted({*self.sources, *self.validation})
        return [f"train/{name}" for name in sorted(self.sources)] + [f"validation/{name}" for name in metrics]


def _is_remote(part: Source | TokenizerSpec) -> bool:
    return traits(part, SourceTraits).remote if isinstance(part, Source) else traits(part, TokenizerTraits).remote


def assemble(folder: Path, inputs: Inputs, faults: list[Fault]) -> dict[str, Any]:
    """Read, split, tokenize and pack everything.

    Args:
        folder: Gets the tokens and the tokenizer. Empty, or as an earlier call was killed in it, which is gone on with.
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
    run = _Assembly(inputs, faults)
    tokenizer = run.tokenizer(domains)
    if tokenizer is None:
        run.drain({**domains, **further})
        run.told()
        return {}
    saved = folder / TOKENIZER_FOLDER
    saved.mkdir(exist_ok=True)
    tokenizer.save(saved)
    with Ledger(folder, tokenizer.hash) as ledger, Encoder(tokenizer, saved, inputs.spec.encoders) as encoder:
        packing = Packing(folder, tokenizer, encoder, ledger, remember=bool(inputs.validation))
        for name, reader in domains.items():
            run.domain(name, reader, packing)
        for name, given in further.items():
            if isinstance(given, DocumentReader):
                run.further(name, given, packing)
            else:
                run.task(name, given, packing)
        ledger.remove()
    run.told()
    return {
        "vocabulary": tokenizer.vocabulary,
        "end_of_document": tokenizer.end_of_document,
        "tokenizer_hash": tokenizer.hash,
        "dtype": tokenizer.dtype.name,
        "sets": run.sets,
    }


class _Assembly:
    """One run of :func:`assemble`: what it has found so far."""

    def __init__(self, inputs: Inputs, faults: list[Fault]) -> None:
        self.sets: dict[str, dict[str, Any]] = {}
        self._inputs = inputs
        self._spec = inputs.spec
        self._faults = faults
        self._hub = {
            place for place, part in inputs.parts().items() if isinstance(part, Hub | Pretrained) and part.remote
        }
        self._unreached: list[str] | None = None  # what was not asked of a hub that could not be reached

    def tokenizer(self, domains: Mapping[str, DocumentReader]) -> Tokenizer | None:
        """Train or load the tokenizer; None where that fails."""
        spec = self._inputs.tokenizer
        sample = []
        for name, reader in domains.items():
            with self._sound(self._inputs.place(f"train/{name}")) as sound:
                if sound and spec.sample_bytes and not isinstance(reader.source, TokenSource):
                    sample.append(reader.peek(max(1, spec.sample_bytes // len(domains))))
        with self._sound(TOKENIZER) as sound:
            return spec.build(sample) if sound else None
        return None

    def drain(self, readers: Mapping[str, TaskSource | DocumentReader]) -> None:
        """Read as much as a corpus needs and write nothing, so that what is wrong with the documents is told, too."""
        limit = None if self._spec.max_tokens is None else self._spec.max_tokens * _BYTES_PER_TOKEN
        for name, reader in readers.items():
            if isinstance(reader, DocumentReader) and isinstance(reader.source, TokenSource):
                continue  # tokens are read with their tokenizer
            with self._sound(self._inputs.place(f"train/{name}")) as sound:
                size = 0
                texts: Iterator[Document] | Iterator[Example]
                if isinstance(reader, DocumentReader):
                    texts = reader.documents(lambda *_: True, Count())
                else:
                    texts = reader.examples()
                for each in texts if sound else ():
                    size += each.size
                    if limit is not None and size >= limit:
                        break
                if sound and not size:
                    raise DataError(EMPTY)

    def domain(self, name: str, reader: DocumentReader, packing: Packing) -> None:
        """Write a domain's training and validation tokens."""
        spec, keys = self._spec, (f"train/{name}", f"validation/{name}")
        with self._sound(self._inputs.place(keys[0])) as sound:
            if sound:
                limits = (spec.max_tokens, spec.max_validation_tokens)
                targets = [Target(key, self._stem(key), limit) for key, limit in zip(keys, limits, strict=True)]
                self._note(packing.domain(name, reader, *targets))

    def further(self, name: str, reader: DocumentReader, packing: Packing) -> None:
        """Write a further validation set without the documents that any domain trains on."""
        key = f"validation/{name}"
        with self._sound(self._inputs.place(key)) as sound:
            if sound:
                target = Target(key, self._stem(key), self._spec.max_validation_tokens)
                self._note(packing.further(name, reader, target))

    def task(self, name: str, source: TaskSource, packing: Packing) -> None:
        """Write the examples of a task, without those that any domain trains on."""
        key = f"validation/{name}"
        with self._sound(self._inputs.place(key)) as sound:
            if sound:
                self._note({key: packing.task(source, self._stem(key), self._spec.max_validation_tokens)})

    def _stem(self, key: str) -> str:
        """What a set's files are called: numbered, since a name may hold what no file name can."""
        return f"{self._inputs.keys().index(key):04d}"

    def _note(self, found: Mapping[str, dict[str, Any]]) -> None:
        self.sets |= found
        for key, facts in found.items():
            logger.info(
                "%s: %d tokens of %d documents, %d duplicates and %d trained on dropped",
                *(key, facts["tokens"], facts["documents"], facts["duplicates"], facts["overlaps"]),
            )

    @contextmanager
    def _sound(self, place: str) -> Iterator[bool]:
        """Yield whether nothing is wrong at ``place`` so far, and turn an error inside the block into a fault there.

        Nor is the hub asked for anything more once it could not be reached.
        """
        at_fault = any(fault.where == place or fault.where.startswith(f"{place}.") for fault in self._faults)
        in_vain = not at_fault and self._unreached is not None and place in self._hub
        if in_vain and self._unreached is not None and place not in self._unreached:
            self._unreached.append(place)
        try:
            yield not at_fault and not in_vain
        except UnreachableError as error:
            self._unreached = [place]
            self._faults.append(Fault(place, str(error)))
        except DataError as error:
            self._faults.append(Fault(place, str(error)))

    def told(self) -> None:
        """Say of the one fault of a hub that could not be reached what else it was wanted for."""
        if self._unreached is None or not (others := self._unreached[1:]):
            return
        for at, fault in enumerate(self._faults):
            if fault.where == self._unreached[0]:
                what = f"{fault.what}; wanted of the hub as well: {', '.join(others)}"
                self._faults[at] = Fault(fault.where, what)
