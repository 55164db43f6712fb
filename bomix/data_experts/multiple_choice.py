"""Multiple choice from what data experts make of every option, as a function of the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.checkpoint import checkpoint

from bomix.data_experts.log_sums import BLOCK_BYTES

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Options:
    """Multiple choice: every example has options, token sequences, of which one is right.

    Attributes:
        log_rows: ``T x k`` log-probabilities of the scored tokens less the largest of each token.
        top: ``S`` sums of these largest log-probabilities over the tokens of each option, nats.
        option: ``T`` numbers of the options that the tokens belong to.
        example: ``S`` numbers of the examples that the options belong to, from 0.
        gold: ``S`` booleans, which option is right: one of each example.
        sizes: ``S`` numbers that log-probabilities of options are divided by before they are compared.
    """

    log_rows: Tensor
    top: Tensor
    option: Tensor
    example: Tensor
    gold: Tensor
    sizes: Tensor

    def soft(self, weights: Tensor) -> Tensor:
        """Mean probability of the right option, a softmax over the options' log-probabilities.

        Args:
            weights: ``(...) x k`` mixtures.

        Returns:
            ``(...)`` in 0 to 1; higher is better.
        """
        flat = weights.double().reshape(-1, weights.shape[-1])
        parts = []
        for block in torch.split(flat, self._step):
            grows = block.requires_grad and torch.is_grad_enabled()
            parts.append(checkpoint(self._soft, block, use_reentrant=False) if grows else self._soft(block))
        return torch.cat(parts).to(weights).reshape(weights.shape[:-1])

    def accuracy(self, weights: Tensor) -> Tensor:
        """Share of the examples whose right option is the likeliest; ``(...) x k`` to ``(...)``, a step function.

        A tie of several options counts as what a draw among them would give.
        """
        with torch.no_grad():
            flat = weights.double().reshape(-1, weights.shape[-1])
            found = torch.cat([self._hits(block) for block in torch.split(flat, self._step)])
        return found.to(weights).reshape(weights.shape[:-1])

    def scores(self, flat: Tensor) -> Tensor:
        """``B x k`` weights to ``B x S`` log-probabilities of the options, by which they are compared."""
        logs = (flat @ self.log_rows.exp().mT).clamp_min(torch.finfo(flat.dtype).tiny).log()
        return self.top.expand(len(flat), -1).index_add(1, self.option, logs) / self.sizes

    @property
    def _step(self) -> int:
        return max(1, 4 * BLOCK_BYTES // len(self.log_rows))

    @property
    def _examples(self) -> int:
        return int(self.example.max()) + 1

    def _best(self, scores: Tensor) -> Tensor:
        """``B x S``: the highest score of each option's example."""
        best = scores.new_full((len(scores), self._examples), -torch.inf)
        return best.scatter_reduce(1, self.example.expand_as(scores), scores, "amax")[:, self.example]

    def _soft(self, flat: Tensor) -> Tensor:
        scores = self.scores(flat)
        return self._shared((scores - self._best(scores.detach())).exp())

    def _shared(self, values: Tensor) -> Tensor:
        """``B x S`` values of options to ``B`` means over examples of the right option's share in its sum."""
        total = values.new_zeros(len(values), self._examples).index_add(1, self.example, values)
        return (values[:, self.gold] / total[:, self.example[self.gold]]).mean(dim=-1)

    def _hits(self, flat: Tensor) -> Tensor:
        scores = self.scores(flat)
        return self._shared((scores >= self._best(scores)).to(scores))


def options(
    log_p: np.ndarray,
    starts: np.ndarray,
    examples: np.ndarray,
    gold: np.ndarray,
    scored: np.ndarray | None = None,
    *,
    per_token: bool = False,
) -> Options:
    """Multiple choice from what the experts make of every option; probabilities are averaged token by token.

    Args:
        log_p: ``T x k``, ``ln p_i(t)``.
        starts: ``S + 1``; a sequence is an option.
        examples: ``S`` numbers, the same for options of one example.
        gold: ``S`` booleans, which option is right: one of each example.
        scored: ``T`` booleans, the tokens whose log-probabilities are summed; None for all.
        per_token: Whether options are compared by their mean over scored tokens rather than by their sum.
    """
    lengths: np.ndarray = np.diff(starts.astype(np.int64)).astype(np.int64)
    option = np.repeat(np.arange(len(lengths)), lengths)
    kept = np.ones(len(option), dtype=bool) if scored is None else scored.astype(bool)
    values = torch.as_tensor(log_p[kept].astype("float64"))
    top, of = values.amax(dim=-1), torch.as_tensor(option[kept])
    tops = torch.zeros(len(lengths), dtype=torch.float64).index_add(0, of, top)
    number = np.unique(examples, return_inverse=True)[1].reshape(-1)
    right = torch.as_tensor(np.array(gold, dtype=bool))
    sizes = torch.bincount(of, minlength=len(lengths)).clamp_min(1) if per_token else torch.ones(len(lengths))
    return Options(values - top.unsqueeze(-1), tops, of, torch.as_tensor(number), right, sizes.double())
