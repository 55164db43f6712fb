"""Which kind is which class."""

from __future__ import annotations

import pytest

from bomix.config import registry
from bomix.errors import UnknownKindError
from bomix.objectives.weighted import Mean

EVERY = [(group, kind) for group in registry.BUILT_IN for kind in registry.BUILT_IN[group]]


@pytest.mark.parametrize(("group", "kind"), EVERY)
def test_a_kind_is_a_class_and_a_class_has_its_kind(group, kind):
    assert registry.kind_of(group, registry.resolve(group, kind)) == kind


def test_an_import_path_is_a_kind():
    assert registry.resolve("objective", "bomix.objectives.weighted:Mean") is Mean
    assert registry.kind_of("objective", dict) == "builtins:dict"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("maen", "did you mean 'mean'"),
        ("no_such_package:Mean", "cannot import"),
        ("bomix.objectives.weighted:Men", "cannot import"),
        ("bomix.objectives.weighted:weighted_sum", "is not a class"),
    ],
)
def test_what_is_no_kind_is_told(kind, said):
    with pytest.raises(UnknownKindError, match=said):
        registry.resolve("objective", kind)
