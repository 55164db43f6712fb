"""torchdata: a Python file with a weighted sampler over nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bomix.contracts.exporter import Export, TargetMixture, Unit
from bomix.errors import Fault
from bomix.io.exports.items import item_faults
from bomix.io.exports.python_file import domain_list, module
from bomix.io.exports.rounding import number

_BODY = '''
def mixture(nodes, seed=SEED):
    """Items of the domains with these weights, without an end.

    ``nodes`` has a torchdata node for each domain by its name, which reads the paths of DOMAINS.
    """
    weights = {name: weight for name, _, weight in DOMAINS}
    return MultiNodeWeightedSampler(
        {name: nodes[name] for name in weights}, weights, stop_criteria=StopCriteria.CYCLE_FOREVER, seed=seed
    )
'''


@dataclass(frozen=True)
class Torchdata:
    """A Python file with a weighted sampler of torchdata over nodes of your own; a weight is a share of items.

    Attributes:
        items: What an item is: ``documents``, or ``sequences`` where they were packed before.
    """

    items: Unit = "documents"

    needs_paths: ClassVar[bool] = False

    def faults(self) -> list[Fault]:
        """Items that are tokens."""
        return item_faults("items", self.items)

    @property
    def unit(self) -> Unit:
        """What an item is."""
        return self.items

    def export(self, mixture: TargetMixture) -> Export:
        """A module with ``DOMAINS`` and ``mixture``."""
        shares = {name: float(number(share)) for name, share in mixture.shares(self.unit).items()}
        title = f"A weighted sampler of torchdata; weights are shares of {self.unit}."
        imports = "from torchdata.nodes import MultiNodeWeightedSampler, StopCriteria"
        text = module(title, imports, domain_list(mixture, shares), {"SEED": mixture.seed}, _BODY)
        return Export(text, "mixture.py", shares, by_chance=True)
