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
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

BLOCK_BYTES = 2**20
"""Size of a block of mixtures times tokens; one that stays in the processor's cache is fastest."""
_MIXTURES = 128
_STEEPEST = 1e30
"""Largest derivative that one token contributes, where a mixture leaves out the only expert that knows it."""


@dataclass(frozen=True)
class LogMixture:
    """A loss as a function of mixtures, ``constant - sum_t shares_t [ln(w . rows_t) - ln(w . below_t)]``.

    Attributes:
        log_rows: ``T x k`` logarithms of ``rows``, at most 0, the largest of each row 0.
        shares: ``T``, not negative.
        constant: Nats.
        log_below: ``T x k``, as ``log_rows``; None for ones.
        dtype: In which sums of ``k`` products and their logarithms are taken; those are added up in float64.
    """

    log_rows: Tensor
    shares: Tensor
    constant: float
    log_below: Tensor | None = None
    dtype: torch.dtype = torch.float64

    @property
    def convex(self) -> bool:
        """Whether the loss is convex in the weights."""
        return self.log_below is None

    @cached_property
    def _parts(self) -> tuple[_Part, ...]:
        return _parts(self)

    def __call__(self, weights: Tensor) -> Tensor:
        """``(...) x k`` weights that sum to one to ``(...)`` losses, nats per token; differentiable once."""
        flat = weights.reshape(-1, weights.shape[-1])
        total = torch.full((len(flat),), self.constant, dtype=torch.float64)
        for part in self._parts:
            logs: Tensor = _LogSum.apply(  # type: ignore[no-untyped-call]
                flat, part, flat.requires_grad and torch.is_grad_enabled()
            )
            total = total - part.sign * logs
        found: Tensor = total.to(weights).reshape(weights.shape[:-1])
        return found

    def tokens(self, weights: Tensor) -> Tensor:
        """``L x k`` weights to ``L x T`` terms ``ln(w . rows_t) - ln(w . below_t)``, float64, without gradients."""
        weights = weights.detach().double()
        terms = _logs(weights, self.log_rows)
        return terms if self.log_below is None else terms - _logs(weights, self.log_below)

    def subset(self, index: Tensor, shares: Tensor) -> LogMixture:
        """Some of the tokens, with shares of their own."""
        below = None if self.log_below is None else self.log_below[index]
        return replace(self, log_rows=self.log_rows[index], shares=shares.to(self.shares), log_below=below)

    def thinned(self, most: int) -> LogMixture:
        """Every so many-th token, ``most`` at most. The constant stays, so that only differences mean anything."""
        stride = -(-len(self.shares) // most)
        index = torch.arange(0, len(self.shares), stride)
        shares = self.shares[index]
        return self.subset(index, shares * (self.shares.sum() / shares.sum()))


def per_token(log_p: np.ndarray, scored: np.ndarray | None = None, *, dtype: torch.dtype = torch.float64) -> LogMixture:
    """Probabilities averaged token by token.

    Args:
        log_p: ``T x k``, ``ln p_i(t)``.
        scored: ``T`` booleans, the tokens that the loss is the mean over; None for all.
        dtype: See :class:`LogMixture`.
    """
    values = _tensor(log_p if scored is None else log_p[scored])
    top = values.amax(dim=-1)
    shares = torch.full((len(values),), 1.0 / len(values), dtype=torch.float64)
    return LogMixture(values - top.unsqueeze(-1), shares, -float(top.mean()), dtype=dtype)


def per_dataset(log_p: np.ndarray, scored: np.ndarray | None = None) -> LogMixture:
    """Geometric means of the probabilities averaged over the experts; arguments as those of :func:`per_token`."""
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
) -> LogMixture:
    """Experts weighed by what they made of the words before, ``w_i(x_<t) ~ w_i P_i(x_<t)^tau``.

    Args:
        log_p: ``T x k``, ``ln p_i(t)``.
        starts: ``S + 1``: sequence ``s`` is ``starts[s]:starts[s + 1]``.
        tau: 0 to 1.
        window: How many of the words before count; None for all of the sequence so far.
        scored: ``T`` booleans; tokens that are not scored are part of the prefix all the same.
    """
    if tau == 0.0:
        return per_token(log_p, scored)
    values, begin = _tensor(log_p), torch.as_tensor(starts.astype("int64"))
    before = _prefixes(values, begin) if window is None else _windows(values, begin, window)
    kept = torch.ones(len(values), dtype=torch.bool) if scored is None else torch.as_tensor(scored.astype(bool))
    count = int(kept.sum())
    apart = values - values.amax(dim=-1, keepdim=True)
    if tau == 1.0 and window is None:
        first, last = _runs(kept, begin)
        upper, lower = before[last] + apart[last], before[first]
    else:
        upper, lower = apart[kept] + tau * before[kept], tau * before[kept]
    top, bottom = upper.amax(dim=-1, keepdim=True), lower.amax(dim=-1, keepdim=True)
    shares = torch.full((len(upper),), 1.0 / count, dtype=torch.float64)
    constant = -float(values[kept].amax(dim=-1).sum() + (top - bottom).sum()) / count
    return LogMixture(upper - top, shares, constant, lower - bottom if (lower != 0.0).any() else None)


