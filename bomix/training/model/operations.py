"""The parts of a decoder, for several models side by side: each with its own derivative, in as few passes as it takes.

On a CPU a small decoder spends as much time on what stands between its matrix products as on these: casts, copies
into another order, masks, norms. So each part keeps what its derivative needs, and nothing else, and hands matrices on
in the order in which the next product wants them: the outputs of :func:`project_up` are ``features x positions``.

Shapes: ``k`` models, ``b`` sequences of ``n`` positions each, ``p = b n`` positions, ``h`` features. Statistics and
sums over many terms are taken in 32 bits, products in the type of their factors.

References:
    [Hsu2024] Hsu et al., Liger Kernel: Efficient Triton Kernels for LLM Training.
    [Su2021] Su et al., RoFormer: Enhanced Transformer with Rotary Position Embedding.
    [Zhang2019] Zhang and Sennrich, Root Mean Square Layer Normalization.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

LONGEST_DENSE = 512
"""Positions up to which one product of matrices serves all heads on a CPU: beyond, the square of scores fills memory.

torch's fused kernel is made for long sequences; its backward pass takes longer than plain products where a sequence
has a few hundred tokens.
"""
LOGITS_AT_ONCE = 1 << 25
"""Logits that exist at a time, over all models of a stack: a large vocabulary would otherwise fill the memory."""

_LEAST_ODDS = torch.finfo(torch.float32).tiny
"""Odds below which a loss is no longer told apart: 87 nats."""


class _Embed(Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, ids: Tensor) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.shape = table.shape
        k, vocabulary, h = table.shape
        return table.reshape(k * vocabulary, h)[ids + _offsets(k, vocabulary, ids.device)]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (ids,), (k, vocabulary, h) = ctx.saved_tensors, ctx.shape
        gradient = gradients[0].new_zeros(k * vocabulary, h)
        rows = (ids + _offsets(k, vocabulary, ids.device)).flatten()
        return gradient.index_add_(0, rows, gradients[0].reshape(-1, h)).view(k, vocabulary, h), None


def embed(table: Tensor, ids: Tensor) -> Tensor:
    """``k x p x h`` rows of ``k x vocabulary x h`` tables, by ``k x p`` numbers."""
    return _call(_Embed, table, ids)


class _RMSNorm(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float, dtype: torch.dtype) -> Tensor:
        scale = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1]).add_(epsilon).rsqrt_()
        normed = x * scale
        ctx.save_for_backward(normed, weight, scale)
        scaled: Tensor = normed * weight
        return scaled.to(dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        normed, weight, scale = ctx.saved_tensors
        gradient = gradients[0].to(normed.dtype)
        by_weight = (gradient * normed).sum(dim=1, keepdim=True)
        gradient = gradient * weight
        mean = torch.linalg.vecdot(gradient, normed).unsqueeze(-1).div_(normed.shape[-1])
        return gradient.addcmul_(normed, mean, value=-1.0).mul_(scale), by_weight, None, None


def rms_norm(x: Tensor, weight: Tensor, epsilon: float, dtype: torch.dtype) -> Tensor:
    """``x / sqrt(mean(x^2) + epsilon) * weight`` over the features [Zhang2019]_.

    Args:
        x: ``k x p x h``, 32 bits.
        weight: ``k x 1 x h``, 32 bits.
        epsilon: Keeps the root from zero.
        dtype: The type of the result, that of the products that follow.
    """
    return _call(_RMSNorm, x, weight, epsilon, dtype)


class _LayerNorm(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, epsilon: float, dtype: torch.dtype) -> Tensor:
        variance, mean = torch.var_mean(x, dim=-1, keepdim=True, correction=0)
        scale = variance.add_(epsilon).rsqrt_()
        normed = (x - mean).mul_(scale)
        ctx.save_for_backward(normed, weight, scale)
        return torch.addcmul(bias, normed, weight).to(dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        normed, weight, scale = ctx.saved_tensors
        gradient = gradients[0].to(normed.dtype)
        by_weight, by_bias = (gradient * normed).sum(dim=1, keepdim=True), gradient.sum(dim=1, keepdim=True)
        gradient = gradient * weight
        mean = torch.linalg.vecdot(gradient, normed).unsqueeze(-1).div_(normed.shape[-1])
        gradient = gradient.sub_(gradient.mean(dim=-1, keepdim=True)).addcmul_(normed, mean, value=-1.0)
        return gradient.mul_(scale), by_weight, by_bias, None, None


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, epsilon: float, dtype: torch.dtype) -> Tensor:
    """``(x - mean) / sqrt(variance + epsilon) * weight + bias`` over the features; arguments as of :func:`rms_norm`."""
    return _call(_LayerNorm, x, weight, bias, epsilon, dtype)


class _ProjectUp(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return torch.bmm(weight, x.mT)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        gradient = gradients[0]
        return torch.bmm(gradient.mT, weight), torch.bmm(gradient, x)


def project_up(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``weight x^T + bias``: from ``k x p x h`` to ``k x o x p``, by ``k x o x h`` and perhaps ``k x o x 1``."""
    up = _call(_ProjectUp, x, weight)
    return up if bias is None else up + bias


