"""grain: a Python file with a mixed dataset."""

from __future__ import annotations

from dataclasses import dataclass

from bomix.contracts.exporter import Export, TargetMixture, Unit
from bomix.errors import Fault
from bomix.io.exports.items import item_faults
from bomix.io.exports.python_file import domain_list, module

LEAST = 100
"""The smallest weight: grain cuts all to hundredths of it, and so keeps whole numbers beside this one as they are."""
WINDOW = 1000
"""Elements that are shuffled at a time. grain deals domains out in a fixed pattern, of weights 3 and 1 every fourth
element to the second: a process or worker that reads every fourth would see one domain alone, and what it packs into
sequences would have other shares of tokens."""

_BODY = '''
def mixture(seed=SEED, source=grain.sources.ArrayRecordDataSource):
    """Elements of the domains in these proportions, without an end; ``source`` opens the files of one domain."""
    parts = [grain.MapDataset.source(source(paths)).shuffle(seed=seed).repeat() for _, paths, _ in DOMAINS]
    mixed = grain.MapDataset.mix(parts, weights=[weight for *_, weight in DOMAINS])
    # Without it, processes or workers that read every n-th element may see some of the domains alone.
    return grain.experimental.WindowShuffleMapDataset(mixed, window_size=WINDOW, seed=seed)
'''


@dataclass(frozen=True)
class Grain:
    """A Python file whose ``mixture()`` is grain's mix of ArrayRecord files; a weight is a share of elements.

    Attributes:
        elements: What an element is: ``documents``, or ``sequences`` where they were packed before.
    """

    elements: Unit = "documents"

    def faults(self) -> list[Fault]:
        """Elements that are tokens."""
        return item_faults("elements", self.elements)

    @property
    def unit(self) -> Unit:
        """What an element is."""
        return self.elements

    def export(self, mixture: TargetMixture) -> Export:
        """A module with ``DOMAINS`` and ``mixture``."""
        shares = mixture.shares(self.unit)
        smallest = min(shares.values())
        weights = {name: round(LEAST * share / smallest) for name, share in shares.items()}
        title = f"A mixed dataset of grain; weights are whole shares of {self.unit}."
        constants = {"SEED": mixture.seed, "WINDOW": WINDOW}
        text = module(title, "import grain\nimport grain.experimental", domain_list(mixture, weights), constants, _BODY)
        return Export(text, "mixture.py", weights)
