"""The scale of a training run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fidelity:
    """The scale of a training run.

    Example:
        >>> bomix.Fidelity(params=10_000_000, tokens=200_000_000).flops
        1.2e+16

    Attributes:
        params: Non-embedding parameters.
        tokens: Training tokens.
    """

    params: int
    tokens: int

    @property
    def flops(self) -> float:
        """Training FLOPs, ``6 * params * tokens``."""
        return 6.0 * self.params * self.tokens
