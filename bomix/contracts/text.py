"""Where text comes from, and what makes tokens of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from bomix.errors import Fault
    from bomix.training.data.tokenizer import Tokenizer


@runtime_checkable
class Source(Protocol):
    """Where the text of a domain comes from."""

    def signature(self) -> str:
        """A string that changes whenever the documents may have changed; cheap, no document is read.

        Raises:
            DataError: The source is not there.
        """
        ...

    def documents(self) -> Iterator[str]:
        """Yield the documents, always in the same order.

        Raises:
            DataError: A broken line or a missing field, with file and line.
        """
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
