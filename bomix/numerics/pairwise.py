"""Matrices over all pairs of mixtures that need more than products of matrices, in bounded memory.

A sum over domains of a function of two weights has ``n x n' x d`` terms. They are formed for some rows at a time, and
again in the backward pass, so that no more than one block of them is ever in memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

Profile = Callable[["Tensor"], "tuple[Tensor, Tensor]"]
"""Squared distance in lengthscales to correlation and its derivative with respect to the squared distance."""

BLOCK = 2**20
"""Numbers in one block: 8 MiB, which a processor's cache nearly holds."""


def in_blocks(function: Callable[..., Tensor], rows: Tensor, *others: Tensor, width: int) -> Tensor:
    """Compute a matrix some rows at a time.

    Args:
        function: Maps ``batch x k x d`` rows and ``others`` to ``batch x k x n'``; rows do not depend on each other.
        rows: ``batch x n x d``.
        others: Further arguments of the function, to which gradients go as well.
        width: Numbers that computing one row keeps in memory at once.

    Returns:
        ``batch x n x n'``.
    """
    size = max(1, BLOCK // max(width, 1))
    if rows.shape[-2] <= size:
        return function(rows, *others)
    value: Tensor = _InBlocks.apply(function, -(-rows.shape[-2] // size), rows, *others)  # type: ignore[no-untyped-call]
    return value


def pairs(X: Tensor, Z: Tensor) -> int:
    """Number of pairs that one row of ``batch x n x d`` makes with ``batch x n' x d`` rows, over the whole batch."""
    batch = torch.broadcast_shapes(X.shape[:-2], Z.shape[:-2])  # type: ignore[no-untyped-call]
    return int(math.prod(batch)) * int(Z.shape[-2])


def scaled_profile(X: Tensor, Z: Tensor, inverse: Tensor, profile: Profile) -> Tensor:
    """A profile of scaled squared distances, ``rho(sum_i a_i^2 (x_i - z_i)^2)``.

    Args:
        X: ``batch x b x n x d``; ``b`` may be 1.
        Z: ``batch x b x n' x d``.
        inverse: ``b x 1 x d`` inverse lengthscales ``a``, or ``b x 1 x 1``.
        profile: ``rho``, which also gives its derivative.

    Returns:
        ``batch x b x n x n'``.
    """
    value: Tensor = _Scaled.apply(X, Z, inverse, profile)  # type: ignore[no-untyped-call]
    return value


def profiled(squared: Tensor, profile: Profile) -> Tensor:
    """A profile of squared distances whose gradient is finite at distance zero."""
    value: Tensor = _Profiled.apply(squared, profile)  # type: ignore[no-untyped-call]
    return value


def matern52(squared: Tensor) -> tuple[Tensor, Tensor]:
    """``(1 + r + r^2/3) exp(-r)``, ``r = sqrt(5 squared)``."""
    # Few passes over memory: at a thousand runs they cost more than the factorisation.
    r = (5.0 * squared).sqrt_()
    decay = r.neg().exp_()
    slope = r.add_(1.0).mul_(decay)
    value = torch.addcmul(slope, squared, decay, value=5.0 / 3.0)
    return value, slope.mul_(-5.0 / 6.0)


def matern32(squared: Tensor) -> tuple[Tensor, Tensor]:
    """``(1 + r) exp(-r)``, ``r = sqrt(3 squared)``."""
    r = (3.0 * squared).sqrt()
    decay = torch.exp(-r)
    return (1.0 + r) * decay, -1.5 * decay


def rbf(squared: Tensor) -> tuple[Tensor, Tensor]:
    """``exp(-squared / 2)``."""
    value = torch.exp(-0.5 * squared)
    return value, -0.5 * value


PROFILES: dict[str, Profile] = {"matern52": matern52, "matern32": matern32, "rbf": rbf}
"""Name of a kernel's shape to its profile."""


class _InBlocks(torch.autograd.Function):
    """Blocks of rows, each computed again in the backward pass and forgotten before the next."""

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Tensor], blocks: int, rows: Tensor, *others: Tensor) -> Tensor:
        ctx.function, ctx.blocks = function, blocks
        ctx.save_for_backward(rows, *others)
        return torch.cat([function(part, *others) for part in rows.chunk(blocks, dim=-2)], dim=-2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows, *others = ctx.saved_tensors
        needed = ctx.needs_input_grad[2:]
        totals = [torch.zeros_like(tensor) if need else None for tensor, need in zip(others, needed[1:], strict=True)]
        of_rows, start = [], 0
        for part in rows.chunk(ctx.blocks, dim=-2):
            gradient = gradients[0].narrow(-2, start, part.shape[-2])
            start += part.shape[-2]
            at = [tensor.detach().requires_grad_(need) for tensor, need in zip((part, *others), needed, strict=True)]
            with torch.enable_grad():
                value = ctx.function(*at)
            found = iter(torch.autograd.grad(value, [tensor for tensor in at if tensor.requires_grad], gradient))
            if needed[0]:
                of_rows.append(next(found))
            totals = [total if total is None else total + next(found) for total in totals]
        return None, None, torch.cat(of_rows, dim=-2) if needed[0] else None, *totals


class _Profiled(torch.autograd.Function):
    """The profile's own derivative: that of the square root inside it would be infinite at zero."""

    @staticmethod
    def forward(ctx: Any, squared: Tensor, profile: Profile) -> Tensor:
        value, slope = profile(squared)
        ctx.save_for_backward(slope)
        return value

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (slope,) = ctx.saved_tensors
        return gradients[0] * slope, None


class _Scaled(torch.autograd.Function):
    """A profile of scaled squared distances, with a gradient that needs products of matrices only.

    With ``M = G * rho'``, ``dL/dx_i = 2 a^2 (x_i sum_j M_ij - sum_j M_ij z_j)`` and
    ``dL/da = 2 a sum_ij M_ij (x_i - z_j)^2`` for ``a = 1 / l``; no tensor ``n x n' x d`` is ever formed.
    """

    @staticmethod
    def forward(ctx: Any, X: Tensor, Z: Tensor, inverse: Tensor, profile: Profile) -> Tensor:
        first, second = X * inverse, Z * inverse
        squared = first.square().sum(-1).unsqueeze(-1) + second.square().sum(-1).unsqueeze(-2)
        squared = (squared - 2.0 * first @ second.mT).clamp_min_(0.0)
        value, slope = profile(squared)
        ctx.save_for_backward(X, Z, inverse, slope)
        return value

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        X, Z, inverse, slope = ctx.saved_tensors
        moved = gradients[0] * slope
        rows, columns = moved.sum(dim=-1).unsqueeze(-1), moved.sum(dim=-2).unsqueeze(-1)
        onto = moved @ Z
        grad_X = grad_Z = grad_inverse = None
        if ctx.needs_input_grad[0]:
            grad_X = (2.0 * inverse.square() * (rows * X - onto)).sum_to_size(X.shape)
        if ctx.needs_input_grad[1]:
            grad_Z = (2.0 * inverse.square() * (columns * Z - moved.mT @ X)).sum_to_size(Z.shape)
        if ctx.needs_input_grad[2]:
            squares = (rows * X.square()).sum(-2) + (columns * Z.square()).sum(-2) - 2.0 * (onto * X).sum(-2)
            grad_inverse = (2.0 * inverse * squares.unsqueeze(-2)).sum_to_size(inverse.shape)
        return grad_X, grad_Z, grad_inverse, None
