"""A battery over everything that the registry holds: one class of tests for each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bomix.config import registry
from bomix.config.build import build
from bomix.testing.base import Battery

Options = Mapping[str, Any]


def spec_of(group: str, kind: str, options: Options | tuple[Options, ...] | None = None) -> Any:
    """The spec that a study file with these options says, or with the first of several."""
    first = options[0] if isinstance(options, tuple) else options
    spec, faults = build(registry.resolve(group, kind), dict(first or {}))
    assert not faults, f"give options for {group} kind '{kind}' in this file: {faults}"
    return spec


def batteries(
    base: type[Battery],
    *,
    options: Mapping[str, Options | tuple[Options, ...]],
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    make: Callable[[str, Options], Any] | None = None,
    elsewhere: Mapping[str, str] | None = None,
) -> dict[str, type[Battery]]:
    """Name to battery, for ``globals().update``: ``TestGp``, or ``TestStationary0`` where a kind has several.

    Args:
        base: The battery.
        options: Kind to the options in a study file, or to several of them; a kind that is not here has its defaults.
        settings: Kind to further attributes of its battery.
        make: Makes the spec of a kind and its options.
        elsewhere: Kind to the file that runs its battery, as what it takes is not started here.
    """
    strays = {*options, *(settings or {})} - {*registry.kinds(base.group)}
    assert not strays, f"the registry holds no {base.group} of these kinds"
    make = make or (lambda kind, given: spec_of(base.group, kind, given))
    found = {}
    for kind in sorted({*registry.kinds(base.group)} - {*(elsewhere or {})}):
        given = options.get(kind, {})
        for number, each in enumerate(several := given if isinstance(given, tuple) else (given,)):
            name = "Test" + kind.title().replace("_", "") + (str(number) if len(several) > 1 else "")
            attributes = {"spec": make(kind, each), "kind": kind, **(settings or {}).get(kind, {})}
            found[name] = type(name, (base,), attributes)
    return found
