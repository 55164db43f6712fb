"""The tokens of a task: every option of every example a sequence of its own, in flat arrays that stay on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from bomix.contracts.text import Tokenizer
from bomix.contracts.traits import field_values
from bomix.errors import DataError
from bomix.training.data.packing import digest_of
from bomix.training.tasks.examples import Example, TaskSource

_BATCH = 256
"""Examples that are tokenized at a time: enough for the tokenizer's own batches."""
_ARRAYS = ("tokens", "starts", "scored", "responses", "examples", "options", "gold", "sizes")


@dataclass(frozen=True)
class TaskSet:
    """The examples of a task: ``T`` tokens in ``S`` sequences, one for each option, options of an example in a row.

    A sequence is predicted from its first token on: the end-of-document token stands before it.

    Attributes:
        tokens: ``T`` ids.
        starts: ``S + 1`` integers: sequence ``s`` is ``starts[s]:starts[s + 1]``.
        scored: ``T`` booleans: the tokens that the loss is the mean over, in the sequences of right options.
        responses: ``S`` integers: where in ``tokens`` the option itself begins.
        examples: ``S`` integers: the example, counted from 0.
        options: ``S`` integers: number of the option in its example, from 0, in the order of the record.
        gold: ``S`` booleans: whether the sequence ends in the right option.
        sizes: ``S`` integers: UTF-8 bytes of what is scored.
        choices: Whether there is an accuracy.
        per_token: Whether options are compared by their mean log-probability over tokens, not by the sum.
        end_of_document: The token id that stands before each sequence.
        documents: Number of examples.
        duplicates: Number of examples dropped because they came before.
        overlaps: Number of examples dropped because a domain trains on the same text.
    """

    tokens: np.ndarray
    starts: np.ndarray
    scored: np.ndarray
    responses: np.ndarray
    examples: np.ndarray
    options: np.ndarray
    gold: np.ndarray
    sizes: np.ndarray
    choices: bool
    per_token: bool
    end_of_document: int
    documents: int
    duplicates: int = 0
    overlaps: int = 0

    @property
    def lengths(self) -> np.ndarray:
        """``S`` numbers of tokens."""
        return np.diff(self.starts)

    def fitting(self, length: int) -> np.ndarray:
        """Examples of which no option is longer than ``length`` tokens, ascending; the others are not read."""
        longest = np.zeros(self.documents, dtype=np.int64)
        np.maximum.at(longest, self.examples, self.lengths)
        return np.flatnonzero(longest <= length)

    def statistics(self, length: int) -> dict[str, Any]:
        """What is read and what is not, where sequences are of ``length`` tokens; plain JSON."""
        kept = self.fitting(length)
        options = np.bincount(self.examples, minlength=self.documents)[kept]
        found = {
            "examples": len(kept),
            "too_long": self.documents - len(kept),
            "duplicates": self.duplicates,
            "trained_on": self.overlaps,
        }
        return {**found, "chance": float((1.0 / options).mean())} if self.choices else found


@dataclass
class _Packing:
    """Arrays that grow, one entry or several per sequence."""

    tokens: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=lambda: [0])
    scored: list[bool] = field(default_factory=list)
    responses: list[int] = field(default_factory=list)
    examples: list[int] = field(default_factory=list)
    options: list[int] = field(default_factory=list)
    gold: list[bool] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    count: int = 0

    def add(
        self, example: Example, context: list[int], prompt: list[int], responses: list[list[int]], *, whole: bool
    ) -> None:
        for option, response in enumerate(responses):
            before = [False] * len(context) + [whole] * len(prompt)
            self.responses.append(len(self.tokens) + len(before))
            self.tokens += [*context, *prompt, *response]
            self.scored += [*before, *[True] * len(response)]
            self.starts.append(len(self.tokens))
            self.examples.append(self.count)
            self.options.append(option)
            self.gold.append(option == example.gold)
            text = (example.prompt if whole else "") + example.responses[option]
            self.sizes.append(len(text.encode()))
        self.count += 1

    def arrays(self, tokenizer: Tokenizer) -> dict[str, np.ndarray]:
        values = field_values(self)
        types = {"tokens": tokenizer.dtype, "scored": np.dtype(bool), "gold": np.dtype(bool)}
        return {name: np.array(values[name], dtype=types.get(name, np.dtype(np.int64))) for name in _ARRAYS}