def strengthened(weights: Tensor, log_strengths: Tensor) -> Tensor:
    """``w'_i ~ s_i w_i``, summing to one.

    Args:
        weights: ``(...) x k``.
        log_strengths: ``k``, or what broadcasts with the weights.
    """
    stronger = weights * (log_strengths - log_strengths.amax(dim=-1, keepdim=True)).exp()
    return stronger / stronger.sum(dim=-1, keepdim=True)


@dataclass(frozen=True)
class Options:
    """Multiple choice: every example has options, token sequences, of which one is right.

    Attributes:
        log_rows: ``T x k`` of the scored tokens, at most 0, the largest of each row 0.
        top: ``S`` sums of what the rows were divided by, nats.
        option: ``T`` numbers of the options that the tokens belong to.
        example: ``S`` numbers of the examples that the options belong to, from 0.
        gold: ``S`` booleans; one of each example's.
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
            weights: ``(...) x k``.

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
        """Share of the examples whose right option is the likeliest; ``(...) x k`` to ``(...)``, a step function."""
        with torch.no_grad():
            flat = weights.double().reshape(-1, weights.shape[-1])
            found = torch.cat([self._hits(block) for block in torch.split(flat, self._step)])
        return found.to(weights).reshape(weights.shape[:-1])

    @property
    def _step(self) -> int:
        return max(1, 4 * BLOCK_BYTES // len(self.log_rows))

    @property
    def _examples(self) -> int:
        return int(self.example.max()) + 1

    def _scores(self, flat: Tensor) -> Tensor:
        """``B x S`` log-probabilities of the options."""
        logs = (flat @ self.log_rows.exp().mT).clamp_min(torch.finfo(flat.dtype).tiny).log()
        return self.top.expand(len(flat), -1).index_add(1, self.option, logs) / self.sizes

    def _best(self, scores: Tensor) -> Tensor:
        """``B x S``: the highest score of each option's example."""
        best = scores.new_full((len(scores), self._examples), -torch.inf)
        return best.scatter_reduce(1, self.example.expand_as(scores), scores, "amax")[:, self.example]

    def _soft(self, flat: Tensor) -> Tensor:
        scores = self._scores(flat)
        odds = (scores - self._best(scores.detach())).exp()
        total = odds.new_zeros(len(odds), self._examples).index_add(1, self.example, odds)
        return (odds[:, self.gold] / total[:, self.example[self.gold]]).mean(dim=-1)

    def _hits(self, flat: Tensor) -> Tensor:
        scores = self._scores(flat)
        return (scores >= self._best(scores))[:, self.gold].double().mean(dim=-1)


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
        gold: ``S`` booleans.
        scored: ``T`` booleans; None for all.
        per_token: Whether options are compared by their mean over scored tokens rather than by their sum.
    """
    import numpy as np

    lengths: np.ndarray = np.diff(starts.astype(np.int64)).astype(np.int64)
    option = np.repeat(np.arange(len(lengths)), lengths)
    kept = np.ones(len(option), dtype=bool) if scored is None else scored.astype(bool)
    values = _tensor(log_p[kept])
    top, of = values.amax(dim=-1), torch.as_tensor(option[kept])
    tops = torch.zeros(len(lengths), dtype=torch.float64).index_add(0, of, top)
    number = np.unique(examples, return_inverse=True)[1].reshape(-1)
    right = torch.as_tensor(np.array(gold, dtype=bool))
    sizes = torch.bincount(of, minlength=len(lengths)).clamp_min(1) if per_token else torch.ones(len(lengths))
    return Options(values - top.unsqueeze(-1), tops, of, torch.as_tensor(number), right, sizes.double())


@dataclass(frozen=True)
class _Part:
    """Terms of one sign: ``sign * sum_t shares_t ln(w . rows_t)``; ``logs`` where no float holds a whole row."""

    sign: float
    rows: Tensor
    shares: Tensor
    logs: bool = False


def _parts(form: LogMixture) -> tuple[_Part, ...]:
    """The rows as they are multiplied; those that span more than the float's range are kept as logarithms."""
    floor = -80.0 if form.dtype is torch.float32 else -650.0
    parts = []
    for sign, logs in ((1.0, form.log_rows), (-1.0, form.log_below)):
        if logs is None:
            continue
        wide = logs.amin(dim=-1) < floor
        narrow = ~wide
        if narrow.any():
            parts.append(_Part(sign, logs[narrow].exp().to(form.dtype), form.shares[narrow].to(form.dtype)))
        if wide.any():
            parts.append(_Part(sign, logs[wide], form.shares[wide], logs=True))
    return tuple(parts)


