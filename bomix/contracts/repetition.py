"""How often a run repeats each domain: the text that a proxy may see, so that it repeats it as the target will."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

REPETITION_DECAY = 15.4
"""Repetitions after which a token is worth 1/e of a fresh one: what runs of up to 9B parameters on English web text let
Muennighoff et al. (2023), *Scaling data-constrained language models*, fit."""


@dataclass(frozen=True)
class Matching:
    """What is cut so that a mixture repeats each domain as often in a short run as in the target.

    The target reads ``w * target_tokens`` tokens of a domain that has ``available``. A run of ``tokens`` reads
    ``w * tokens``, and repeats it as often where it sees ``available * tokens / target_tokens`` of it.

    Example:
        >>> from bomix.contracts.repetition import Matching
        >>> matching = Matching(20e9, {"books": 1e9, "web": 99e9})
        >>> matching.tokens(20e6)  # a thousandth of the target's tokens, and of its text
        {'books': 1000000.0, 'web': 99000000.0}
        >>> matching.epochs()["books"]  # a run on books alone reads them 20 times, of whatever length it is
        20.0

    Attributes:
        target_tokens: Training tokens of the target.
        available: Domain to the tokens that the target has of it.
    """

    target_tokens: float
    available: Mapping[str, float]

    def tokens(self, run_tokens: float) -> dict[str, float]:
        """Domain to the tokens of it that a run may see.

        Args:
            run_tokens: Training tokens of the run.
        """
        return {name: count * run_tokens / self.target_tokens for name, count in self.available.items()}

    def whole_tokens(self, run_tokens: float) -> dict[str, int]:
        """The same in whole tokens, at least one."""
        return {name: max(1, round(count)) for name, count in self.tokens(run_tokens).items()}

    def sequences(self, run_tokens: float, length: int) -> dict[str, int]:
        """The same in whole sequences, at least one, since a run that draws from a domain must find something there.

        Args:
            run_tokens: Training tokens of the run.
            length: Tokens of a sequence.
        """
        return {name: max(1, round(count / length)) for name, count in self.tokens(run_tokens).items()}

    def epochs(self) -> dict[str, float]:
        """Domain to the passes over it of a target on that domain alone."""
        return {name: self.target_tokens / count for name, count in self.available.items()}

    def to_data(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"target_tokens": self.target_tokens, "available": dict(self.available)}
