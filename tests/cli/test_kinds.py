"""``bomix kinds``."""

from __future__ import annotations

import pytest

from bomix.cli.kinds import group_table, in_words
from bomix.config import registry
from bomix.config.build import spec_fields
from bomix.config.descriptions import descriptions
from bomix.strategies.bayesian.turbo import Turbo
from tests.cli.called import called


@pytest.mark.parametrize("group", registry.BUILT_IN)
def test_every_kind_has_a_row(group: str) -> None:
    assert group_table(group).row_count == len(registry.kinds(group))


def test_a_kind_shows_each_key_with_type_default_and_sentence() -> None:
    code, printed = called("kinds", "turbo")
    assert code == 0
    assert printed.startswith("turbo (strategy): ")
    said = descriptions(Turbo)
    for field in spec_fields(Turbo):
        assert f" {field.name} " in printed
        assert said[field.name]
    assert "<class" not in printed
    assert in_words(int | None) == "a whole number, or nothing"


def test_what_is_misspelt_is_told_the_closest_name() -> None:
    assert "did you mean 'turbo'?" in called("kinds", "turbos")[1]
    code, printed = called("recomend", "study")
    assert code == 2
    assert "no command 'recomend'; did you mean 'recommend'?" in printed
