"""webdataset: a Python file with a random mix of shards."""

from __future__ import annotations

from dataclasses import dataclass

from bomix.contracts.exporter import Export, TargetMixture, Unit
from bomix.errors import Fault, count_faults
from bomix.io.exports.items import item_faults
from bomix.io.exports.python_file import domain_list, module
from bomix.io.exports.rounding import number

_BODY = '''
def mixture(seed=SEED, decode=lambda dataset: dataset):
    """Samples of the domains with these probabilities, without an end.

    Probabilities are drawn by Python's own ``random``, which is seeded here; in a worker, seed it with another number.
    The seed is one of samples too, and each pass over a domain has an order of its own, of shards as of samples.
    """
    random.seed(seed)
    parts = [
        decode(
            webdataset.WebDataset(paths, shardshuffle=100, detshuffle=True, seed=seed)
            .shuffle(BUFFER, rng=random.Random(seed))
            .repeat()
        )
        for _, paths, _ in DOMAINS
    ]
    return webdataset.RandomMix(parts, probs=[probability for *_, probability in DOMAINS], longest=False)
'''


@dataclass(frozen=True)
class Webdataset:
    """A Python file whose ``mixture()`` is a random mix of webdataset; a probability is one of samples.

    Attributes:
        samples: What a sample is: ``documents``, or ``sequences`` where they were packed before.
        buffer: Samples of each domain that are shuffled at a time.
    """

    samples: Unit = "documents"
    buffer: int = 1000

    def faults(self) -> list[Fault]:
        """Samples that are tokens, and a buffer below one sample."""
        return [*item_faults("samples", self.samples), *count_faults(1, buffer=self.buffer)]

    @property
    def unit(self) -> Unit:
        """What a sample is."""
        return self.samples

    def export(self, mixture: TargetMixture) -> Export:
        """A module with ``DOMAINS`` and ``mixture``."""
        shares = {name: float(number(share)) for name, share in mixture.shares(self.unit).items()}
        title = f"A random mix of webdataset; probabilities are shares of {self.unit}."
        constants = {"SEED": mixture.seed, "BUFFER": self.buffer}
        text = module(title, "import random\n\nimport webdataset", domain_list(mixture, shares), constants, _BODY)
        return Export(text, "mixture.py", shares, by_chance=True)
