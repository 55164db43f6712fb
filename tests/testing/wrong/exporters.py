"""Exporters that train another mixture than the one that was recommended."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass

from bomix.contracts.exporter import Export
from bomix.testing import ExporterBattery

CALLS = itertools.count()


@dataclass(frozen=True)
class Wrong:
    how: str = ""

    @property
    def unit(self) -> str:
        return {"unknown": "bytes", "documents": "documents"}.get(self.how, "tokens")

    def export(self, mixture):
        shares = mixture.shares("tokens")
        match self.how:
            case "dated":
                return Export(f"{next(CALLS)} {[*shares]}", "mixture.txt", shares)
            case "largest":
                shares = {name: share for name, share in shares.items() if share == max(shares.values())}
            case "rounded":
                shares = {name: round(share, 2) for name, share in shares.items()}
            case "first":
                shares = {name: share + (name == next(iter(shares))) for name, share in shares.items()}
            case "unquoted":
                return Export(", ".join(f"{name} = 1" for name in shares), "mixture.json", shares)
        text = json.dumps({domain.name: [*domain.paths] for domain in mixture.domains if domain.name in shares})
        return Export(text, "mixture.json", shares)


class TestUnknown(ExporterBattery):
    spec = Wrong("unknown")
    caught_by = ("test_its_unit_is_known",)


class TestDated(ExporterBattery):
    spec = Wrong("dated")
    caught_by = ("test_the_same_mixture_is_written_the_same",)


class TestLargest(ExporterBattery):
    spec = Wrong("largest")
    caught_by = ("test_every_domain_is_written",)


class TestDocuments(ExporterBattery):
    """Shares of tokens, for a trainer that counts documents."""

    spec = Wrong("documents")
    caught_by = ("test_shares_of_tokens_come_out_as_recommended",)


class TestRounded(ExporterBattery):
    spec = Wrong("rounded")
    caught_by = ("test_every_domain_is_drawn_from_however_small_its_weight",)


class TestFirst(ExporterBattery):
    spec = Wrong("first")
    caught_by = ("test_the_order_of_domains_changes_nothing",)


class TestUnquoted(ExporterBattery):
    spec = Wrong("unquoted")
    caught_by = ("test_names_can_be_anything",)
