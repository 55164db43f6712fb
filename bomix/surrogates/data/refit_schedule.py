"""Hyperparameters that are found anew only as the record grows, and found once where they are asked for again.

Where metrics are many, nearly all of an ask is the search for hyperparameters that one more trial hardly moves. They
are therefore found for the first trials of the record, as many as the last of a growing row of sizes: which, the record
alone decides. A process remembers what it found; that changes how long an ask takes and nothing else.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_FIRST = 4
"""Trials up to which hyperparameters are found at every one: one more changes them much, and a search costs little."""
_KEPT = 64
"""Results that a process remembers, the last ones: a study asks for a few at a time, for each of its surrogates, and an
entry is a small table."""


def size_of_fit(n: int, growth: float) -> int:
    """With how many of ``n`` trials hyperparameters are found: the largest of 4, 5, ... that grow by a share.

    Args:
        n: Trials.
        growth: Least share by which a size exceeds the one before; 0 takes all trials.
    """
    if growth <= 0 or n <= _FIRST:
        return n
    size = _FIRST
    while (larger := max(size + 1, math.ceil(size * (1.0 + growth)))) <= n:
        size = larger
    return size


def digest(*tensors: Tensor | None) -> str:
    """A hash of the numbers and shapes of tensors, to the last bit.

    Not by when two mixtures are one: what is remembered must be what would be found again, and the smallest
    difference changes the last digits of that.
    """
    whole = hashlib.sha256()
    for tensor in tensors:
        if tensor is not None:
            whole.update(str(tuple(tensor.shape)).encode())
            whole.update(tensor.contiguous().numpy().tobytes())
        whole.update(b"|")
    return whole.hexdigest()


def remembered(key: Hashable, find: Callable[[], Tensor]) -> Tensor:
    """What ``find`` returned when this process last called it with this key, or calls it.

    Args:
        key: All that decides the result.
        find: A pure function of it.
    """
    with _LOCK:
        if key in _FOUND:
            _FOUND.move_to_end(key)
            return _FOUND[key]
    found = find()
    with _LOCK:
        _FOUND[key] = found
        while len(_FOUND) > _KEPT:
            _FOUND.popitem(last=False)
    return found


_FOUND: OrderedDict[Hashable, Tensor] = OrderedDict()
_LOCK = Lock()
