"""A part of a domain's text: whole documents in a seeded order, seen in place, without a copy of their tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bomix.training.data.tokens import Text, TokenSet

_CHUNK = 1 << 24
"""Tokens in which ends of documents are looked for at a time: the comparison takes as many bytes."""
_STREAM = 0x63757473
"""Sets the order of documents apart from that of sequences, which is drawn from the same seed and name."""


@dataclass(frozen=True)
class Excerpt(Text):
    """Some documents of a set of tokens, one after the other as they stand there.

    Attributes:
        tokens: One-dimensional array of the whole set, memory-mapped.
        starts: ``n`` positions in it where pieces begin, ascending.
        ends: ``n`` numbers of tokens of the pieces up to and with each.
    """

    tokens: np.ndarray
    starts: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        return int(self.ends[-1])

    def count(self) -> int:
        """Tokens of all pieces."""
        return len(self)

    def at(self, places: np.ndarray) -> np.ndarray:
        """The tokens at places of the pieces laid end to end, of the same shape."""
        piece = np.searchsorted(self.ends, places, side="right")
        before = np.concatenate(([0], self.ends[:-1]))
        found: np.ndarray = self.tokens[self.starts[piece] + places - before[piece]]
        return found


def document_ends(tokens: np.ndarray, end_of_document: int) -> np.ndarray:
    """Where each document ends, one behind its last token, ascending; what is not closed is the last document."""
    found = [
        np.flatnonzero(tokens[first : first + _CHUNK] == end_of_document) + first + 1
        for first in range(0, len(tokens), _CHUNK)
    ]
    ends = np.concatenate([*found, np.empty(0, dtype=np.int64)]).astype(np.int64)
    return ends if len(ends) and ends[-1] == len(tokens) else np.append(ends, len(tokens))


def excerpt(name: str, whole: TokenSet, size: int, *, end_of_document: int, seed: int) -> Excerpt:
    """Documents of a domain until they have ``size`` tokens, of which the last document has what is left.

    The order of the documents depends on seed and name alone, so that a smaller excerpt lies inside a larger one.

    Args:
        name: Name of the domain.
        whole: All of its tokens, more than ``size``.
        size: Tokens of the excerpt, at least one.
        end_of_document: The token that closes each document.
        seed: Seed of the order.
    """
    ends = document_ends(whole.tokens, end_of_document)
    starts = np.concatenate(([0], ends[:-1]))
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    order = np.random.default_rng(np.random.SeedSequence([seed, number, _STREAM])).permutation(len(ends))
    filled = np.cumsum((ends - starts)[order])
    count = int(np.searchsorted(filled, size)) + 1
    chosen, sizes = order[:count], (ends - starts)[order[:count]]
    sizes[-1] -= filled[count - 1] - size
    in_place = np.argsort(chosen, kind="stable")
    return Excerpt(whole.tokens, starts[chosen][in_place], np.cumsum(sizes[in_place]))


def excerpts(
    train: Mapping[str, TokenSet], sequences: Mapping[str, int], length: int, *, end_of_document: int, seed: int
) -> dict[str, Text]:
    """What a run may see of each domain.

    Args:
        train: Domain to all of its tokens.
        sequences: Domain to the sequences that the run may see; one that is missing, or has no more, is seen whole.
        length: Tokens of a sequence.
        end_of_document: The token that closes each document.
        seed: Seed of the order of the documents.
    """
    return {
        name: whole
        if sequences.get(name, whole.sequences(length)) >= whole.sequences(length)
        else excerpt(name, whole, sequences[name] * length + 1, end_of_document=end_of_document, seed=seed)
        for name, whole in train.items()
    }
