"""NeMo: the JSON file of a blend that Automodel and Megatron-Bridge read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar, Literal

from bomix.contracts.exporter import Export, TargetMixture, Unit
from bomix.io.exports.megatron import SPLIT, blend_of, drawn_of, together


@dataclass(frozen=True)
class Nemo:
    """NeMo's blend as JSON, the training split of Automodel or Megatron-Bridge; a weight is a share of sequences.

    Both blend with Megatron's code, so that what holds for ``megatron`` holds here.

    Attributes:
        reader: ``automodel`` for the ``paths`` of its ``MegatronPretraining``; ``bridge`` for Megatron-Bridge, which
            wants the other splits named as well; ``list`` for a flat list that either splits by its own ``split``.
    """

    reader: Literal["automodel", "bridge", "list"] = "automodel"

    unit: ClassVar[Unit] = "sequences"
    weighs_paths: ClassVar[bool] = True

    def export(self, mixture: TargetMixture) -> Export:
        """Weights and prefixes of the training split."""
        blend = blend_of(mixture)
        forms = {"automodel": {"train": blend}, "bridge": {"train": blend, "valid": None, "test": None}, "list": blend}
        notes = (*((SPLIT,) if self.reader == "list" else ()), *together(mixture))
        return Export(json.dumps(forms[self.reader], indent=1) + "\n", "blend.json", drawn_of(mixture), notes=notes)
