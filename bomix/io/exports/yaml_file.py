"""YAML: domain to weight, for programs of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import yaml

from bomix.contracts.exporter import Export, TargetMixture, Unit
from bomix.io.exports.json_file import details, weights


@dataclass(frozen=True)
class YamlFile:
    """A YAML mapping of domain to weight, or of what is known of each domain; a weight is a share of tokens.

    Attributes:
        details: Whether each domain is a mapping with paths, tokens and mean length beside the weight.
    """

    details: bool = False

    unit: ClassVar[Unit] = "tokens"
    needs_paths: ClassVar[bool] = False
    needs_tokens: ClassVar[bool] = False

    def export(self, mixture: TargetMixture) -> Export:
        """The weights, shares of tokens."""
        return Export(dumped(details(mixture) if self.details else weights(mixture)), "mixture.yaml", mixture.weights)


def dumped(data: object) -> str:
    """Plain data as YAML, in the order in which it stands."""
    # YAML 1.1 takes 1e-05 for a text: PyYAML writes 1.0e-05, which it reads as a number.
    text: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=1000)
    return text
