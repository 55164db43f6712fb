"""JSON: domain to weight, for programs of one's own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

from bomix.contracts.exporter import Export, TargetMixture, Unit
from bomix.io.exports.rounding import number


@dataclass(frozen=True)
class JsonFile:
    """A JSON object of domain to weight, or of what is known of each domain; a weight is a share of tokens.

    Attributes:
        details: Whether each domain is an object with paths, tokens and mean length beside the weight.
    """

    details: bool = False

    unit: ClassVar[Unit] = "tokens"
    needs_paths: ClassVar[bool] = False
    needs_tokens: ClassVar[bool] = False

    def export(self, mixture: TargetMixture) -> Export:
        """The weights, shares of tokens."""
        data = details(mixture) if self.details else weights(mixture)
        return Export(json.dumps(data, indent=1, ensure_ascii=False) + "\n", "mixture.json", mixture.weights)


def weights(mixture: TargetMixture) -> dict[str, int | float]:
    """Domain to weight, as numbers that read well."""
    return {name: number(weight) for name, weight in mixture.weights.items()}


def details(mixture: TargetMixture) -> dict[str, dict[str, object]]:
    """Domain to what is known of it; what is unknown is left out."""
    found: dict[str, dict[str, object]] = {}
    for domain in mixture.domains:
        known = {"tokens": domain.tokens, "tokens_per_document": domain.tokens_per_document, "paths": [*domain.paths]}
        found[domain.name] = {"weight": number(domain.weight), **{key: value for key, value in known.items() if value}}
    return found
