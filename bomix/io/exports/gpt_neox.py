"""GPT-NeoX: the keys of its configuration that name data and weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bomix.contracts.exporter import Export, TargetMixture, Unit
from bomix.errors import ConfigError, Fault
from bomix.io.exports.rounding import number
from bomix.io.exports.yaml_file import dumped

MOST = 254
"""Datasets of a blend: GPT-NeoX keeps the number of each in a byte, and asserts that there are fewer than 255."""


@dataclass(frozen=True)
class GptNeox:
    """GPT-NeoX's ``train-data-paths`` and ``train-data-weights`` as YAML; a weight is a share of sequences.

    Attributes:
        validation: Path prefixes of the validation data, which GPT-NeoX wants beside those it trains on.
        test: Path prefixes of the test data; those of the validation data unless others are given.
    """

    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()

    unit: ClassVar[Unit] = "sequences"
    weighs_paths: ClassVar[bool] = True

    def faults(self) -> list[Fault]:
        """Test data without validation data."""
        return [Fault("validation", "give it with the key test")] if self.test and not self.validation else []

    def export(self, mixture: TargetMixture) -> Export:
        """A configuration to be given beside the others."""
        shares = mixture.path_shares(self.unit)
        if len(shares) > MOST:
            raise ConfigError(f"GPT-NeoX blends {MOST} datasets at most, and these are {len(shares)} paths; merge some")
        others = {"valid": self.validation, "test": self.test or self.validation}
        data = {
            "train-data-paths": [*shares],
            "train-data-weights": [float(number(share)) for share in shares.values()],
            **{f"{split}-data-paths": [*paths] for split, paths in others.items() if paths},
            **{f"{split}-data-weights": [1.0] * len(paths) for split, paths in others.items() if paths},
            "weight-by-num-documents": False,
        }
        missing = (
            "GPT-NeoX wants valid-data-paths and test-data-paths beside these: --set 'validation=[PATH]' writes them"
        )
        return Export(dumped(data), "data.yml", mixture.weights, notes=() if self.validation else (missing,))