def write_task(
    folder: Path,
    stem: str,
    source: TaskSource,
    tokenizer: Tokenizer,
    *,
    trained: Container[bytes] = (),
    limit: int | None = None,
) -> dict[str, Any]:
    """Tokenize a task and write it down.

    Prompt and response are tokenized apart, so that a token never belongs to both.

    Args:
        folder: Gets one ``.npy`` file for each array.
        stem: What their names begin with.
        source: The examples.
        tokenizer: Encodes them.
        trained: Hashes of the documents that are trained on; an example that is one of them is dropped, and so is
            one whose question alone is one.
        limit: Tokens that are written at most; the example that would pass it ends the set. None for all.

    Returns:
        What was written, as plain JSON; :func:`open_task` reads it.

    Raises:
        DataError: No example is left, or one has an option without a token.
    """
    packing = _Packing()
    seen: set[bytes] = set()
    duplicates = overlaps = 0
    is_full = False

    def kept() -> Iterator[Example]:
        nonlocal duplicates, overlaps
        for example in source.examples():
            if example.digest in seen:
                duplicates += 1
            elif digest_of(example.text.encode()) in trained or digest_of(example.question.encode()) in trained:
                overlaps += 1
            else:
                seen.add(example.digest)
                yield example

    examples = kept()
    while not is_full and (batch := list(islice(examples, _BATCH))):
        for example, context, prompt, responses in _encoded(batch, tokenizer):
            size = sum(len(context) + len(prompt) + len(response) for response in responses)
            if is_full := limit is not None and len(packing.tokens) + size > limit:
                break
            packing.add(example, context, prompt, responses, whole=source.loss == "whole")
    if not packing.count:
        raise DataError(_reason(overlaps, limit if is_full else None))
    return _written(folder, stem, packing.arrays(tokenizer), source, duplicates=duplicates, overlaps=overlaps)


def open_task(folder: Path, facts: Mapping[str, Any], *, end_of_document: int) -> TaskSet:
    """Open what :func:`write_task` wrote into ``folder``; the arrays stay on disk until they are read."""
    stem, own = facts["file"], facts["task"]
    arrays = {name: np.load(folder / f"{stem}.{name}.npy", mmap_mode="r", allow_pickle=False) for name in _ARRAYS}
    return TaskSet(
        **{name: np.asarray(array) for name, array in arrays.items()},
        choices=own["choices"],
        per_token=own["per_token"],
        end_of_document=end_of_document,
        documents=facts["documents"],
        duplicates=facts["duplicates"],
        overlaps=facts["overlaps"],
    )


def _encoded(
    batch: list[Example], tokenizer: Tokenizer
) -> Iterator[tuple[Example, list[int], list[int], list[list[int]]]]:
    """Each example with the tokens of its shots, its prompt and its responses."""
    contexts = sorted({example.context for example in batch})
    shots = dict(zip(contexts, tokenizer.encode(contexts), strict=True))
    prompts = tokenizer.encode([example.prompt for example in batch])
    responses = iter(tokenizer.encode([response for example in batch for response in example.responses]))
    for example, prompt in zip(batch, prompts, strict=True):
        own = list(islice(responses, len(example.responses)))
        if not all(own):
            raise DataError(f"the tokenizer makes no token of an answer to {example.question!r:.60}; remove the record")
        yield example, shots[example.context], prompt, own


def _written(
    folder: Path, stem: str, arrays: Mapping[str, np.ndarray], source: TaskSource, *, duplicates: int, overlaps: int
) -> dict[str, Any]:
    digest = hashlib.sha256(f"{source.choices} {source.per_token}".encode())
    for name, array in arrays.items():
        np.save(folder / f"{stem}.{name}.npy", array)
        digest.update(array.tobytes())
    examples, lengths = arrays["examples"], np.diff(arrays["starts"])
    longest = np.zeros(int(examples[-1]) + 1, dtype=np.int64)
    np.maximum.at(longest, examples, lengths)
    return {
        "file": stem,
        "tokens": len(arrays["tokens"]),
        "documents": len(longest),
        "bytes": int(arrays["sizes"][arrays["gold"]].sum()),
        "duplicates": duplicates,
        "overlaps": overlaps,
        "sha256": digest.hexdigest(),
        "task": {"choices": source.choices, "per_token": source.per_token, "shortest": int(longest.min())},
    }


def _reason(overlaps: int, limit: int | None) -> str:
    if limit is not None:
        return f"its first example is longer than the {limit} tokens of max_validation_tokens; raise that"
    if overlaps:
        return f"all of its {overlaps} examples are trained on; use others"
    return "holds no example; add records beyond the shots, or correct the path or the part"
