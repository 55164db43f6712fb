"""Every key that a study file can have is described, and the schema shows it to editors."""

from __future__ import annotations

import dataclasses

import pytest

from bomix.config import registry
from bomix.config.build import spec_fields
from bomix.config.descriptions import descriptions, summary
from bomix.config.schema import json_schema
from bomix.config.spec import StudySpec


@dataclasses.dataclass(frozen=True)
class Base:
    """Has one key.

    Attributes:
        first: What a :class:`~bomix.scale.Scale` is,
            over two lines.
    """

    first: int = 0


@dataclasses.dataclass(frozen=True)
class Derived(Base):
    """Has another one,
    said over two lines.

    More of it.

    Args:
        second: The other: with a colon.

    Raises:
        ValueError: No key.
    """

    second: str = ""


def test_entries_are_one_line_and_those_of_a_base_class_count() -> None:
    told = descriptions(Derived)
    assert told == {"first": "What a ``Scale`` is, over two lines.", "second": "The other: with a colon."}
    assert summary(Derived) == "Has another one, said over two lines."
    assert summary(type("Bare", (), {})) == ""


@pytest.mark.parametrize("group", registry.BUILT_IN)
def test_every_key_of_every_kind_has_its_sentence(group: str) -> None:
    specs = {kind: registry.resolve(group, kind) for kind in registry.BUILT_IN[group]}
    lacking = [
        (kind, f.name) for kind, spec in specs.items() for f in spec_fields(spec) if f.name not in descriptions(spec)
    ]
    assert lacking == [], "an entry under 'Attributes' of its docstring"


def test_the_schema_carries_sentences_and_the_kinds_that_are_meant() -> None:
    keys = json_schema(StudySpec)["properties"]
    assert [name for name, key in keys.items() if "description" not in key] == []
    assert (keys["objective"]["default"], keys["strategy"]["default"]) == ("mean", "auto")
