"""DoReMi: the JSON file of domain weights that its trainer reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

from bomix.contracts.exporter import Export, TargetMixture, Unit
from bomix.errors import Fault
from bomix.io.exports.items import item_faults
from bomix.io.exports.rounding import number


@dataclass(frozen=True)
class DoremiFile:
    """DoReMi's configuration of domain weights as JSON; a weight is a probability of examples.

    Attributes:
        examples: What an example is: ``sequences``, as its preprocessing packs them, or ``documents`` if not packed.
    """

    examples: Unit = "sequences"

    needs_paths: ClassVar[bool] = False
    needs_tokens: ClassVar[bool] = False

    def faults(self) -> list[Fault]:
        """Examples that are tokens."""
        return item_faults("examples", self.examples)

    @property
    def unit(self) -> Unit:
        """What an example is."""
        return self.examples

    def export(self, mixture: TargetMixture) -> Export:
        """The same weights for training and for evaluation."""
        shares = {name: float(number(share)) for name, share in mixture.shares(self.unit).items()}
        data = {"train_domain_weights": shares, "eval_domain_weights": shares}
        return Export(
            json.dumps(data, indent=2, ensure_ascii=False) + "\n", "domain_weights.json", shares, by_chance=True
        )
