"""Which domain is a metric's own, where the names differ: what can be wrong with the mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bomix.errors import Fault, did_you_mean


def own_faults(mapping: Mapping[str, str] | None, domains: Sequence[str], metrics: Sequence[str]) -> list[Fault]:
    """Metrics and domains of the mapping that are not there."""
    given = (mapping or {}).items()
    faults = [
        Fault(f"own.{metric}", f"unknown metric '{metric}'{did_you_mean(metric, metrics)}")
        for metric, _ in given
        if metric not in metrics
    ]
    return faults + [
        Fault(f"own.{metric}", f"unknown domain '{domain}'{did_you_mean(domain, domains)}")
        for metric, domain in given
        if domain not in domains
    ]