class _LogSum(torch.autograd.Function):
    """``sum_t shares_t ln(w . rows_t)`` for every mixture, block by block.

    The derivative of a mixture's sum is ``k`` numbers, so it is found beside the sum, for one more product, and
    nothing of the size of the tokens is kept.
    """

    @staticmethod
    def forward(ctx: Any, weights: Tensor, part: _Part, slopes: bool) -> Tensor:
        rows, shares = part.rows, part.shares
        term = _log_block if part.logs else _block
        total = torch.zeros(len(weights), dtype=torch.float64)
        jacobian = torch.zeros(weights.shape, dtype=torch.float64) if slopes else None
        inputs = weights.to(rows.dtype)
        tokens = max(64, BLOCK_BYTES // (rows.element_size() * min(_MIXTURES, max(len(weights), 1))))
        for start in range(0, len(rows), tokens):
            some, of_some = rows[start : start + tokens], shares[start : start + tokens]
            for first in range(0, len(weights), _MIXTURES):
                at = slice(first, first + _MIXTURES)
                value, slope = term(inputs[at], some, of_some, slopes)
                total[at] += value
                if jacobian is not None and slope is not None:
                    jacobian[at] += slope
        if jacobian is not None:
            ctx.save_for_backward(jacobian.to(weights))
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:
        (jacobian,) = ctx.saved_tensors
        return gradient.to(jacobian).unsqueeze(-1) * jacobian, None, None


def _block(weights: Tensor, rows: Tensor, shares: Tensor, slopes: bool) -> tuple[Tensor, Tensor | None]:
    """Values ``B`` and, where asked for, derivatives ``B x k`` of some tokens' terms."""
    mixed = weights @ rows.mT
    slope = None
    if slopes:
        slope = (shares / mixed.clamp_min(1.0 / _STEEPEST)) @ rows
    return mixed.log_() @ shares, slope


def _log_block(weights: Tensor, log_rows: Tensor, shares: Tensor, slopes: bool) -> tuple[Tensor, Tensor | None]:
    """As :func:`_block`, for rows that no float holds."""
    value, slope = weights.new_zeros(len(weights)), weights.new_zeros(weights.shape) if slopes else None
    for number, each in enumerate(weights):
        mixed = (each.log() + log_rows).logsumexp(dim=-1)
        value[number] = mixed @ shares
        if slope is not None:
            slope[number] = shares @ (log_rows - mixed.unsqueeze(-1)).exp().clamp_max(_STEEPEST)
    return value, slope


def _logs(weights: Tensor, log_rows: Tensor) -> Tensor:
    """``L x k`` weights and ``T x k`` rows to ``L x T`` logarithms of their products."""
    found = (weights @ log_rows.exp().mT).log_()
    if (wide := log_rows.amin(dim=-1) < -650.0).any():
        for number, each in enumerate(weights):
            found[number, wide] = (each.log() + log_rows[wide]).logsumexp(dim=-1)
    return found


def _prefixes(values: Tensor, starts: Tensor) -> Tensor:
    """``T x k`` log-probabilities of the prefixes, ``ln P_i(x_<t)`` inside each sequence.

    The experts' common part is left out: it has no effect, and the sums stay short.
    """
    apart = values - values.amax(dim=-1, keepdim=True)
    lengths = starts.diff()
    sums = torch.cat([apart.new_zeros(1, apart.shape[-1]), apart.cumsum(dim=0)])
    before = sums[:-1] - sums[starts[:-1]].repeat_interleave(lengths, dim=0)
    before[starts[:-1]] = 0.0
    return before


def _windows(values: Tensor, starts: Tensor, window: int) -> Tensor:
    """As :func:`_prefixes`, of the last ``window`` tokens alone."""
    apart = values - values.amax(dim=-1, keepdim=True)
    sums = torch.cat([apart.new_zeros(1, apart.shape[-1]), apart.cumsum(dim=0)])
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