class _ProjectDown(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return torch.bmm(x.mT, weight.mT)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        gradient = gradients[0]
        return torch.bmm(weight.mT, gradient.mT), torch.bmm(gradient.mT, x.mT)


def project_down(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x^T weight^T + bias``: from ``k x i x p`` to ``k x p x h``, by ``k x h x i`` and perhaps ``k x 1 x h``."""
    down = _call(_ProjectDown, x, weight)
    return down if bias is None else down + bias


class _Gate(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        gate, up = x.chunk(2, dim=1)
        opened = functional.silu(gate)
        ctx.save_for_backward(x, opened)
        return opened * up

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        x, opened = ctx.saved_tensors
        gate, up = x.chunk(2, dim=1)
        found = torch.empty_like(x)
        by_gate, by_up = found.chunk(2, dim=1)
        torch.mul(gradients[0], opened, out=by_up)
        torch.ops.aten.silu_backward.grad_input(gradients[0] * up, gate, grad_input=by_gate)
        return found


def gate(x: Tensor) -> Tensor:
    """``silu(first half) * second half`` of the features of ``k x 2i x p``."""
    return _call(_Gate, x)


class _DenseAttention(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cosine: Tensor, sine: Tensor, heads: int, sequences: int) -> Tensor:
        k, features, p = x.shape
        size, n, turned = features // 3 // heads, p // sequences, 2 * cosine.shape[-2]
        parts = x.view(k, 3, heads, size, sequences, n).permute(1, 0, 4, 2, 3, 5)
        inputs = torch.empty(parts.shape, dtype=x.dtype, device=x.device)
        _rotate(parts[:2], cosine, sine, inputs[:2])
        if turned < size:
            torch.mul(parts[0, ..., turned:, :], size**-0.5, out=inputs[0, ..., turned:, :])
            inputs[1, ..., turned:, :] = parts[1, ..., turned:, :]
        inputs[2].copy_(parts[2])
        query, key, value = inputs.view(3, k * sequences * heads, size, n)
        weights = torch.softmax(torch.baddbmm(_future(n, x.dtype, x.device), query.mT, key), dim=-1)
        mixed = torch.bmm(value, weights.mT)
        ctx.save_for_backward(query, key, value, weights, cosine, sine)
        ctx.shape = (k, sequences, heads, size, n)
        return mixed.view(k, sequences, heads * size, n).transpose(1, 2).reshape(k, heads * size, p)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        query, key, value, weights, cosine, sine = ctx.saved_tensors
        k, sequences, heads, size, n = ctx.shape
        turned = 2 * cosine.shape[-2]
        gradient = gradients[0].view(k, heads, size, sequences, n).permute(0, 3, 1, 2, 4).reshape(value.shape)
        by_scores = torch._softmax_backward_data(torch.bmm(gradient.mT, value), weights, -1, weights.dtype)
        by_inputs = query.new_empty(2, *query.shape)
        torch.bmm(key, by_scores.mT, out=by_inputs[0])
        torch.bmm(query, by_scores, out=by_inputs[1])
        by_inputs = by_inputs.view(2, k, sequences, heads, size, n)
        found = query.new_empty(k, 3, heads, size, sequences, n)
        parts = found.permute(1, 0, 4, 2, 3, 5)
        _rotate(by_inputs, cosine, -sine, parts[:2])
        if turned < size:
            torch.mul(by_inputs[0, ..., turned:, :], size**-0.5, out=parts[0, ..., turned:, :])
            parts[1, ..., turned:, :] = by_inputs[1, ..., turned:, :]
        parts[2].copy_(torch.bmm(gradient, weights).view(k, sequences, heads, size, n))
        return found.view(k, 3 * heads * size, sequences * n), None, None, None, None


def _rotate(x: Tensor, cosine: Tensor, sine: Tensor, out: Tensor) -> None:
    """Turn each pair of features by its angle, written into ``out``; a negative sine turns back."""
    m = cosine.shape[-2]
    first, second = x[..., :m, :], x[..., m : 2 * m, :]
    torch.mul(first, cosine, out=out[..., :m, :]).addcmul_(second, sine, value=-1.0)
    torch.mul(second, cosine, out=out[..., m : 2 * m, :]).addcmul_(first, sine)


def attend(x: Tensor, *, heads: int, sequences: int, rotated: int) -> Tensor:
    """Causal attention with rotary positions [Su2021]_: every position sees itself and those before it.

    Args:
        x: ``k x 3h x p``: queries, keys and values of all heads.
        heads: Number of heads.
        sequences: Sequences that the positions belong to, one after the other.
        rotated: Features of a head that carry its position, the first ones; even.

    Returns:
        ``k x h x p``.
    """
    k, features, p = x.shape
    size, n = features // 3 // heads, p // sequences
    if not x.is_cuda and n <= LONGEST_DENSE:
        cosine, sine = _dense_tables(n, size, rotated, x.dtype, x.device)
        return _call(_DenseAttention, x, cosine, sine, heads, sequences)
    cosine, sine = _tables(n, rotated, x.dtype, x.device)
    query, key, value = x.view(k, 3, heads, size, sequences, n).permute(1, 0, 4, 2, 5, 3).flatten(1, 2)
    query, key = _turned(query, cosine.mT, sine.mT), _turned(key, cosine.mT, sine.mT)
    mixed = functional.scaled_dot_product_attention(query, key, value.contiguous(), is_causal=True)
    return mixed.view(k, sequences, heads, n, size).permute(0, 2, 4, 1, 3).reshape(k, features // 3, p)


def _turned(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    m = cosine.shape[-1]
    first, second = x[..., :m], x[..., m : 2 * m]
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine, x[..., 2 * m :]), dim=-1)


@torch.no_grad()
def loss_of_tokens(x: Tensor, weight: Tensor, targets: Tensor, shares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cross-entropy of tokens under ``softmax(weight x)``, with its derivative found at once [Hsu2024]_.

    All logits never exist at once: blocks of positions are turned into losses and derivatives one after the other.

    Args:
        x: ``k x p x h`` states.
        weight: ``k x vocabulary x h``.
        targets: ``k x p`` token ids.
        shares: ``k x p``, 32 bits: what each token's loss counts for in the total that is derived.

    Returns:
        The ``k x p`` losses, nats per token, and the derivatives of their weighted total by ``x`` and by ``weight``.
    """
    k, p, _ = x.shape
    losses = torch.empty(k, p, dtype=torch.float32, device=x.device)
    by_x, by_weight = torch.empty_like(x), torch.empty_like(weight)
    weighted = (x * shares.unsqueeze(-1)).to(x.dtype)
    blocks = _blocks(p, weight.shape[1])
    for some in _models(k, min(p, blocks[0].stop) * weight.shape[1]):
        at_once = (x[some], weight[some], targets[some], weighted[some])
        _blockwise(*at_once, blocks, losses[some], by_x[some], by_weight[some])
    return losses, by_x.mul_(shares.unsqueeze(-1)), by_weight


def _blockwise(
    x: Tensor,
    weight: Tensor,
    targets: Tensor,
    weighted: Tensor,
    blocks: Sequence[slice],
    losses: Tensor,
    by_x: Tensor,
    by_weight: Tensor,
) -> None:
    """Fill losses and derivatives of some models, a block of positions after the other."""
    total = by_weight if len(blocks) == 1 else torch.zeros_like(by_weight, dtype=torch.float32)
    for at in blocks:
        odds = torch.softmax(torch.bmm(x[:, at], weight.mT), dim=-1)
        right = odds.gather(2, targets[:, at, None])
        # A token that is all but impossible has no odds in 32 bits; its loss is large and no infinity.
        losses[:, at] = -right.squeeze(2).float().clamp_min(_LEAST_ODDS).log()
        # Not `scatter_`, which copies all of a tensor of 16 bits there and back on a CPU.
        places = _offsets(right.numel(), odds.shape[2], odds.device).flatten() + targets[:, at].flatten()
        odds.view(-1).index_copy_(0, places, (right - 1.0).flatten())
        by_x[:, at] = torch.bmm(odds, weight)
        if len(blocks) == 1:
            torch.bmm(odds.mT, weighted[:, at], out=by_weight)
        else:
            total += torch.bmm(odds.mT, weighted[:, at])
    if len(blocks) > 1:
        by_weight.copy_(total)


def exact_losses(x: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """``k x p`` losses of tokens, nats, with the softmax in 32 bits; arguments as of :func:`loss_of_tokens`."""
    k, p, _ = x.shape
    losses = torch.empty(k, p, dtype=torch.float32, device=x.device)
    blocks = _blocks(p, weight.shape[1])
    for some in _models(k, min(p, blocks[0].stop) * weight.shape[1]):
        for at in blocks:
            logits = torch.bmm(x[some, at], weight[some].mT).float()
            flat = functional.cross_entropy(logits.flatten(0, 1), targets[some, at].flatten(), reduction="none")
            losses[some, at] = flat.view(len(logits), -1)
    return losses


def _blocks(positions: int, vocabulary: int) -> list[slice]:
    """Positions at a time: as many for one model as for several, so that a sum over them is the same."""
    size = max(1, LOGITS_AT_ONCE // vocabulary)
    return [slice(start, start + size) for start in range(0, positions, size)]


def _models(k: int, logits: int) -> list[slice]:
    """Models at a time, each with so many logits in a block."""
    size = max(1, LOGITS_AT_ONCE // logits)
    return [slice(start, start + size) for start in range(0, k, size)]


def _call(function: type[Function], *arguments: Any) -> Tensor:
    found: Tensor = function.apply(*arguments)  # type: ignore[no-untyped-call]
    return found


# What follows is kept for good: a step that was recorded on a GPU reads it where it lay.
@cache
def _offsets(k: int, size: int, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # it outlives the block that asks for it first
        return torch.arange(k, device=device)[:, None] * size


@cache
def _future(n: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """``n x n``: minus infinity where the key comes after the query."""
    with torch.inference_mode(False):
        return torch.full((n, n), -torch.inf, dtype=dtype, device=device).triu_(1)


@cache
def _tables(n: int, rotated: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines, ``rotated / 2 x n``, of angle ``position / 10000^(2 i / rotated)``."""
    with torch.inference_mode(False):
        frequencies = 1.0 / (10_000.0 ** (torch.arange(0, rotated, 2, dtype=torch.float32) / rotated))
        angles = torch.outer(frequencies, torch.arange(n, dtype=torch.float32)).to(device)
        return angles.cos().to(dtype), angles.sin().to(dtype)


@cache
def _dense_tables(n: int, size: int, rotated: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """The tables for queries, which carry the scale of the scores, and for keys."""
    with torch.inference_mode(False):
        scales = torch.tensor([size**-0.5, 1.0], device=device).view(2, 1, 1, 1, 1, 1)
        cosine, sine = _tables(n, rotated, torch.float32, device)
        return (cosine * scales).to(dtype), (sine * scales).to(dtype)
