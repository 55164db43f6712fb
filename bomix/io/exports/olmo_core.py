"""OLMo-core: the configuration of a source mixture, ``SourceMixtureDatasetConfig``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from bomix.contracts.exporter import Export, ExportDomain, TargetMixture, Unit
from bomix.errors import Fault, count_faults
from bomix.io.exports.rounding import whole
from bomix.io.exports.yaml_file import dumped

_MARGIN = 1.01
"""Room above the passes that are needed: OLMo-core stops where a source is short, and files lose their remainders."""


@dataclass(frozen=True)
class OlmoCore:
    """OLMo-core's source mixture as YAML, for ``SourceMixtureDatasetConfig.from_dict``; a weight is a share of tokens.

    The tokens asked for are a whole number of global batches, so that none is filled up evenly from all files, and
    ratios are whole sequences, so that each source gets what it asks for.

    Attributes:
        processes: Processes that count tokens.
    """

    processes: int = 1

    unit: ClassVar[Unit] = "tokens"

    def faults(self) -> list[Fault]:
        """A number of processes below one."""
        return count_faults(1, processes=self.processes)

    def export(self, mixture: TargetMixture) -> Export:
        """Sources with ratios, passes and paths, and the tokens of the run."""
        batches = math.ceil(mixture.sequences / mixture.batch_sequences)
        sequences = max(batches * mixture.batch_sequences, len(mixture.domains))
        counts = whole(mixture.shares("tokens"), sequences)
        tokens = {name: count * mixture.sequence_length for name, count in counts.items()}
        sources = [
            {
                "source_name": domain.name,
                "target_ratio": counts[domain.name] / sequences,
                "max_repetition_ratio": repetition(domain, tokens[domain.name]),
                "paths": [*domain.paths],
            }
            for domain in mixture.domains
        ]
        data = {
            "source_list": {"sources": sources},
            "requested_tokens": sequences * mixture.sequence_length,
            "global_batch_size": mixture.batch_sequences * mixture.sequence_length,
            "processes": self.processes,
            "seed": mixture.seed,
        }
        notes = (
            "OLMo-core reads the head of every file, whole sequences alone: shuffle documents before they are written, "
            "and let files be much longer than a sequence",
            *unknown_passes(mixture),
        )
        return Export(dumped(data), "source_mixture.yaml", tokens, notes=notes)


def repetition(domain: ExportDomain, tokens: float) -> float:
    """The passes over a domain that are allowed: a little more than are needed, one where its tokens are unknown."""
    return 1.0 if domain.tokens is None else max(1.0, math.ceil(100 * _MARGIN * tokens / domain.tokens) / 100)


def unknown_passes(mixture: TargetMixture) -> list[str]:
    """A sentence that names domains of which nobody knows whether they must be repeated."""
    names = [domain.name for domain in mixture.domains if domain.tokens is None]
    return (
        [f"how many tokens {', '.join(names)} hold is unknown: one pass is allowed, and more is refused"]
        if names
        else []
    )
