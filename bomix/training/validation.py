"""The loss of a model on a validation set."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.training.device import Hardware
    from bomix.training.tokens import TokenSet


@dataclass(frozen=True)
class Evaluation:
    """What was measured on one validation set.

    Attributes:
        loss: Mean over tokens, nats per token.
        sem: Standard error of that mean over sequences, nats per token.
        bits_per_byte: The same loss per byte of text, in bits: comparable across tokenizers.
        sequences: How many were read.
    """

    loss: float
    sem: float
    bits_per_byte: float
    sequences: int


def windows(available: int, wanted: int) -> np.ndarray:
    """The sequences that are read: fixed, and evenly spaced over the whole set.

    Args:
        available: Sequences in the set.
        wanted: How many to read at most.

    Returns:
        ``min(available, wanted)`` distinct sequence numbers, ascending.
    """
    count = min(available, wanted)
    return np.arange(count, dtype=np.int64) * available // max(count, 1)


def evaluate(
    logits: Callable[[Tensor], Tensor],
    tokens: TokenSet,
    *,
    length: int,
    sequences: int,
    hardware: Hardware,
    batch: int = 8,
) -> Evaluation:
    """Measure a loss.

    Args:
        logits: Maps ``b x length`` token ids to ``b x length x vocabulary`` logits.
        tokens: The validation set.
        length: Inputs per sequence.
        sequences: How many to read at most.
        hardware: Where and in which precision.
        batch: Sequences at a time.
    """
    import torch
    from torch.nn import functional

    index = windows(tokens.sequences(length), sequences)
    means = []
    with torch.inference_mode(), hardware.autocast():
        for start in range(0, len(index), batch):
            block = torch.from_numpy(tokens.windows(index[start : start + batch], length)).to(hardware.device)
            scores = logits(block[:, :-1]).float()
            losses = functional.cross_entropy(scores.flatten(0, 1), block[:, 1:].flatten(), reduction="none")
            means.append(losses.view(len(block), length).mean(dim=1))
    by_sequence = torch.cat(means).double().cpu().numpy()
    loss = float(by_sequence.mean())
    sem = float(by_sequence.std(ddof=1)) / math.sqrt(len(by_sequence)) if len(by_sequence) > 1 else math.nan
    return Evaluation(loss, sem, loss / math.log(2.0) / tokens.bytes_per_token, len(by_sequence))
