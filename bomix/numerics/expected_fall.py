"""By how much the smallest of several means is expected to fall when all move along one line, in closed form.

References:
    [Frazier2009] The knowledge-gradient policy for correlated normal beliefs.
"""

from __future__ import annotations

import math

import numpy as np

Array = np.ndarray


def expected_fall(mean: Array, shift: Array) -> float:
    """``min(mean) - E[min(mean + shift z)]`` for a standard normal ``z`` [Frazier2009]_; never negative.

    Args:
        mean: ``n`` posterior means.
        shift: ``n`` changes of these means for each standard deviation of the observation.
    """
    # Lower envelope of the lines mean + shift z, from left to right: the steepest line is lowest on the far left.
    order = np.lexsort((mean, -shift))
    lines: list[tuple[float, float]] = []
    starts: list[float] = []
    for index in order:
        a, b = float(mean[index]), float(shift[index])
        if lines and b == lines[-1][1]:
            continue
        start = -math.inf
        while lines:
            start = (a - lines[-1][0]) / (lines[-1][1] - b)
            if start > starts[-1]:
                break
            lines.pop()
            starts.pop()
            start = -math.inf
        lines.append((a, b))
        starts.append(start)
    # At every crossing c of the envelope the slope falls: the fall is worth E[(|z| - |c|)+] each, summed up exactly.
    crossings = zip(starts[1:], lines[:-1], lines[1:], strict=True)
    return math.fsum((left[1] - right[1]) * _beyond(abs(at)) for at, left, right in crossings)


def _beyond(at: float) -> float:
    """``E[(z - at)+]`` of a standard normal ``z``."""
    tail = 0.5 * math.erfc(at / math.sqrt(2.0))
    return max(0.0, math.exp(-0.5 * at * at) / math.sqrt(2.0 * math.pi) - at * tail)
