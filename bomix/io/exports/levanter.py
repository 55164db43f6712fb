"""Levanter and Marin: weights of a mixture in blocks of whole sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from bomix.contracts.exporter import Export, TargetMixture, Unit
from bomix.io.exports.hugging_face import read_again
from bomix.io.exports.python_file import domain_list, module
from bomix.io.exports.rounding import whole
from bomix.io.exports.yaml_file import dumped

BLOCKS = tuple(2**power for power in range(11, 16))
"""Sizes of a block to choose from: 2048 is Levanter's default, and it packs a position into sixteen bits. Powers of
two, so that counts divided by their sum and multiplied again are whole: Levanter cuts what is below."""
FINE = 0.005
"""Relative rounding of a share that is small enough not to look for larger blocks: half of what is warned of."""

_BODY = """
def mixture(components, **options):
    \"\"\"Marin's data configuration; components are tokenization steps by the names of the domains.\"\"\"
    from marin.processing.tokenize.data_configs import lm_mixture_data_config

    return lm_mixture_data_config(
        components={name: components[name] for name, *_ in DOMAINS},
        weights={name: weight for name, _, weight in DOMAINS},
        mixture_block_size=BLOCK,
        **options,
    )
"""


@dataclass(frozen=True)
class Levanter:
    """Levanter's ``train_weights`` as YAML, or a Python file for Marin; a weight is a share of sequences.

    Weights are whole sequences of a block, which Levanter would cut to them: the block is as large as the smallest
    weight needs, up to 32768.

    Attributes:
        form: ``levanter`` for the ``data`` of its YAML configuration, ``configs`` for that of 2025, which named its
            ``components`` so, ``marin`` for a Python file.
    """

    form: Literal["levanter", "configs", "marin"] = "levanter"

    unit: ClassVar[Unit] = "sequences"
    needs_paths: ClassVar[bool] = False

    def export(self, mixture: TargetMixture) -> Export:
        """Counts in a block, and where the data lie if that is known."""
        shares = mixture.shares(self.unit)
        for block in BLOCKS:
            counts = whole(shares, block)
            if all(abs(count / block / shares[name] - 1.0) <= FINE for name, count in counts.items()):
                break
        if self.form == "marin":
            text = module(
                "A mixture of Marin; weights are sequences of a block.",
                "",
                domain_list(mixture, counts),
                {"BLOCK": block},
                _BODY,
            ).replace("\n\n\n\nDOMAINS", "\n\nDOMAINS")
            return Export(text, "mixture.py", counts, notes=tuple(read_again(mixture)))
        urls = {domain.name: {"train_urls": [*domain.paths]} for domain in mixture.domains if domain.paths}
        key, found = "configs", {name: dict[str, object](each) for name, each in urls.items()}
        if self.form == "levanter":
            key, found = "components", {name: {"source": {"type": "url", **each}} for name, each in urls.items()}
        data = {**({key: found} if found else {}), "train_weights": counts, "mixture_block_size": block}
        return Export(dumped({"data": data}), "data.yaml", counts, notes=tuple(read_again(mixture)))
