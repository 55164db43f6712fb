"""RegMix: the YAML file of a mixture that its training scripts read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bomix.contracts.exporter import Export, TargetMixture, Unit
from bomix.errors import ConfigError
from bomix.io.exports.rounding import number
from bomix.io.exports.yaml_file import dumped


@dataclass(frozen=True)
class RegmixFile:
    """RegMix's mixture as YAML, ``train`` and ``valid``; a weight is a probability of packed sequences.

    Attributes:
        prefix: What stands before a domain's name in those of its training files; added where it is not there.
        valid: Name and weight of what is validated on; the domains of the mixture, as ``valid_``, unless it is given.
        model_name: The model that is trained.
    """

    prefix: str = "train_"
    valid: tuple[str, ...] = ()
    model_name: str = "tinyllama_1_1b"

    unit: ClassVar[Unit] = "sequences"
    needs_paths: ClassVar[bool] = False
    needs_tokens: ClassVar[bool] = False

    def export(self, mixture: TargetMixture) -> Export:
        """The file's three keys."""
        shares = {name: float(number(share)) for name, share in mixture.shares(self.unit).items()}
        bare = {name: name.removeprefix(self.prefix) for name in shares}
        if len({*bare.values()}) < len(bare):
            raise ConfigError(f"two domains have one name without '{self.prefix}'; give --set prefix=")
        valid = self.valid or tuple(f"valid_{name}" for name in bare.values())
        data = {
            "train": {f"{self.prefix}{bare[name]}": share for name, share in shares.items()},
            "valid": dict.fromkeys(valid, 1.0),
            "model_name": self.model_name,
        }
        return Export(dumped(data), "mixture.yaml", shares, by_chance=True)
