"""A function of many rows, applied to some of them at a time, so that memory does not fill.

Larger parts spare calls and take memory. What a row takes differs: a number where a formula is evaluated, a covariance
with every run for every draw of the hyperparameters where a posterior is. Callers therefore say how many rows go
together, or ask :func:`rows_within` with what one row takes. The size of a part may change the last digits of a result,
as products of matrices of different sizes are summed in different orders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

ENTRIES = 2_000_000
"""Entries of the largest array that a part makes: 16 MB in double precision, little enough that the several such arrays
which gradients keep fit beside the other processes of a machine, and enough that calls do not count. Larger arrays are
also handed back by the allocator each time, and clearing their pages costs as much as the rest."""


def rows_within(entries: int) -> int:
    """How many rows go together where each takes this many entries of the largest array; at least one."""
    return max(1, ENTRIES // max(1, entries))


def chunks(X: Tensor, *, rows: int) -> tuple[Tensor, ...]:
    """``n x ...`` in parts of so many rows, the last one smaller; no row makes one empty part."""
    parts: tuple[Tensor, ...] = X.split(rows)  # type: ignore[no-untyped-call]
    return parts


def in_chunks(function: Callable[[Tensor], Tensor], X: Tensor, *, rows: int) -> Tensor:
    """A function of each row on its own, applied part by part.

    Args:
        function: ``b x ...`` rows to ``b x ...`` values.
        X: ``n x ...``.
        rows: How many rows go together.

    Returns:
        ``n x ...`` values.
    """
    if len(X) <= rows:
        return function(X)
    return torch.cat([function(part) for part in chunks(X, rows=rows)])
