"""What a trainer will draw beside what was recommended, and where the two differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bomix.contracts.exporter import Export, TargetMixture, Unit

CLOSE = 0.01
"""Largest relative difference of a share from the recommended one that is not warned of: rounding of a weight to two
digits is more, and no loss that a proxy can measure moves with less."""
TWO_SIDED = 1.96
"""Standard deviations on both sides of a mean that hold 95 % of the draws."""


@dataclass(frozen=True)
class Drawn:
    """A domain of the mixture, as the trainer will draw it.

    Attributes:
        name: The domain.
        recommended: Its share of the run's tokens, as recommended.
        share: Its share of the run's tokens, as drawn.
        spread: Half of the interval that holds 95 % of the relative differences where the trainer draws at random.
        tokens: Tokens that are drawn of it; None where the run's are unknown.
        epochs: Passes over its tokens; None where they are unknown.
    """

    name: str
    recommended: float
    share: float
    spread: float
    tokens: float | None
    epochs: float | None

    @property
    def deviation(self) -> float:
        """The relative difference of the share, above zero where more is drawn."""
        return self.share / self.recommended - 1.0

    @property
    def warning(self) -> str | None:
        """A sentence where the share is off by more than 1 %, or may be by chance; None where it is not."""
        if abs(self.deviation) > CLOSE:
            return (
                f"{self.name}: the trainer draws {100 * self.share:.4g} % of the tokens, {100 * self.deviation:+.1f} % "
                f"of the {100 * self.recommended:.4g} % recommended"
            )
        if self.spread > CLOSE:
            return f"{self.name}: the trainer draws at random, and may be off by {100 * self.spread:.1f} % of its share"
        return None


def together(drawn: Sequence[Drawn], name: str) -> Drawn:
    """Several domains as one, a node of the tree; passes are those over all of their tokens, ``spread`` is unknown.

    Args:
        drawn: The domains, one or more.
        name: What they are together.
    """
    if len(drawn) == 1:
        return drawn[0]
    counts = [each.tokens for each in drawn if each.tokens is not None]
    stock = [each.tokens / each.epochs for each in drawn if each.tokens is not None and each.epochs]
    tokens = math.fsum(counts) if len(counts) == len(drawn) else None
    passes = tokens / math.fsum(stock) if tokens is not None and len(stock) == len(drawn) else None
    shares = (math.fsum(each.recommended for each in drawn), math.fsum(each.share for each in drawn))
    return Drawn(name, *shares, math.nan, tokens, passes)


def compared(mixture: TargetMixture, unit: Unit, export: Export) -> tuple[Drawn, ...]:
    """Every domain as recommended and as drawn, in the order of the mixture.

    Args:
        mixture: What was to be written.
        unit: What the trainer counts in.
        export: What was written.
    """
    lengths = mixture.lengths(unit)
    tokens = {name: count * lengths[name] for name, count in export.drawn.items()}
    total, draws = math.fsum(tokens.values()), mixture.count(unit)
    units = math.fsum(export.drawn.values())
    found = []
    for domain in mixture.domains:
        share, part = tokens[domain.name] / total, export.drawn[domain.name] / units
        spread = TWO_SIDED * math.sqrt((1.0 - part) / (draws * part)) if export.by_chance and mixture.tokens else 0.0
        amount = None if mixture.tokens is None else share * mixture.tokens
        passes = None if amount is None or domain.tokens is None else amount / domain.tokens
        found.append(Drawn(domain.name, domain.weight, share, spread, amount, passes))
    return tuple(found)
