"""olmix: sources with paths, and the mix of weights and repetition factors that it launches."""

from __future__ import annotations

import math
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
    """

    unit: ClassVar[Unit] = "tokens"

    def export(self, mixture: TargetMixture) -> Export:
        """Sources with their topics, and the mix."""
        sources: dict[str, list[ExportDomain]] = {}
        for domain in mixture.domains:
            sources.setdefault(domain.name.partition(":")[0], []).append(domain)
        raise_faults(
            [
                Fault(name, "it is a domain, and the source of others; rename one of them")
                for name, domains in sources.items()
                if len(domains) > 1 and any(domain.name == name for domain in domains)
            ]
        )
        data = {
            "data": {"sources": [_source(name, domains) for name, domains in sources.items()]},
            "mix": {name: _mix(domains, mixture) for name, domains in sources.items()},
        }
        return Export(dumped(data), "mix.yaml", mixture.weights, notes=tuple(unknown_passes(mixture)))


def _topic(domain: ExportDomain) -> str:
    return domain.name.partition(":")[2]


def _source(name: str, domains: list[ExportDomain]) -> dict[str, Any]:
    if not _topic(domains[0]):
        return {"name": name, "paths": [*domains[0].paths]}
    return {"name": name, "topics": [{"name": _topic(domain), "paths": [*domain.paths]} for domain in domains]}


def _mix(domains: list[ExportDomain], mixture: TargetMixture) -> dict[str, Any]:
    """Weight and repetition of a source, or weights of its topics beside its own."""
    whole = math.fsum(domain.weight for domain in domains)
    leaves = [
        {
            "weight": float(number(domain.weight / (whole if _topic(domain) else 1.0))),
            "repetition_factor": repetition(domain, domain.weight * (mixture.tokens or 0.0)),
        }
        for domain in domains
    ]
    if not _topic(domains[0]):
        return leaves[0]
    topics = {_topic(domain): leaf for domain, leaf in zip(domains, leaves, strict=True)}
    return {"weight": float(number(whole)), **topics}
