"""Numbers that several algorithms share."""

from __future__ import annotations

TINY = 1e-300
"""What a divisor or the argument of a logarithm is kept above, where zero is possible and the quotient then does not
count: a normal number (those end near 2e-308), and smaller than anything that is measured."""

ARMIJO = 1e-4
"""Share of the decrease that the slope promises which a step must bring to be taken: the customary value, which turns
away steps that hardly descend and lets all others pass."""

LEAST_VARIANCE = 1e-14
"""Least variance of a prediction of a standardised metric, below what rounding leaves of ``1 - 1``: at a training
mixture it is the difference of two nearly equal numbers, and its root is divided by."""
