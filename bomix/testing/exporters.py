"""What every exporter owes to whoever trains on what it writes."""

from __future__ import annotations

import ast
import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, ClassVar, get_args

import pytest
import yaml

from bomix.contracts.exporter import Export, ExportDomain, ExporterTraits, TargetMixture, Unit
from bomix.contracts.traits import traits
from bomix.errors import BomixError
from bomix.io.exports.comparison import compared
from bomix.testing.base import CountsBattery

LENGTHS = (90_000.0, 700.0, 300.0, 2500.0)
"""Mean tokens of the documents of the domains, in turn."""


def mixture(weights: Sequence[float], names: Sequence[str] = (), **run: Any) -> TargetMixture:
    """A mixture of domains with a path, tokens and documents each.

    Args:
        weights: Weights above zero; they are normalised.
        names: Names of the domains; ``d0`` and so on for those that have none.
        run: Fields of :class:`bomix.contracts.exporter.TargetMixture`; 20B tokens unless others are given.
    """
    total, named = math.fsum(weights), [*names, *(f"d{number}" for number in range(len(names), len(weights)))]
    domains = tuple(
        ExportDomain(name, weight / total, {f"/data/{name}": 1.0}, 30e9, LENGTHS[number % len(LENGTHS)])
        for number, (name, weight) in enumerate(zip(named, weights, strict=True))
    )
    return TargetMixture(domains, **{"tokens": 20e9, **run})


def read(export: Export) -> Any:
    """What an export holds, read by the ending of its file: JSON, YAML, the tree of a Python file, else the text."""
    match PurePath(export.file).suffix:
        case ".json":
            return json.loads(export.text)
        case ".yaml" | ".yml":
            return yaml.safe_load(export.text)
        case ".py":
            return ast.parse(export.text)
        case _:
            return export.text


class ExporterBattery(CountsBattery):
    """Tests of an exporter: :class:`bomix.contracts.exporter.Exporter`, ``unit`` and ``export(mixture)``.

    Three lines test one of your own::

        class TestMine(ExporterBattery):
            spec = MyExporter()

    What is tested, and why:

    * Its unit is one that shares can be converted to.
    * The same mixture gives the same text: it is kept beside the run that trains on it.
    * Every domain is in it, by its name or by its paths, and whoever trains is told how much of each is drawn.
    * What is drawn are the shares of tokens that were recommended, up to rounding, however long documents are.
    * Few tokens, tiny weights, many domains, a single one: each is written, or refused with an error of bomix.
    * The order of the domains changes nothing.
    * A file of JSON, YAML or Python can be read, whatever the names of domains are.
    * It is a frozen dataclass whose fields are keys, and whole numbers below zero are faults.

    Attributes:
        spec: The exporter.
        tolerance: Largest relative difference of a share that rounding may make where weights are tenths.
    """

    group = "exporter"
    tolerance: ClassVar[float] = 0.005

    def test_its_unit_is_known(self) -> None:
        """Shares of anything else cannot be made from shares of tokens."""
        assert self.spec.unit in get_args(Unit)

    def test_the_same_mixture_is_written_the_same(self) -> None:
        """It is a function of the mixture: no date, no path of this machine."""
        assert self.spec.export(mixture((3, 2, 5))) == self.spec.export(mixture((3, 2, 5)))

    def test_every_domain_is_written(self) -> None:
        """A trainer that does not hear of a domain trains on none of it."""
        given = mixture((3, 2, 5), ("books", "code", "web"))
        export = self.spec.export(given)
        assert {*export.drawn} == {*given.weights}
        for domain in given.domains:
            assert domain.name in export.text or all(path in export.text for path in domain.paths)
        if traits(self.spec, ExporterTraits).needs_paths:
            assert all(path in export.text for domain in given.domains for path in domain.paths)

    @pytest.mark.parametrize("weights", [(3, 2, 5), (1, 1, 1, 1, 1, 1, 1), (1,)])
    def test_shares_of_tokens_come_out_as_recommended(self, weights: tuple[float, ...]) -> None:
        """Whatever the trainer counts, tokens are what was searched for."""
        given = mixture(weights)
        for each in compared(given, self.spec.unit, self.spec.export(given)):
            assert each.share == pytest.approx(each.recommended, rel=self.tolerance)

    @pytest.mark.parametrize("run", [{"tokens": 20e12}, {"tokens": 3e6}, {"sequence_length": 131_072}, {"tokens": 1.0}])
    def test_every_domain_is_drawn_from_however_small_its_weight(self, run: dict[str, Any]) -> None:
        """A weight that was found to matter does not vanish in silence."""
        given = mixture([1e-7, 1e-4, *[1.0] * 40], **run)
        try:
            export = self.spec.export(given)
        except BomixError:
            return
        assert all(math.isfinite(count) and count > 0.0 for count in export.drawn.values())
        read(export)

    def test_the_order_of_domains_changes_nothing(self) -> None:
        """A study's domains stand in the order of its file."""
        given = mixture((3, 2, 5, 1))
        turned = dataclasses.replace(given, domains=given.domains[::-1])
        here = {each.name: each.share for each in compared(given, self.spec.unit, self.spec.export(given))}
        there = {each.name: each.share for each in compared(turned, self.spec.unit, self.spec.export(turned))}
        assert here == pytest.approx(there, rel=self.tolerance)

    @pytest.mark.parametrize(
        "name", ["a b", "it's", 'say "x"', "caf\u00e9", "a: b", "#x", "- x", "yes", "1e5", "{x}", "$HOME", "a\\b", "%s"]
    )
    def test_names_can_be_anything(self, name: str) -> None:
        """Names and paths are the user's; a file that cannot be read would be found out in a training."""
        try:
            export = self.spec.export(mixture((3, 2), (name,)))
        except BomixError:
            return
        read(export)
        assert name in export.drawn
