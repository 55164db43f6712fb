"""Sums of logarithms of linear forms of mixtures, ``sum_t shares_t ln(w . rows_t)``, block by block.

A product of weights and rows is exact wherever it is above :data:`_FLOOR`, however small some of its terms are. Where
it is below, the mixture leaves out every expert that knows the token: those pairs alone are taken from logarithms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from torch import Tensor

BLOCK_BYTES = 2**20
"""Size of a block of mixtures times tokens; one that stays in the processor's cache is fastest."""
_MIXTURES = 128
"""Mixtures of a block: the fewer, the more tokens fit next to them; so many keep a product of matrices efficient."""
_FLOOR = 1e-30
"""Products below it are taken from logarithms: rows have a largest entry of one, so that a mixture falls below
only where it leaves out every expert that knows the token."""
_STEEPEST = 1e30
"""Largest derivative that one token contributes, where a mixture leaves out the only expert that knows it."""
_PAIRS = 2**17
"""Pairs of a mixture and a token that are taken from logarithms at a time: with 20 experts, 20 MB of doubles."""


@dataclass(frozen=True)
class Part:
    """Tokens of a loss whose sum is computed in one way, ``sum_t shares_t ln(w . rows_t)``.

    Attributes:
        sign: 1 where the loss falls by the sum, -1 where it rises by it, as by the sum over denominators.
        rows: ``T x k``, from 0 to 1, the largest entry of each row 1.
        shares: ``T`` shares of the tokens in the sum, not negative.
        logs: ``T x k`` logarithms of the rows, where a product of one may be below the floor; None where none may.
    """

    sign: float
    rows: Tensor
    shares: Tensor
    logs: Tensor | None = None


def parts(sign: float, log_rows: Tensor, shares: Tensor) -> tuple[Part, ...]:
    """Split tokens into those whose product with every mixture is above :data:`_FLOOR`, and the others.

    Args:
        sign: 1 where the loss falls by the sum, -1 where it rises by it.
        log_rows: ``T x k`` logarithms of rows, at most 0, the largest of each row 0.
        shares: ``T`` shares of the tokens in the sum.

    Returns:
        One part or two; a part without tokens is left out.
    """
    wide = log_rows.amin(dim=-1) < math.log(_FLOOR)
    narrow, found = ~wide, []
    if narrow.any():
        found.append(Part(sign, log_rows[narrow].exp(), shares[narrow]))
    if wide.any():
        found.append(Part(sign, log_rows[wide].exp(), shares[wide], log_rows[wide]))
    return tuple(found)


def log_products(weights: Tensor, log_rows: Tensor) -> Tensor:
    """``ln(w . r_t)``, ``L x T``, of ``L x k`` weights ``w`` and ``T x k`` logarithms of rows ``r_t``."""
    found = weights @ log_rows.exp().mT
    pairs = (found < _FLOOR).nonzero()
    found.log_()
    for mixture, token in (some.unbind(dim=-1) for some in torch.split(pairs, _PAIRS)):
        found[mixture, token] = _from_logs(weights[mixture], log_rows[token])
    return found


class LogSum(torch.autograd.Function):
    """``sum_t shares_t ln(w . rows_t)`` for each of ``L x k`` mixtures, of the tokens of a :class:`Part`.

    The derivative of a mixture's sum is ``k`` numbers, so it is computed with the sum, for one more product, and
    nothing of the size of the tokens is kept.
    """

    @staticmethod
    def forward(ctx: Any, weights: Tensor, part: Part, slopes: bool) -> Tensor:
        """``L`` sums; ``slopes`` says whether derivatives will be asked for."""
        inputs = weights.to(part.rows)
        total = inputs.new_zeros(len(weights))
        jacobian = torch.zeros_like(inputs) if slopes else None
        tokens = max(64, BLOCK_BYTES // (inputs.element_size() * min(_MIXTURES, max(len(weights), 1))))
        for start in range(0, len(part.rows), tokens):
            these = slice(start, start + tokens)
            logs = None if part.logs is None else part.logs[these]
            for first in range(0, len(weights), _MIXTURES):
                at = slice(first, first + _MIXTURES)
                slope = None if jacobian is None else jacobian[at]
                total[at] += _block(inputs[at], part.rows[these], part.shares[these], logs, slope)
        if jacobian is not None:
            ctx.save_for_backward(jacobian.to(weights))
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:
        """Gradient by the weights, ``L x k``: the derivatives that were stored, times the ``L`` incoming gradients."""
        (jacobian,) = ctx.saved_tensors
        return gradient.to(jacobian).unsqueeze(-1) * jacobian, None, None


def _block(weights: Tensor, rows: Tensor, shares: Tensor, logs: Tensor | None, slope: Tensor | None) -> Tensor:
    """``B`` sums over ``T`` tokens; their derivatives, ``B x k``, are added to ``slope`` in place where it is there."""
    mixed = weights @ rows.mT
    low = None if logs is None else (mixed < _FLOOR).nonzero()
    if slope is not None:
        factors = shares / mixed.clamp_min(_FLOOR)
        if low is not None:
            factors[low[:, 0], low[:, 1]] = 0.0
        slope += factors @ rows
    mixed.log_()
    if logs is not None and low is not None and len(low):
        for mixture, token in (some.unbind(dim=-1) for some in torch.split(low, _PAIRS)):
            exact = _from_logs(weights[mixture], logs[token])
            mixed[mixture, token] = exact
            if slope is not None:
                steep = (logs[token] - exact.unsqueeze(-1)).exp().clamp_max(_STEEPEST)
                slope.index_add_(0, mixture, shares[token].unsqueeze(-1) * steep)
    return mixed @ shares


def _from_logs(weights: Tensor, log_rows: Tensor) -> Tensor:
    """``ln(w_p . r_p)`` of ``P`` pairs, from ``P x k`` weights and ``P x k`` logarithms of rows: a log-sum-exp."""
    return (weights.clamp_min(0.0).log() + log_rows).logsumexp(dim=-1)
