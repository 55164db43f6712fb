"""Which domain is a metric's own, where the names differ: what can be wrong with the mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bomix.errors import Fault, did_you_mean

OWN_FORMS = ("own_exponential", "bimix")
"""Laws that see the weight of a metric's own domain and no other."""


def without_own(mapping: Mapping[str, str] | None, domains: Sequence[str], metrics: Sequence[str]) -> tuple[str, ...]:
    """The metrics that no domain is the own one of: neither the mapping nor their name tells."""
    return tuple(metric for metric in metrics if (mapping or {}).get(metric, metric) not in domains)


def own_form(form: str) -> str | None:
    """The field of a law's form where it sees a metric's own domain alone, as ``own_alone`` of a component tells it."""
    return "form" if form in OWN_FORMS else None


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
