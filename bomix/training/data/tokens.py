"""Packed tokens: what a corpus is once it is built, and all that training and validation read of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bomix.io.store.cache import read_record
from bomix.problem import Metric
from bomix.training.tasks.tokens import TaskSet, open_task

ACCURACY = "accuracy"
"""Unit of the share of examples in which the right option is the likeliest."""


class Text(ABC):
    """Tokens one after the other, of which a run reads sequences by their numbers."""

    @abstractmethod
    def count(self) -> int:
        """Tokens that there are."""

    @abstractmethod
    def at(self, places: np.ndarray) -> np.ndarray:
        """The tokens at places, of the same shape."""

    def sequences(self, length: int) -> int:
        """Number of disjoint sequences of ``length`` inputs and ``length`` shifted targets."""
        return max(0, (self.count() - 1) // length)

    def windows(self, index: np.ndarray, length: int) -> np.ndarray:
        """Read sequences.

        Args:
            index: ``b`` sequence numbers below ``sequences(length)``.
            length: Inputs per sequence.

        Returns:
            ``b x (length + 1)`` int64 array; inputs are ``[:, :-1]``, targets ``[:, 1:]``.
        """
        places = np.asarray(index, dtype=np.int64)[:, None] * length + np.arange(length + 1)
        return self.at(places).astype(np.int64)


@dataclass(frozen=True)
class TokenSet(Text):
    """Documents packed end to end, each closed by the end-of-document token.

    Attributes:
        tokens: One-dimensional array of the smallest unsigned type that holds the vocabulary, memory-mapped.
        documents: Documents in it.
        bytes: UTF-8 bytes of those documents.
        duplicates: Documents dropped because the same text came before them in the same source.
        overlaps: Documents dropped from a further validation set because a domain trains on them.
    """

    tokens: np.ndarray
    documents: int
    bytes: int
    duplicates: int = 0
    overlaps: int = 0

    @property
    def bytes_per_token(self) -> float:
        """UTF-8 bytes that one token stands for."""
        return self.bytes / len(self.tokens)

    def count(self) -> int:
        """Tokens that there are."""
        return len(self.tokens)

    def at(self, places: np.ndarray) -> np.ndarray:
        """The tokens at places, of the same shape."""
        found: np.ndarray = self.tokens[places]
        return found


@dataclass(frozen=True)
class Corpus:
    """Every domain's training tokens and every metric's validation tokens.

    Attributes:
        train: Domain name to training tokens.
        validation: Metric name to validation tokens, or to a task; disjoint from all training documents.
        vocabulary: Number of token ids.
        tokenizer_hash: Changes with anything that changes how text becomes tokens.
        hashes: ``train/<domain>`` and ``validation/<metric>`` to the hash of the tokens.
        folder: The folder that it is stored in; None for one that was made in memory. A stored corpus pickles as its
            folder, so that handing it to a child process copies no token.
        end_of_document: The token id that closes each document.
    """

    train: Mapping[str, TokenSet]
    validation: Mapping[str, TokenSet | TaskSet]
    vocabulary: int
    tokenizer_hash: str
    hashes: Mapping[str, str]
    folder: Path | None = None
    end_of_document: int = 0

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What is measured on the validation sets: a loss on each, and an accuracy where there is a choice."""
        return tuple(metric for name, tokens in self.validation.items() for metric in metrics_of(name, tokens))

    def task_statistics(self, length: int) -> dict[str, dict[str, Any]]:
        """What is read of each task where sequences are of ``length`` tokens; plain JSON."""
        tasks = {name: tokens for name, tokens in self.validation.items() if isinstance(tokens, TaskSet)}
        return {name: tokens.statistics(length) for name, tokens in tasks.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        if self.folder is None:
            fields = (self.train, self.validation, self.vocabulary, self.tokenizer_hash, self.hashes, None)
            return Corpus, (*fields, self.end_of_document)

        return open_corpus, (self.folder,)


def metrics_of(name: str, tokens: TokenSet | TaskSet) -> tuple[Metric, ...]:
    """The metrics of one validation set."""
    if isinstance(tokens, TaskSet) and tokens.choices:
        return Metric(name), Metric(accuracy_of(name), unit=ACCURACY, direction="max")
    return (Metric(name),)


def accuracy_of(name: str) -> str:
    """The metric that is the accuracy on a set of multiple choice."""
    return f"{name}_accuracy"


def open_corpus(folder: Path) -> Corpus:
    """Open a built corpus, ``Corpus.folder``; the tokens stay on disk until they are read.

    Raises:
        DataError: It is not there, or damaged.
    """
    record = read_record(folder)
    train: dict[str, TokenSet] = {}
    validation: dict[str, TokenSet | TaskSet] = {}
    for key, facts in record["sets"].items():
        split, _, name = key.partition("/")
        if split == "train":
            train[name] = _open_set(folder, facts, record["dtype"])
        elif "task" in facts:
            validation[name] = open_task(folder, facts, end_of_document=record["end_of_document"])
        else:
            validation[name] = _open_set(folder, facts, record["dtype"])
    return Corpus(
        train=train,
        validation=validation,
        vocabulary=record["vocabulary"],
        tokenizer_hash=record["tokenizer_hash"],
        hashes={key: facts["sha256"] for key, facts in record["sets"].items()},
        folder=folder,
        end_of_document=record["end_of_document"],
    )


def _open_set(folder: Path, facts: Mapping[str, Any], dtype: str) -> TokenSet:
    if facts["tokens"]:
        tokens = np.asarray(np.memmap(folder / facts["file"], dtype=dtype, mode="r"))
    else:
        tokens = np.empty(0, dtype=dtype)  # an empty file cannot be mapped
    return TokenSet(tokens, facts["documents"], facts["bytes"], facts["duplicates"], facts["overlaps"])
