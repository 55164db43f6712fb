"""nanotron: the data stage of its configuration, a weighted Nanoset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bomix.contracts.exporter import Export, TargetMixture, Unit
from bomix.io.exports.rounding import number
from bomix.io.exports.yaml_file import dumped


@dataclass(frozen=True)
class Nanotron:
    """nanotron's ``data_stages`` with a weighted Nanoset as YAML; a weight is a share of sequences.

    Attributes:
        stage: The name of the stage.
    """

    stage: str = "Training"

    unit: ClassVar[Unit] = "sequences"
    weighs_paths: ClassVar[bool] = True

    def export(self, mixture: TargetMixture) -> Export:
        """One stage, from the first step on."""
        shares = mixture.path_shares(self.unit)
        dataset = {
            "dataset_folder": [*shares],
            "dataset_weights": [float(number(share)) for share in shares.values()],
        }
        stage = {
            "name": self.stage,
            "start_training_step": 1,
            "data": {"dataset": dataset, "num_loading_workers": 1, "seed": mixture.seed},
        }
        return Export(dumped({"data_stages": [stage]}), "data_stages.yaml", mixture.weights, notes=_again(mixture))


def _again(mixture: TargetMixture) -> tuple[str, ...]:
    """What a run longer than the data meets: a Nanoset's index has as many samples as there are, and is repeated.

    A domain of a smaller weight than its share of the data is then read again from its head, the rest never.
    """
    known = [domain.tokens for domain in mixture.domains if domain.tokens is not None]
    if mixture.tokens is None or len(known) < len(mixture.domains) or mixture.tokens <= sum(known):
        return ()
    return (
        f"the run is longer than the {sum(known):.3g} tokens of its domains: nanotron then begins its index anew, "
        "and of a domain that is drawn less than its size it reads the same part again and the rest never",
    )
