"""Where text comes from, and what makes tokens of it.

A source is a frozen dataclass with the one method of :class:`Source`; a tokenizer one with those of
:class:`TokenizerSpec`, which builds a :class:`Tokenizer`. Both may have what any component may have, see
:class:`bomix.contracts.traits.ComponentTraits`; ``relative_to(folder)`` is asked of both.

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class Repeated:
...     '''The same sentence many times.'''
...     text: str = "To be, or not to be."
...     count: int = 100
...     def documents(self):
...         yield from [self.text] * self.count
>>> isinstance(Repeated(), Source), sum(1 for _ in Repeated().documents())
(True, 100)

>>> import hashlib
>>> import numpy as np
>>> @dataclass(frozen=True)
... class Bytes:
...     '''A token for each byte, and one for the end of a document; itself the tokenizer that it builds.'''
...     vocabulary = 257
...     end_of_document = 256
...     sample_bytes = 0
...     def faults(self):
...         return []
...     def signature(self):
...         return "bytes"
...     def build(self, sample):
...         return self
...     @property
...     def hash(self):
...         return hashlib.sha256(b"bytes").hexdigest()
...     dtype = np.dtype(np.uint16)
...     def encode(self, texts):
...         return [list(text.encode()) for text in texts]
...     def save(self, folder):
...         (folder / "tokenizer.txt").write_text("bytes")
>>> isinstance(Bytes(), TokenizerSpec), Bytes().build(()).encode(["Hi"])
(True, [[72, 105]])
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from bomix.contracts.traits import ComponentTraits, traits
from bomix.errors import Fault


@runtime_checkable
class Source(Protocol):
    """Where the text of a domain comes from."""

    def documents(self) -> Iterator[str]:
        """Yield the documents, always in the same order.

        Raises:
            DataError: A broken line or a missing field, with file and line.
        """
        ...


class Meter:
    """How far the reading of a source is: whoever reads tells it, whoever shows progress asks it."""

    def __init__(self) -> None:
        self._before, self._part = 0.0, 0.0
        self._within: Callable[[], float] | None = None

    def begin(self, before: float, part: float) -> None:
        """Begin a part of the source, a file say.

        Args:
            before: Share of the source that lies before it.
            part: Share of the source that it is.
        """
        self._before, self._part, self._within = before, part, lambda: 0.0

    def follow(self, within: Callable[[], float]) -> None:
        """Ask ``within`` from now on which share of the part is read."""
        self._within = within

    @property
    def share(self) -> float | None:
        """Share of the source that is read, 0 to 1; None where nobody has told."""
        if self._within is None:
            return None
        return min(1.0, self._before + self._part * self._within())


@dataclass(frozen=True)
class SourceTraits(ComponentTraits):
    """What a source may have beyond :class:`Source`, and what bomix assumes where it does not.

    Attributes:
        signature: Returns a string that changes whenever the documents may have changed; cheap, no document is read.
            It raises DataError where the source is not there. Without it the documents are taken to change with the
            fields of the source and with the code of its module: one that reads files says which, and their state.
        metered: Yields what ``documents`` does, and tells a :class:`Meter` how far it is: the time left can be shown.
        remote: Whether it is read over a network, also for its signature: what is wrong elsewhere is told first.
    """

    contract: ClassVar[type | None] = Source

    signature: Callable[[], str] | None = None
    metered: Callable[[Meter], Iterator[str]] | None = None
    remote: bool = False


def signature_of(source: Source | TokenizerSpec) -> str:
    """A string that changes whenever what a source yields, or a tokenizer makes of it, may have changed.

    Raises:
        DataError: It is not there.
    """
    told = traits(source, SourceTraits).signature
    return _of_fields_and_code(source) if told is None else told()


def _of_fields_and_code(source: object) -> str:
    """The fields of a source and a hash of its module's code; the module's name is another one in a child process."""
    try:
        code = inspect.getsource(inspect.getmodule(type(source)) or type(source))
    except (OSError, TypeError):  # written at a prompt
        code = ""
    return f"{source!r} {hashlib.sha256(code.encode()).hexdigest()}"


@runtime_checkable
class TokenSource(Source, Protocol):
    """A source that holds token ids rather than text; its ``documents`` are the ids written out."""

    def token_documents(self, meter: Meter) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the documents, always in the same order: where each stands, and its ids without an end of document.

        Raises:
            DataError: A file is damaged or of another layout.
        """
        ...

    def bind(self, end_of_document: int) -> TokenSource:
        """The same source, told by which token a document ends where its files mark no ends themselves."""
        ...


class Tokenizer(Protocol):
    """A tokenizer that is ready: all that packing a corpus asks of one."""

    @property
    def vocabulary(self) -> int:
        """One more than the largest token id."""
        ...

    @property
    def end_of_document(self) -> int:
        """The token id that closes each document."""
        ...

    @property
    def hash(self) -> str:
        """Changes with anything that changes how text becomes tokens."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest unsigned integer type that holds every token id."""
        ...

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, no special token among them."""
        ...

    def save(self, folder: Path) -> None:
        """Write what reads it again into ``folder``, which exists."""
        ...


@runtime_checkable
class DecodingTokenizer(Tokenizer, Protocol):
    """A tokenizer that also makes text of tokens: corpora of tokens ask for one."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some tokens."""
        ...


@runtime_checkable
class TokenizerSpec(Protocol):
    """What turns text into tokens."""

    @property
    def sample_bytes(self) -> int:
        """UTF-8 bytes of training text that :meth:`build` wants to see; 0 for none."""
        ...

    def faults(self) -> list[Fault]:
        """What is wrong with the fields alone."""
        ...

    def signature(self) -> str:
        """A string that changes whenever :meth:`build` may return something else from the same sample; cheap.

        Raises:
            DataError: It is not there.
        """
        ...

    def build(self, sample: Iterable[str]) -> Tokenizer:
        """Train or load it.

        Args:
            sample: Training documents, the same amount of each domain.

        Raises:
            DataError: It is not there, or lacks an end-of-document token.
        """
        ...


@dataclass(frozen=True)
class TokenizerTraits(ComponentTraits):
    """What a tokenizer's specification may have beyond :class:`TokenizerSpec`.

    Attributes:
        remote: Whether it is loaded over a network: what is wrong elsewhere is told first.
    """

    contract: ClassVar[type | None] = TokenizerSpec

    remote: bool = False
