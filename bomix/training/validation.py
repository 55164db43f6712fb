"""What models make of a validation set: their loss, their accuracy where there is a choice, and every token."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bomix.io.artifacts.scored_tokens import ScoredTokens, hash_of_tokens
from bomix.training.data.tokens import accuracy_of
from bomix.training.tasks.scores import LossesOf, read_task
from bomix.training.tasks.tokens import TaskSet

if TYPE_CHECKING:
    from bomix.training.data.tokens import TokenSet
    from bomix.training.device import Hardware


@dataclass(frozen=True)
class Evaluation:
    """What was measured on one validation set.

    Attributes:
        loss: Mean over tokens, nats per token.
        sem: Standard error of that mean over sequences, or over examples; nats per token.
        bits_per_byte: The same loss per byte of text, in bits: comparable across tokenizers.
        sequences: Number of sequences that were read; of a task, of examples.
        accuracy: Share of examples in which the right option is the likeliest, a tie shared; None without a choice.
        accuracy_sem: Standard error of that share over examples.
    """

    loss: float
    sem: float
    bits_per_byte: float
    sequences: int
    accuracy: float | None = None
    accuracy_sem: float = math.nan

    def values(self, name: str) -> dict[str, float]:
        """The metrics of the set ``name``."""
        return {name: self.loss} | ({} if self.accuracy is None else {accuracy_of(name): self.accuracy})

    def sems(self, name: str) -> dict[str, float]:
        """The standard errors of those metrics, where there are some."""
        known = {name: self.sem, accuracy_of(name): self.accuracy_sem}
        return {metric: known[metric] for metric in self.values(name) if math.isfinite(known[metric])}


@dataclass(frozen=True)
class Measured:
    """One reading of a validation set.

    Attributes:
        evaluation: The means.
        scored: Metric name to every token that it is made of; empty where that was not asked for.
    """

    evaluation: Evaluation
    scored: Mapping[str, ScoredTokens] = field(default_factory=dict)


def windows(available: int, wanted: int) -> np.ndarray:
    """The sequences, or examples, that are read: fixed, and evenly spaced over the whole set.

    Args:
        available: Sequences in the set.
        wanted: Number of sequences to read, at most.

    Returns:
        ``min(available, wanted)`` distinct sequence numbers, ascending.
    """
    count = min(available, wanted)
    return np.arange(count, dtype=np.int64) * available // max(count, 1)


def measure(
    losses_of: LossesOf,
    tokens: TokenSet | TaskSet,
    *,
    length: int,
    sequences: int,
    hardware: Hardware,
    batch: int = 8,
    score_as: str | None = None,
) -> list[Measured]:
    """Read a validation set once, with all models of a stack.

    Args:
        losses_of: Maps ``b x n`` token ids and the ``b x n`` ids that follow them to the ``k x b x n`` losses of
            ``k`` models, nats; ``n`` is ``length``, and less for the sequences of a task.
        tokens: The validation set.
        length: Inputs per sequence, at most. Examples of a task that are longer are not read.
        sequences: Number of sequences to read, at most; of a task, of examples.
        hardware: The device and precision to read it with.
        batch: Sequences of ``length`` at a time.
        score_as: The set's metric, to have every token's log-probability as well. A choice gives two entries: under
            this name the right options, and under its accuracy's name all options, of which the response is scored.

    Returns:
        One reading for each of the ``k`` models.
    """
    import torch

    with torch.inference_mode():
        if isinstance(tokens, TaskSet):
            return _measure_task(losses_of, tokens, length, sequences, hardware, batch, score_as)
        return _measure_windows(losses_of, tokens, length, sequences, hardware, batch, score_as)


def _measure_windows(
    losses_of: LossesOf,
    tokens: TokenSet,
    length: int,
    sequences: int,
    hardware: Hardware,
    batch: int,
    score_as: str | None,
) -> list[Measured]:
    import torch

    index = windows(tokens.sequences(length), sequences)
    read = tokens.windows(index, length)
    parts = []
    for start in range(0, len(index), batch):
        block = torch.from_numpy(read[start : start + batch]).to(hardware.device)
        parts.append(losses_of(block[:, :-1], block[:, 1:]))
    losses = torch.cat(parts, dim=1)  # k x sequences x length
    means = losses.mean(dim=2).double().cpu().numpy()
    by_token = None if score_as is None else losses.flatten(1).cpu().numpy()
    found = []
    for at, by_sequence in enumerate(means):
        loss = float(by_sequence.mean())
        sem = float(by_sequence.std(ddof=1)) / math.sqrt(len(by_sequence)) if len(by_sequence) > 1 else math.nan
        evaluation = Evaluation(loss, sem, loss / math.log(2.0) / tokens.bytes_per_token, len(by_sequence))
        scored = {} if by_token is None or score_as is None else {score_as: _scored(by_token[at], read, tokens)}
        found.append(Measured(evaluation, scored))
    return found


def _scored(losses: np.ndarray, read: np.ndarray, tokens: TokenSet) -> ScoredTokens:
    """Every token of the sequences ``read``, ``sequences x (length + 1)``."""
    starts = np.arange(len(read) + 1) * (read.shape[1] - 1)
    targets, first = read[:, 1:].ravel().astype(tokens.tokens.dtype), read[:, 0].astype(tokens.tokens.dtype)
    return ScoredTokens(np.minimum(-losses, 0.0), starts, hash_of_tokens(targets, starts), ids=targets, first=first)


def _measure_task(
    losses_of: LossesOf,
    tasks: TaskSet,
    length: int,
    sequences: int,
    hardware: Hardware,
    batch: int,
    score_as: str | None,
) -> list[Measured]:
    kept = tasks.fitting(length)
    examples = kept[windows(len(kept), sequences)]
    readings = read_task(losses_of, tasks, examples, length=length, hardware=hardware, batch=batch)
    found = []
    for read in readings:
        loss, sem, per_byte = read.loss()
        accuracy, accuracy_sem = read.accuracy(per_token=tasks.per_token) if tasks.choices else (None, math.nan)
        scored = {} if score_as is None else {score_as: read.right()}
        if score_as is not None and tasks.choices:
            scored[accuracy_of(score_as)] = read.options(per_token=tasks.per_token)
        found.append(Measured(Evaluation(loss, sem, per_byte, len(examples), accuracy, accuracy_sem), scored))
    return found
