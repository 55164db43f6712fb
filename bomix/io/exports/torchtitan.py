"""torchtitan: a Python file with the configuration of an interleaved data loader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bomix.contracts.exporter import Export, TargetMixture, Unit
from bomix.errors import Fault, raise_faults
from bomix.io.exports.hugging_face import builders_of
from bomix.io.exports.python_file import domain_list, module
from bomix.io.exports.rounding import number

_IMPORTS = """from functools import partial

from datasets import load_dataset
from torchtitan.hf_datasets import DatasetConfig
from torchtitan.hf_datasets.text_datasets import (
    DATASETS,
    HFDataSource,
    InterleavedHuggingFaceTextDataLoader,
)"""

_BODY = '''
def rows(path, paths):
    """The rows of one domain; torchtitan hands over the path that it was registered with."""
    builder = BUILDERS.get(paths[0])
    if builder is None:
        return load_dataset(paths[0], split="train", streaming=True)
    return load_dataset(builder, data_files=paths, split="train", streaming=True)


def text(sample):
    """The text of a row."""
    return sample[FIELD]


for name, paths, _ in DOMAINS:  # torchtitan looks names up in small letters
    DATASETS[name.lower()] = DatasetConfig(path=paths[0], loader=partial(rows, paths=paths), sample_processor=text)


def dataloader():
    """For ``dataloader=`` of a trainer's configuration; every source begins again when it ends."""
    return InterleavedHuggingFaceTextDataLoader.Config(
        sources=[HFDataSource(dataset=name, weight=weight, infinite=True) for name, _, weight in DOMAINS],
        seed=SEED,
    )
'''


SAME = "all ranks draw the same domain at each step: a global batch holds as many domains as a rank has sequences"
"""A note on the order in which ranks draw."""
IN_ORDER = (
    "the rows of a domain come in the order of its files, in every pass: shuffle documents before they are written"
)
"""A note on rows: torchtitan shuffles no stream, and a shuffled one would lose its buffer where a run is resumed."""


@dataclass(frozen=True)
class Torchtitan:
    """A Python file with torchtitan's interleaved data loader; a weight is a share of packed sequences.

    Attributes:
        field: The field of a row that holds its text.
    """

    field: str = "text"

    unit: ClassVar[Unit] = "sequences"

    def export(self, mixture: TargetMixture) -> Export:
        """A module that registers the domains, with ``dataloader``.

        Raises:
            FaultsError: Two domains have one name in small letters, which are all that torchtitan knows.
        """
        small = [domain.name.lower() for domain in mixture.domains]
        raise_faults(
            [
                Fault(
                    domain.name, "torchtitan takes names in small letters, and another domain has this one; rename it"
                )
                for at, domain in enumerate(mixture.domains)
                if small[at] in small[:at]
            ]
        )
        shares = {name: float(number(share)) for name, share in mixture.shares(self.unit).items()}
        constants = {"SEED": mixture.seed, "FIELD": self.field, "BUILDERS": builders_of(mixture)}
        title = "An interleaved data loader of torchtitan; weights are shares of packed sequences."
        text = module(title, _IMPORTS, domain_list(mixture, shares), constants, _BODY)
        return Export(text, "mixture.py", shares, by_chance=True, notes=(SAME, IN_ORDER))
