"""olmix: sources with paths, and the mix of weights and repetition factors that it launches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from bomix.contracts.exporter import Export, ExportDomain, TargetMixture, Unit
from bomix.errors import Fault, raise_faults
from bomix.io.exports.olmo_core import repetition, unknown_passes
from bomix.io.exports.rounding import number
from bomix.io.exports.yaml_file import dumped


@dataclass(frozen=True)
class OlmixFile:
    """olmix's ``data`` and ``mix`` of a launch configuration as YAML; a weight is a share of tokens.

    A domain named ``dclm:code`` is the topic ``code`` of the source ``dclm``; weights of topics are shares of
    their source.

    Attributes:
        separator: What stands between source and topic in the name of a domain: ``/`` makes the topmost nodes of a tree
            sources, and all that is below them topics.
    """

    separator: str = ":"

    unit: ClassVar[Unit] = "tokens"

    def faults(self) -> list[Fault]:
        """An empty separator."""
        return [] if self.separator else [Fault("separator", "expected a text, ':' or '/' say, found an empty one")]

    def export(self, mixture: TargetMixture) -> Export:
        """Sources with their topics, and the mix."""
        sources: dict[str, list[ExportDomain]] = {}
        for domain in mixture.domains:
            sources.setdefault(domain.name.partition(self.separator)[0], []).append(domain)
        raise_faults(
            [
                Fault(name, "it is a domain, and the source of others; rename one of them")
                for name, domains in sources.items()
                if len(domains) > 1 and any(domain.name == name for domain in domains)
            ]
        )
        topics = {domain.name: domain.name.partition(self.separator)[2] for domain in mixture.domains}
        data = {
            "data": {"sources": [_source(name, domains, topics) for name, domains in sources.items()]},
            "mix": {name: _mix(domains, topics, mixture) for name, domains in sources.items()},
        }
        return Export(dumped(data), "mix.yaml", mixture.weights, notes=tuple(unknown_passes(mixture)))


def _source(name: str, domains: list[ExportDomain], topics: Mapping[str, str]) -> dict[str, Any]:
    if not topics[domains[0].name]:
        return {"name": name, "paths": [*domains[0].paths]}
    return {"name": name, "topics": [{"name": topics[domain.name], "paths": [*domain.paths]} for domain in domains]}


def _mix(domains: list[ExportDomain], topics: Mapping[str, str], mixture: TargetMixture) -> dict[str, Any]:
    """Weight and repetition of a source, or weights of its topics beside its own."""
    whole = math.fsum(domain.weight for domain in domains)
    leaves = [
        {
            "weight": float(number(domain.weight / (whole if topics[domain.name] else 1.0))),
            "repetition_factor": repetition(domain, domain.weight * (mixture.tokens or 0.0)),
        }
        for domain in domains
    ]
    if not topics[domains[0].name]:
        return leaves[0]
    of_topics = {topics[domain.name]: leaf for domain, leaf in zip(domains, leaves, strict=True)}
    return {"weight": float(number(whole)), **of_topics}
