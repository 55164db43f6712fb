"""What a model makes of a validation set: its loss, its accuracy where there is a choice, and every token."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bomix.io.artifacts.scored_tokens import ScoredTokens, hash_of_tokens
from bomix.training.data.tokens import accuracy_of
from bomix.training.tasks.scores import read_task
from bomix.training.tasks.tokens import TaskSet

if TYPE_CHECKING:
    from torch import Tensor

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


def evaluate(
    logits: Callable[[Tensor], Tensor],
    tokens: TokenSet | TaskSet,
    *,
    length: int,
    sequences: int,
    hardware: Hardware,
    batch: int = 8,
) -> Evaluation:
    """Measure a loss, and an accuracy where the set is a choice. Arguments as those of :func:`measure`."""
    return measure(logits, tokens, length=length, sequences=sequences, hardware=hardware, batch=batch).evaluation


def score(
    logits: Callable[[Tensor], Tensor],
    tokens: TokenSet | TaskSet,
    *,
    metric: str,
    length: int,
    sequences: int,
    hardware: Hardware,
    batch: int = 8,
) -> Mapping[str, ScoredTokens]:
    """Every token that :func:`evaluate` reads. Arguments, and what comes back, as those of :func:`measure`."""
    measured = measure(
        logits, tokens, length=length, sequences=sequences, hardware=hardware, batch=batch, score_as=metric
    )
    return measured.scored


def measure(
    logits: Callable[[Tensor], Tensor],
    tokens: TokenSet | TaskSet,
    *,
    length: int,
    sequences: int,
    hardware: Hardware,
    batch: int = 8,
    score_as: str | None = None,
) -> Measured:
    """Read a validation set once.

    Args:
        logits: Maps ``b x n`` token ids to ``b x n x vocabulary`` logits, causally; ``n`` is ``length``, and less
            for the sequences of a task.
        tokens: The validation set.
        length: Inputs per sequence, at most. Examples of a task that are longer are not read.
        sequences: Number of sequences to read, at most; of a task, of examples.
        hardware: The device and precision to read it with.
        batch: Sequences of ``length`` at a time.
        score_as: The set's metric, to have every token's log-probability as well. A choice gives two entries: under
            this name the right options, and under its accuracy's name all options, of which the response is scored.
    """
    import torch

    with torch.inference_mode(), hardware.autocast():
        if isinstance(tokens, TaskSet):
            return _measure_task(logits, tokens, length, sequences, hardware, batch, score_as)
        return _measure_windows(logits, tokens, length, sequences, hardware, batch, score_as)


def _measure_windows(
    logits: Callable[[Tensor], Tensor],
    tokens: TokenSet,
    length: int,
    sequences: int,
    hardware: Hardware,
    batch: int,
    score_as: str | None,
) -> Measured:
    import torch
    from torch.nn import functional

    index = windows(tokens.sequences(length), sequences)
    means, parts = [], []
    for start in range(0, len(index), batch):
        block = torch.from_numpy(tokens.windows(index[start : start + batch], length)).to(hardware.device)
        scores = logits(block[:, :-1]).float()
        losses = functional.cross_entropy(scores.flatten(0, 1), block[:, 1:].flatten(), reduction="none")
        means.append(losses.view(len(block), length).mean(dim=1))
        if score_as is not None:
            parts.append(losses)
    by_sequence = torch.cat(means).double().cpu().numpy()
    loss = float(by_sequence.mean())
    sem = float(by_sequence.std(ddof=1)) / math.sqrt(len(by_sequence)) if len(by_sequence) > 1 else math.nan
    evaluation = Evaluation(loss, sem, loss / math.log(2.0) / tokens.bytes_per_token, len(by_sequence))
    if score_as is None:
        return Measured(evaluation)
    read, starts = tokens.windows(index, length), np.arange(len(index) + 1) * length
    targets, first = read[:, 1:].ravel().astype(tokens.tokens.dtype), read[:, 0].astype(tokens.tokens.dtype)
    log_probabilities = np.minimum(-torch.cat(parts).cpu().numpy(), 0.0)
    scored = ScoredTokens(log_probabilities, starts, hash_of_tokens(targets, starts), ids=targets, first=first)
    return Measured(evaluation, {score_as: scored})


def _measure_task(
    logits: Callable[[Tensor], Tensor],
    tasks: TaskSet,
    length: int,
    sequences: int,
    hardware: Hardware,
    batch: int,
    score_as: str | None,
) -> Measured:
    kept = tasks.fitting(length)
    examples = kept[windows(len(kept), sequences)]
    read = read_task(logits, tasks, examples, length=length, hardware=hardware, batch=batch)
    loss, sem, per_byte = read.loss()
    accuracy, accuracy_sem = read.accuracy(per_token=tasks.per_token) if tasks.choices else (None, math.nan)
    scored = {} if score_as is None else {score_as: read.right()}
    if score_as is not None and tasks.choices:
        scored[accuracy_of(score_as)] = read.options(per_token=tasks.per_token)
    return Measured(Evaluation(loss, sem, per_byte, len(examples), accuracy, accuracy_sem), scored)
