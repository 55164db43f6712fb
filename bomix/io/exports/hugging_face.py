"""Hugging Face datasets: a Python file with ``interleave_datasets``."""

from __future__ import annotations

from dataclasses import dataclass

from bomix.contracts.exporter import Export, TargetMixture, Unit
from bomix.errors import Fault, count_faults, raise_faults
from bomix.io.exports.items import item_faults
from bomix.io.exports.python_file import domain_list, module
from bomix.io.exports.rounding import number

BUILDERS = {
    (".json", ".jsonl", ".ndjson"): "json",
    (".parquet",): "parquet",
    (".csv", ".tsv"): "csv",
    (".txt", ".md"): "text",
    (".arrow",): "arrow",
    (".tar",): "webdataset",
}
"""Endings of data files to the builder of ``load_dataset`` that reads them, :data:`COMPRESSED` or not."""
COMPRESSED = (".gz", ".zst", ".xz", ".bz2")
"""Endings of compressed files, which the builders read as they are."""
NOTE = (
    "the dataset ends once every domain has been read in full; begin it again until the run has its tokens, with "
    "set_epoch(1), set_epoch(2) and so on, else the same rows come in the same order"
)
"""A note on runs that are longer than the data: a seed of ``datasets`` gives one order, whenever it is begun."""
SAME_ORDER = "a domain that the run reads again comes in the same order each time: "
"""The beginning of a note on domains that need several passes; their names follow."""

_BODY = '''
def domain(paths, **options):
    """The rows of one domain: data files of one kind, or one dataset of the Hub or of a folder by its name."""
    builder = BUILDERS.get(paths[0])
    if builder is None:
        return load_dataset(paths[0], split="train", streaming=True, **options)
    return load_dataset(builder, data_files=paths, split="train", streaming=True, **options)


def mixture(seed=SEED, **options):
    """An iterable dataset that draws rows of the domains with these probabilities, and begins again what ends."""
    return interleave_datasets(
        [domain(paths, **options).shuffle(seed=seed, buffer_size=BUFFER) for _, paths, _ in DOMAINS],
        probabilities=[probability for *_, probability in DOMAINS],
        seed=seed,
        stopping_strategy="all_exhausted",
    )
'''


@dataclass(frozen=True)
class HuggingFace:
    """A Python file whose ``mixture()`` is an interleaved dataset of Hugging Face; a probability is one of rows.

    A row is a document, so that probabilities are shares of documents, by their mean lengths. The last one is one minus
    the others: a sum that is off by 1.5e-8 is refused.

    Attributes:
        buffer: Rows of each domain that are shuffled at a time.
        rows: What a row is: ``documents``, or ``sequences`` where they were packed before.
    """

    buffer: int = 10_000
    rows: Unit = "documents"

    def faults(self) -> list[Fault]:
        """A buffer below one row; rows that are tokens."""
        return [*count_faults(1, buffer=self.buffer), *item_faults("rows", self.rows)]

    @property
    def unit(self) -> Unit:
        """What a row is."""
        return self.rows

    def export(self, mixture: TargetMixture) -> Export:
        """A module with ``DOMAINS``, ``domain`` and ``mixture``."""
        shares = {name: float(number(share)) for name, share in mixture.shares(self.unit).items()}
        last = [*shares][-1]
        shares[last] = 1.0 - sum(share for name, share in shares.items() if name != last)
        constants = {"SEED": mixture.seed, "BUFFER": self.buffer, "BUILDERS": builders_of(mixture)}
        text = module(
            "An interleaved dataset of Hugging Face; probabilities are shares of " + self.unit + ".",
            "from datasets import interleave_datasets, load_dataset",
            domain_list(mixture, shares),
            constants,
            _BODY,
        )
        return Export(text, "mixture.py", shares, by_chance=True, notes=(NOTE, *read_again(mixture)))


def read_again(mixture: TargetMixture) -> list[str]:
    """A sentence that names the domains which the run reads more than once; none where it has none that is known."""
    names = [name for name, passes in mixture.passes.items() if passes > 1.0]
    return [SAME_ORDER + ", ".join(names)] if names else []


def builder(path: str) -> str | None:
    """The builder of ``load_dataset`` for a path; None for the name of a dataset."""
    name = path.lower()
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    return next((kind for endings, kind in BUILDERS.items() if name.endswith(endings)), None)


def builders_of(mixture: TargetMixture) -> dict[str, str]:
    """Path to its builder, of those that have one.

    Raises:
        FaultsError: Several paths of a domain that no single call of ``load_dataset`` reads.
    """
    found = {path: kind for domain in mixture.domains for path in domain.paths if (kind := builder(path))}
    raise_faults(
        [
            Fault(domain.name, "only data files of one kind are read together; give one folder, or files of one ending")
            for domain in mixture.domains
            if len(domain.paths) > 1 and len({found.get(path, path) for path in domain.paths}) > 1
        ]
    )
    return found
