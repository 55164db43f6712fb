"""What models make of the tokens of a task."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from bomix.io.artifacts.scored_tokens import ScoredTokens, hash_of_tokens
from bomix.training.tasks.tokens import TaskSet

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.training.device import Hardware

LossesOf: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"
"""From ``b x n`` token ids and the ids that follow them to the ``k x b x n`` losses of ``k`` models, nats."""
_STEP = 32
"""Padded lengths are multiples of this: each length has a causal mask of its own that is kept."""


@dataclass(frozen=True)
class TaskReading:
    """Sequences of a task that were read, in its order: ``T`` tokens in ``S`` sequences.

    Attributes:
        log_probabilities: ``T`` float32.
        ids: ``T`` tokens.
        starts: ``S + 1`` integers.
        scored: ``T`` booleans, what the loss is over.
        response: ``T`` booleans, the option itself.
        examples: ``S`` numbers from 0.
        gold: ``S`` booleans.
        sizes: ``S`` numbers of bytes.
        end_of_document: The token before each sequence.
    """

    log_probabilities: np.ndarray
    ids: np.ndarray
    starts: np.ndarray
    scored: np.ndarray
    response: np.ndarray
    examples: np.ndarray
    gold: np.ndarray
    sizes: np.ndarray
    end_of_document: int

    def loss(self) -> tuple[float, float, float]:
        """Mean over the scored tokens of right options, its standard error over examples, and bits per byte."""
        losses = -_sums(np.where(self.scored, self.log_probabilities, 0.0).astype(np.float64), self.starts)[self.gold]
        counts = _sums(self.scored.astype(np.int64), self.starts)[self.gold]
        total, tokens, n = losses.sum(), counts.sum(), len(losses)
        loss = float(total / tokens)
        # Examples differ in length: the error of a ratio of two sums over examples.
        sem = float(np.sqrt(n / (n - 1) * np.square(losses - loss * counts).sum()) / tokens) if n > 1 else math.nan
        return loss, sem, float(total / math.log(2.0) / self.sizes[self.gold].sum())

    def accuracy(self, *, per_token: bool) -> tuple[float, float]:
        """Share of examples in which no option is likelier than the right one, and its standard error.

        A tie of several options counts as what a draw among them would give.
        """
        values = _sums(np.where(self.response, self.log_probabilities, 0.0).astype(np.float64), self.starts)
        if per_token:
            values /= _sums(self.response.astype(np.int64), self.starts)
        count = int(self.examples[-1]) + 1
        best = np.full(count, -np.inf)
        np.maximum.at(best, self.examples, values)
        is_best = values == best[self.examples]
        hits = is_best[self.gold] / np.bincount(self.examples, weights=is_best, minlength=count)
        return float(hits.mean()), float(hits.std(ddof=1)) / math.sqrt(count) if count > 1 else math.nan

    def right(self) -> ScoredTokens:
        """The sequences of the right options, over which the loss is a mean."""
        lengths = np.diff(self.starts)
        at = np.repeat(self.gold, lengths)
        scored = self.scored[at]
        found = self._scored(self.log_probabilities[at], _ends(lengths[self.gold]), self.ids[at])
        return replace(found, scored=None if scored.all() else scored)

    def options(self, *, per_token: bool) -> ScoredTokens:
        """All sequences, of which the response is scored: what the accuracy is of."""
        found = self._scored(self.log_probabilities, self.starts, self.ids)
        return replace(found, scored=self.response, examples=self.examples, gold=self.gold, per_token=per_token)

    def _scored(self, log_probabilities: np.ndarray, starts: np.ndarray, ids: np.ndarray) -> ScoredTokens:
        first = np.full(len(starts) - 1, self.end_of_document, dtype=ids.dtype)
        return ScoredTokens(log_probabilities, starts, hash_of_tokens(ids, starts), ids=ids, first=first)


def read_task(
    losses_of: LossesOf,
    tasks: TaskSet,
    examples: np.ndarray,
    *,
    length: int,
    hardware: Hardware,
    batch: int,
) -> list[TaskReading]:
    """Read some examples, every option of them.

    Args:
        losses_of: The models.
        tasks: The task.
        examples: Numbers of examples, ascending, none longer than ``length``.
        length: Tokens per sequence, at most.
        hardware: The device and precision to read them with.
        batch: Sequences of ``length`` at a time; more where they are shorter.

    Returns:
        One reading for each of the ``k`` models.
    """
    chosen = np.flatnonzero(np.isin(tasks.examples, examples))
    lengths = tasks.lengths[chosen]
    at = _spans(tasks.starts[chosen], lengths)
    found = _log_probabilities(losses_of, tasks, chosen, length, hardware, batch)
    reading = TaskReading(
        log_probabilities=found[0],
        ids=tasks.tokens[at],
        starts=_ends(lengths),
        scored=tasks.scored[at],
        response=at >= np.repeat(tasks.responses[chosen], lengths),
        examples=np.unique(tasks.examples[chosen], return_inverse=True)[1],
        gold=tasks.gold[chosen],
        sizes=tasks.sizes[chosen],
        end_of_document=tasks.end_of_document,
    )
    return [replace(reading, log_probabilities=of_model) for of_model in found]


def _log_probabilities(
    losses_of: LossesOf,
    tasks: TaskSet,
    chosen: np.ndarray,
    length: int,
    hardware: Hardware,
    batch: int,
) -> np.ndarray:
    """``k x T`` float32 log-probabilities of the tokens of the chosen sequences, in their order.

    Sequences of about one length are padded to a batch; what stands behind a token does not change its probability.
    """
    import torch

    lengths = tasks.lengths[chosen]
    starts = _ends(lengths)
    parts, places = [], []
    order = np.argsort(-lengths, kind="stable")
    done = 0
    while done < len(order):
        width = min(length, -(-int(lengths[order[done]]) // _STEP) * _STEP)
        group = order[done : done + max(1, batch * length // width)]
        done += len(group)
        valid = np.arange(width) < lengths[group][:, None]
        targets = np.full(valid.shape, tasks.end_of_document, dtype=np.int64)
        targets[valid] = tasks.tokens[_spans(tasks.starts[chosen[group]], lengths[group])]
        first = np.full((len(group), 1), tasks.end_of_document, dtype=np.int64)
        inputs = torch.from_numpy(np.concatenate([first, targets[:, :-1]], axis=1)).to(hardware.device)
        losses = losses_of(inputs, torch.from_numpy(targets).to(hardware.device))
        parts.append(losses[:, torch.from_numpy(valid).to(hardware.device)].cpu().numpy())
        places.append(_spans(starts[group], lengths[group]))
    read = np.concatenate(parts, axis=1)
    found = np.empty(read.shape, dtype=np.float32)
    found[:, np.concatenate(places)] = np.minimum(-read, 0.0)
    return found


def _spans(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The positions of all tokens of some sequences, from where each starts and how long it is."""
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.asarray(np.repeat(starts, lengths) + within)


def _ends(lengths: np.ndarray) -> np.ndarray:
    """``S + 1`` positions: where sequences of these lengths begin, one after the other, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths)])


def _sums(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """``S`` sums, of the ``T`` values of each sequence, which begin at ``starts``."""
    return np.asarray(np.add.reduceat(values, starts[:-1]))
