"""Mixtures of data experts as functions of the weights, from what each expert makes of every token.

Every variant is a constant less a weighted sum of logarithms of linear forms,
``L(w) = c - sum_t a_t [ln(w . r_t) - ln(w . g_t)]``, with ``r_t`` what the experts make of token ``t`` and ``g_t`` what
they make of the words before it, both divided by their largest entry:

- per token [Belenki2025]_: ``r_ti = p_i(t)``, no ``g``;
- per data set: a single ``r_i = exp(-L_i)``, the geometric mean of the probabilities, so that a vertex has its
  expert's loss;
- gated by the prefix: ``r_ti = p_i(t) P_i(x_<t)^tau``, ``g_ti = P_i(x_<t)^tau``. With ``tau = 1`` the terms of
  adjoining tokens cancel but for the ends: what is left is the exact mixture of sequence models.

Without ``g`` the loss is convex in the weights.

References:
    [Belenki2025] Optimizing Pre-Training Data Mixtures with Mixtures of Data Expert Models, Algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from bomix.data_experts.log_sums import LogSum, Part, log_products, parts

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LogMixture:
    """A loss as a function of mixtures, ``constant - sum_t shares_t [ln(w . rows_t) - ln(w . below_t)]``.

    Attributes:
        log_rows: ``T x k`` logarithms of ``rows``, at most 0, the largest of each row 0.
        shares: ``T`` shares of the tokens in the sum, not negative.
        constant: Loss of a mixture for which all logarithms are zero, nats.
        log_below: ``T x k`` logarithms of ``below``, at most 0, the largest of each row 0; None where ``below`` is one.
    """

    log_rows: Tensor
    shares: Tensor
    constant: float
    log_below: Tensor | None = None

    @property
    def convex(self) -> bool:
        """Whether the loss is convex in the weights."""
        return self.log_below is None

    @cached_property
    def _parts(self) -> tuple[Part, ...]:
        found = parts(1.0, self.log_rows, self.shares)
        return found if self.log_below is None else found + parts(-1.0, self.log_below, self.shares)

    def __call__(self, weights: Tensor) -> Tensor:
        """``(...) x k`` weights that sum to one to ``(...)`` losses, nats per token; differentiable once."""
        flat = weights.reshape(-1, weights.shape[-1])
        total = torch.full((len(flat),), self.constant, dtype=torch.float64)
        for part in self._parts:
            logs: Tensor = LogSum.apply(  # type: ignore[no-untyped-call]
                flat, part, flat.requires_grad and torch.is_grad_enabled()
            )
            total = total - part.sign * logs
        found: Tensor = total.to(weights).reshape(weights.shape[:-1])
        return found

    def tokens(self, weights: Tensor) -> Tensor:
        """``L x k`` weights to ``L x T`` terms ``ln(w . rows_t) - ln(w . below_t)``, float64, without gradients."""
        weights = weights.detach().double()
        terms = log_products(weights, self.log_rows)
        return terms if self.log_below is None else terms - log_products(weights, self.log_below)

    def subset(self, index: Tensor, shares: Tensor) -> LogMixture:
        """The loss of ``K`` of the tokens, given their positions, with ``K`` new shares and the same constant."""
        below = None if self.log_below is None else self.log_below[index]
        return replace(self, log_rows=self.log_rows[index], shares=shares.to(self.shares), log_below=below)

    def thinned(self, most: int) -> LogMixture:
        """``most`` of the tokens, drawn: the same ones in every loss of as many tokens.

        At even distances they might be the first ones of all sequences, which no prefix tells anything about. The
        constant stays, so that only differences mean anything.
        """
        if len(self.shares) <= most:
            return self
        index = torch.as_tensor(np.sort(np.random.default_rng(0).permutation(len(self.shares))[:most]))
        shares = self.shares[index]
        return self.subset(index, shares * (self.shares.sum() / shares.sum()))


def per_token(log_p: np.ndarray, scored: np.ndarray | None = None) -> LogMixture:
    """The loss of probabilities averaged token by token, ``-mean_t ln sum_i w_i p_i(t)``.

    Args:
        log_p: ``T x k``, ``ln p_i(t)``.
        scored: ``T`` booleans, the tokens that the loss is the mean over; None for all.
    """
    values = _tensor(log_p if scored is None else log_p[scored])
    top = values.amax(dim=-1)
    shares = torch.full((len(values),), 1.0 / len(values), dtype=torch.float64)
    return LogMixture(values - top.unsqueeze(-1), shares, -float(top.mean()))


def per_dataset(log_p: np.ndarray, scored: np.ndarray | None = None) -> LogMixture:
    """The loss of each expert's geometric mean probability, averaged by the weights: ``-ln sum_i w_i exp(-L_i)``.

    Args:
        log_p: ``T x k``, ``ln p_i(t)``.
        scored: ``T`` booleans, the tokens that the loss is the mean over; None for all.
    """
    values = _tensor(log_p if scored is None else log_p[scored]).mean(dim=0, keepdim=True)
    top = values.amax(dim=-1, keepdim=True)
    return LogMixture(values - top, torch.ones(1, dtype=torch.float64), -float(top))


def gated(
    log_p: np.ndarray,
    starts: np.ndarray,
    *,
    tau: float,
    window: int | None = None,
    scored: np.ndarray | None = None,
    joined: bool = True,
) -> LogMixture:
    """The loss of experts weighed by their probability of the tokens before, ``w_i(x_<t) ~ w_i P_i(x_<t)^tau``.

    Args:
        log_p: ``T x k``, ``ln p_i(t)``.
        starts: ``S + 1``: sequence ``s`` is ``starts[s]:starts[s + 1]``.
        tau: Exponent of the prefix's probability, 0 to 1; 0 averages probabilities token by token.
        window: How many of the tokens before count; None for all of the sequence so far.
        scored: ``T`` booleans; tokens that are not scored are part of the prefix all the same.
        joined: Whether terms that cancel are left out, so that with ``tau = 1`` a sequence is a single one.
    """
    if tau == 0.0:
        return per_token(log_p, scored)
    values, begin = _tensor(log_p), torch.as_tensor(starts.astype("int64"))
    before = _prefixes(values, begin) if window is None else _windows(values, begin, window)
    kept = torch.ones(len(values), dtype=torch.bool) if scored is None else torch.as_tensor(scored.astype(bool))
    count = int(kept.sum())
    relative = values - values.amax(dim=-1, keepdim=True)
    if joined and tau == 1.0 and window is None:
        first, last = _runs(kept, begin)
        upper, lower = before[last] + relative[last], before[first]
    else:
        upper, lower = relative[kept] + tau * before[kept], tau * before[kept]
    top, bottom = upper.amax(dim=-1, keepdim=True), lower.amax(dim=-1, keepdim=True)
    shares = torch.full((len(upper),), 1.0 / count, dtype=torch.float64)
    constant = -float(values[kept].amax(dim=-1).sum() + (top - bottom).sum()) / count
    return LogMixture(upper - top, shares, constant, lower - bottom if (lower != 0.0).any() else None)


def strengthened(weights: Tensor, log_strengths: Tensor) -> Tensor:
    """``w'_i ~ s_i w_i``, summing to one.

    Args:
        weights: ``(...) x k`` mixtures.
        log_strengths: ``ln s``, ``k`` or what broadcasts with the weights.
    """
    stronger = weights * (log_strengths - log_strengths.amax(dim=-1, keepdim=True)).exp()
    return stronger / stronger.sum(dim=-1, keepdim=True)


def _prefixes(values: Tensor, starts: Tensor) -> Tensor:
    """``T x k`` log-probabilities of the prefixes, ``ln P_i(x_<t)`` inside each sequence, nats.

    Each token's largest log-probability is subtracted from all experts': a common factor has no effect on their
    weights, and the sums stay small.
    """
    relative = values - values.amax(dim=-1, keepdim=True)
    lengths = starts.diff()
    sums = torch.cat([relative.new_zeros(1, relative.shape[-1]), relative.cumsum(dim=0)])
    before = sums[:-1] - sums[starts[:-1]].repeat_interleave(lengths, dim=0)
    before[starts[:-1]] = 0.0
    return before


def _windows(values: Tensor, starts: Tensor, window: int) -> Tensor:
    """``T x k`` log-probabilities of the last ``window`` tokens before each token, inside its sequence, nats.

    A factor that all experts share is left out, as by :func:`_prefixes`; zero where a sequence begins.
    """
    relative = values - values.amax(dim=-1, keepdim=True)
    sums = torch.cat([relative.new_zeros(1, relative.shape[-1]), relative.cumsum(dim=0)])
    at = torch.arange(len(values))
    first = torch.maximum(at - window, starts[:-1].repeat_interleave(starts.diff()))
    return torch.where((first == at).unsqueeze(-1), 0.0, sums[:-1] - sums[first])


def _runs(kept: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
    """First and last tokens of the runs of scored tokens; no run spans two sequences."""
    begins = torch.zeros(len(kept) + 1, dtype=torch.bool)
    begins[starts] = True
    before, after = torch.cat([kept.new_zeros(1), kept[:-1]]), torch.cat([kept[1:], kept.new_zeros(1)])
    first = kept & (~before | begins[:-1])
    last = kept & (~after | begins[1:])
    return first.nonzero().squeeze(-1), last.nonzero().squeeze(-1)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.as_tensor(values.astype("float64"))
