"""litdata: a Python file with a combined streaming dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bomix.contracts.exporter import Export, TargetMixture, Unit
from bomix.errors import Fault, count_faults
from bomix.io.exports.python_file import module
from bomix.io.exports.rounding import number

SHORT = (
    "litdata ends an epoch where its first dataset ends: train over as many epochs as the run needs, with litdata's "
    "StreamingDataLoader, of which each shuffles anew; with another loader all epochs are of the same blocks"
)
"""A note on runs that are longer than a dataset."""
SAME = "every worker draws the domains in the same order, so that a batch may hold a single one; take large batches"
"""A note on the order in which workers draw."""

UNREAD = 0.01
"""Share of a domain's text that goes unread by reading the rest twice, from which on it is told."""

_BODY = """
def mixture(seed=SEED, block=BLOCK, **options):
    \"\"\"A dataset of token blocks that draws from the domains with these weights.\"\"\"
    options = {"shuffle": True, "drop_last": True, "seed": seed, **options}
    parts = [
        StreamingDataset(input_dir=path, item_loader=TokensLoader(block_size=block), **options) for _, path, _ in PARTS
    ]
    return CombinedStreamingDataset(
        parts, weights=[weight for *_, weight in PARTS], seed=seed, iterate_over_all=False
    )
"""


@dataclass(frozen=True)
class Litdata:
    """A Python file whose ``mixture()`` is litdata's combined dataset; a weight is a share of sequences, its blocks.

    Attributes:
        extra: Tokens of a block beyond the sequence: the one that the last position predicts.
    """

    extra: int = 1

    unit: ClassVar[Unit] = "sequences"
    weighs_paths: ClassVar[bool] = True

    def faults(self) -> list[Fault]:
        """A number of tokens below zero."""
        return count_faults(0, extra=self.extra)

    def export(self, mixture: TargetMixture) -> Export:
        """A module with ``PARTS`` and ``mixture``."""
        constants = {"SEED": mixture.seed, "BLOCK": mixture.sequence_length + self.extra}
        imports = "from litdata import CombinedStreamingDataset, StreamingDataset, TokensLoader"
        text = module(TITLE, imports, parts(mixture), constants, _BODY)
        return Export(text, "mixture.py", mixture.weights, by_chance=True, notes=notes_of(mixture))


def notes_of(mixture: TargetMixture) -> tuple[str, ...]:
    """What whoever trains with litdata should know: how epochs end, and what is then read of each domain."""
    return (SHORT, SAME, *unread(mixture))


def unread(mixture: TargetMixture) -> list[str]:
    """A sentence on the domains of which a run of several epochs reads less text than its passes say.

    An epoch ends with the domain that is read first, ``min_d tokens_d / weight_d`` tokens. It has a share ``f`` of the
    text of another, and the next one has a share ``f`` of it that was shuffled anew: ``n`` of them have
    ``1 - (1 - f)^n``, and not ``n f``.
    """
    of = mixture.passes
    if len(of) < len(mixture.domains):
        return []
    epochs = max(of.values())  # an epoch is a pass over the domain that is read most often
    whole, rest = divmod(epochs, 1.0)
    told = []
    for name, passes in of.items():
        part = passes / epochs
        read = 1.0 - (1.0 - part) ** whole * (1.0 - part * rest)
        if min(passes, 1.0) - read > UNREAD:
            told.append(f"{name} {100 * read:.0f} % in {passes:.2f} passes")
    what = f"the run is of {epochs:.1f} epochs, which draw parts of the text anew: some is read again, and less read"
    return [f"{what} than the passes say, {', '.join(told)}"] if told else []


TITLE = "A combined dataset of litdata; weights are shares of blocks of tokens."


def parts(mixture: TargetMixture) -> str:
    """The constant ``PARTS``: a domain, a folder and a weight for each path, since each is a dataset."""
    shares = {path: float(number(share)) for path, share in mixture.path_shares("sequences").items()}
    lines = [
        f"    ({domain.name!r}, {path!r}, {shares[path]!r})," for domain in mixture.domains for path in domain.paths
    ]
    return "\n".join(["PARTS = [", *lines, "]"])
