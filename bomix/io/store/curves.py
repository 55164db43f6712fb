"""Curves of losses in outcomes: base64 of little-endian float64, a tenth of the size of decimal text, and exact.

Most readers of a record never look at a curve. Its losses are kept as they were written, and are numbers once they are
asked for; steps, which most trials of a study share, are one array.
"""

from __future__ import annotations

import binascii
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from bomix.trial import Curve

_NUMBER = np.dtype("<f8")
_STEPS_KEPT = 256
"""Arrays of steps that are kept for the next trial with the same: a study has one for each of its scales."""


class WrittenLosses(Mapping[str, np.ndarray]):
    """Metric name to the losses of a curve, as they were written.

    Args:
        written: Metric name to the bytes of its losses.
    """

    __slots__ = ("_written",)

    def __init__(self, written: Mapping[str, bytes]) -> None:
        self._written = written

    def __getitem__(self, name: str) -> np.ndarray:
        return np.frombuffer(self._written[name], dtype=_NUMBER).astype(float)

    def __iter__(self) -> Iterator[str]:
        return iter(self._written)

    def __len__(self) -> int:
        return len(self._written)

    def __eq__(self, other: object) -> bool:
        return self._written == other._written if isinstance(other, WrittenLosses) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self._written.items()))


def curve_to_data(curve: Curve) -> dict[str, Any]:
    """A curve as plain data."""
    return {
        "steps": _encode(curve.steps),
        "losses": {metric: _encode(losses) for metric, losses in curve.losses.items()},
    }


def curve_from_data(data: Mapping[str, Any]) -> Curve:
    """Inverse of :func:`curve_to_data`.

    Raises:
        ValueError: A text that is no base64 of whole numbers.
        KeyError: Steps or losses are missing.
    """
    losses = {sys.intern(metric): _decode(text) for metric, text in data["losses"].items()}
    return Curve(_steps(data["steps"]), WrittenLosses(losses))


@lru_cache(maxsize=_STEPS_KEPT)
def _steps(text: str) -> np.ndarray:
    steps = np.frombuffer(_decode(text), dtype=_NUMBER).astype(float)
    steps.flags.writeable = False  # it is that of other trials, too
    return steps


def _encode(values: np.ndarray) -> str:
    return binascii.b2a_base64(np.ascontiguousarray(values, dtype=_NUMBER).tobytes(), newline=False).decode("ascii")


def _decode(text: str) -> bytes:
    content = binascii.a2b_base64(text)
    if len(content) % _NUMBER.itemsize:
        raise ValueError("a curve was cut within a number")
    return content
