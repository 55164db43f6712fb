"""What the batteries share: a component is a frozen spec that a study file can say."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Hashable
from typing import Any, ClassVar, TypeVar

import pytest
import yaml

from bomix.config import registry
from bomix.config.build import build, plain, spec_fields
from bomix.config.components import COMPONENTS, TRAITS
from bomix.contracts.traits import ComponentTraits, field_values, trait_faults, traits
from bomix.errors import Fault

T = TypeVar("T")


class Battery:
    """Tests of one component.

    Attributes:
        spec: The component under test, every field filled in.
        kind: The name that it is registered under, where it has one: it must lead back to the class.
        needs: An optional package that it stands on; without it the whole battery is skipped.
        group: The registry group of the battery.
    """

    spec: ClassVar[Any]
    kind: ClassVar[str | None] = None
    needs: ClassVar[str | None] = None
    group: ClassVar[str]
    _kept: ClassVar[dict[Hashable, Any]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._kept = {}

    @pytest.fixture(autouse=True)
    def _needed(self) -> None:
        if self.needs is not None:
            pytest.importorskip(self.needs)

    @classmethod
    def once(cls, key: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` returns, made once for a class: a fit that several tests look at, say."""
        if key not in cls._kept:
            cls._kept[key] = make()
        found: T = cls._kept[key]
        return found


class SpecBattery(Battery):
    """Tests of a component that stands in a study file."""

    def test_it_has_the_methods_of_its_contract(self) -> None:
        """Bomix calls them by name; a class that lacks one is refused when a study file names it."""
        contract = next(contract for contract, group in COMPONENTS.items() if group == self.group)
        assert isinstance(self.spec, contract)

    def test_its_traits_are_spelt_and_typed_as_its_contract_says(self) -> None:
        """One that is misspelt would be taken for absent; a study refuses it."""
        assert trait_faults(self.spec, TRAITS[self.group]) == []

    def test_it_is_a_frozen_dataclass(self) -> None:
        """A spec never changes: what is learnt is returned, so that a study can be resumed from its folder alone."""
        assert dataclasses.is_dataclass(self.spec)
        assert type(self.spec).__dataclass_params__.frozen  # type: ignore[union-attr]

    def test_a_study_file_can_say_it(self) -> None:
        """Its fields are keys of the study file; written out as YAML or JSON and read back it is the same."""
        data = plain(self.spec)
        assert build(type(self.spec), data) == (self.spec, [])
        for written in (json.loads(json.dumps(data)), yaml.safe_load(yaml.safe_dump(data))):
            assert build(type(self.spec), written) == (self.spec, [])

    def test_its_kind_leads_back_to_the_class(self) -> None:
        """A study folder names the class by its kind, or as ``module:Class``, and must find it again."""
        found = registry.kind_of(self.group, type(self.spec))
        assert registry.resolve(self.group, found) is type(self.spec)
        assert self.kind in (None, found)

    def test_it_has_no_faults(self) -> None:
        """What a study file gets wrong is listed by ``faults``; a spec that is right has an empty list."""
        assert traits(self.spec, ComponentTraits).faults() == []


class CountsBattery(SpecBattery):
    """Tests of a component whose whole numbers are counts.

    Attributes:
        may_be_negative: Fields that are whole numbers and may be below zero.
    """

    may_be_negative: ClassVar[tuple[str, ...]] = ()

    def test_every_whole_number_that_makes_no_sense_is_a_fault(self) -> None:
        """A count of -1 is a slip in the study file: it is named before anything runs."""
        for field in spec_fields(type(self.spec)):
            if type(field_values(self.spec)[field.name]) is int and field.name not in self.may_be_negative:
                found = traits(dataclasses.replace(self.spec, **{field.name: -1}), ComponentTraits).faults()
                assert all(isinstance(fault, Fault) for fault in found)
                assert any(fault.where == field.name for fault in found), f"{field.name} = -1 passes"
