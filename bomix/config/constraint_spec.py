"""Constraints of a study file: sums over domains that are named, or matched by patterns."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from bomix.errors import Fault, FaultsError
from bomix.io.store.plain import as_mapping, short
from bomix.space.bounds import unknown_name
from bomix.space.linear import Constraint
from bomix.space.tree import subtree

_WILD = "*?["
"""Characters by which a name is told to be a pattern where no domain has that very name."""
_SHOWN = 6  # Domains that a message lists.


@dataclasses.dataclass(frozen=True)
class ConstraintSpec:
    """One constraint: a sum of weights that is bounded below, above, or equal to something.

    A name may be a pattern (``web/*``, ``*_code``, ``?``), which stands for all domains that it matches, or a node of
    the tree (``web``), which stands for those below it.

    Example:
        >>> web = bomix.ConstraintSpec(domains=("web/*",), at_least=0.3, at_most=0.6)
        >>> wiki = bomix.ConstraintSpec(domains=("wiki",), of=("web/*",), at_most=0.2)  # wiki <= 0.2 * all of web
        >>> names = ["code", "web/high", "web/low", "wiki"]
        >>> study = bomix.Study(names, ["loss"], constraints=[web, wiki])
        >>> for each in study.problem.space.constraints:
        ...     print(each)
        'constraints[0]' (web/high + web/low from 0.3 to 0.6)
        'constraints[1]' (-0.2 web/high - 0.2 web/low + wiki at most 0)

    Attributes:
        domains: Domains whose weights are added up, by name, pattern or node.
        coefficients: Domain to its coefficient, in place of ``domains``, for sums with others than one.
        of: Domains whose sum the ends are shares of: ``at_most: 0.2`` then says at most 0.2 times that sum. Those of
            ``domains`` may be among them.
        at_least: Smallest value.
        at_most: Largest value.
        equals: The value, in place of both.
        name: What messages and tables call it.
    """

    EXAMPLE: ClassVar[str] = "{domains: [web, code], at_least: 0.5}"

    domains: tuple[str, ...] = ()
    coefficients: Mapping[str, float] = dataclasses.field(default_factory=dict)
    of: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None
    equals: float | None = None
    name: str = ""

    def faults(self) -> list[Fault]:
        """Keys that do not go together, and ends that no sum has."""
        found = []
        if bool(self.domains) == bool(self.coefficients):
            found.append(Fault("", "give either 'domains', to add up their weights, or 'coefficients'"))
        ends = {"at_least": self.at_least, "at_most": self.at_most}
        if self.equals is None and all(end is None for end in ends.values()):
            found.append(Fault("", "it has no end; give 'at_least', 'at_most' or 'equals'"))
        if self.equals is not None:
            double = [key for key, end in ends.items() if end is not None]
            found += [Fault(key, "'equals' leaves no room for it; give one or the other") for key in double]
        elif self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            what = f"it is {self.at_least:g}, above 'at_most', {self.at_most:g}; lower the one or raise the other"
            found.append(Fault("at_least", what))
        most, range_ = (math.inf, "0 on") if self.of else (1.0, "0 to 1")
        for key, end in {**ends, "equals": self.equals}.items():
            if end is not None and not self.coefficients and not 0.0 <= end <= most:
                found.append(Fault(key, f"expected a share from {range_}, found {end:g}"))
        found += [
            Fault(f"coefficients.{name}", f"expected a finite number other than 0, found {value:g}")
            for name, value in self.coefficients.items()
            if not math.isfinite(value) or value == 0.0
        ]
        return found

    def domain_faults(self, domains: Sequence[str]) -> list[Fault]:
        """Names that no domain has, patterns that match none, and domains that are meant in two ways."""
        found = []
        for key, names in (("domains", self.domains), ("coefficients", tuple(self.coefficients)), ("of", self.of)):
            for position, name in enumerate(names):
                if not _matched(name, domains):
                    where = f"coefficients.{name}" if key == "coefficients" else f"{key}[{position}]"
                    found.append(Fault(where, _nothing(name, domains)))
        for domain in domains if not found else ():
            patterns = [name for name in self.coefficients if domain in _matched(name, domains)]
            if len(patterns) > 1 and domain not in patterns:
                shown = " and ".join(f"'{name}'" for name in patterns)
                found.append(Fault("coefficients", f"{shown} both match domain '{domain}'; name it by itself"))
        if not found and self.domains and _all(self.domains, domains) == _all(self.of, domains):
            what = "it matches the very domains of 'domains', whose share of themselves is always 1"
            found.append(Fault("of", f"{what}; leave it out for shares of all tokens"))
        return found

    def over(self, domains: Sequence[str], name: str) -> Iterator[Constraint]:
        """The constraint on the domains of a study, in which nothing is wrong; a ratio with two ends is two of them.

        Args:
            domains: Their names, among which all that it names are.
            name: What it is called where it has no name of its own.
        """
        named = dict.fromkeys(_all(self.domains, domains), 1.0)
        for pattern, value in sorted(self.coefficients.items(), key=lambda each: each[0] in domains):
            named |= dict.fromkeys(_matched(pattern, domains), value)  # a domain's own name comes last, and counts
        low, high = (self.at_least, self.at_most) if self.equals is None else (self.equals, self.equals)
        name, whole = self.name or name, _all(self.of, domains)
        if not whole:
            yield Constraint(named, low, high, name)
        elif low is not None and low == high:
            yield Constraint(_less(named, low, whole), 0.0, 0.0, name)
        else:
            if low:  # a share of at least nothing says nothing
                yield Constraint(_less(named, low, whole), at_least=0.0, name=name)
            if high is not None:
                yield Constraint(_less(named, high, whole), at_most=0.0, name=name)


def constraints_of(specs: Sequence[ConstraintSpec], domains: Sequence[str]) -> tuple[tuple[Constraint, ...], list[int]]:
    """The constraints of a study on its domains, and which of the specs each is of."""
    found = [
        (each, position)
        for position, spec in enumerate(specs)
        for each in spec.over(domains, f"constraints[{position}]")
    ]
    return tuple(each for each, _ in found), [position for _, position in found]


def named_faults(specs: Sequence[ConstraintSpec], domains: Sequence[str]) -> list[Fault]:
    """What is wrong with the names in the constraints of a study, with their places."""
    return [
        Fault(f"constraints[{position}].{fault.where}", fault.what)
        for position, spec in enumerate(specs)
        for fault in spec.domain_faults(domains)
    ]


def more_named_faults(data: Any, known: Sequence[Fault]) -> list[Fault]:
    """What is wrong with the names in constraints of a study file that other faults keep from being a study.

    Args:
        data: A study file as plain data.
        known: What is wrong with it that was found already.
    """
    domains, given = (data.get("domains"), data.get("constraints")) if isinstance(data, Mapping) else (None, None)
    if not isinstance(domains, Mapping | list) or not isinstance(given, list):
        return []
    keys = [each if isinstance(each, Mapping) else {} for each in given]
    specs = [
        ConstraintSpec(
            domains=_names(each.get("domains")),
            coefficients=dict.fromkeys(_names(each.get("coefficients")), 1.0),
            of=_names(each.get("of")),
        )
        for each in keys
    ]
    return [fault for fault in named_faults(specs, tuple(map(str, domains))) if fault not in known]


def _names(given: Any) -> tuple[str, ...]:
    """The names under a key of a constraint, whatever stands there."""
    return (given,) if isinstance(given, str) else tuple(map(str, given if isinstance(given, Mapping | list) else ()))


def constraint_specs(given: Sequence[ConstraintSpec | Mapping[str, Any]]) -> tuple[ConstraintSpec, ...]:
    """Constraints as a program hands them over: specs, or their keys.

    Raises:
        FaultsError: What is neither, and everything that is wrong in their keys.
    """
    from bomix.config.build import build

    if isinstance(given, str | Mapping | ConstraintSpec) or not isinstance(given, Sequence):
        raise FaultsError([Fault("constraints", f"expected a list of constraints, found {short(given)}")])
    found: list[ConstraintSpec] = []
    faults: list[Fault] = []
    for position, each in enumerate(given):
        if isinstance(each, ConstraintSpec):
            found.append(each)
            continue
        spec, wrong = build(ConstraintSpec, as_mapping(each), where=f"constraints[{position}]")
        faults += wrong
        found += [] if spec is None else [spec]
    if faults:
        raise FaultsError(faults)
    return tuple(found)


def _matched(name: str, domains: Sequence[str]) -> list[str]:
    """The domain of that name, else those that it matches as a pattern, or that lie below the node of that name."""
    if name in domains:
        return [name]
    if below := subtree(name, domains):
        return list(below)
    return [domain for domain in domains if fnmatchcase(domain, name)] if _is_pattern(name) else []


def _all(names: Sequence[str] | Mapping[str, float], domains: Sequence[str]) -> set[str]:
    return {domain for name in names for domain in _matched(name, domains)}


def _less(named: Mapping[str, float], share: float, whole: set[str]) -> dict[str, float]:
    """Coefficients less a share of a sum; a domain on both sides, in a share of its own group, has the difference."""
    found = {name: named.get(name, 0.0) - (share if name in whole else 0.0) for name in {*named, *whole}}
    return {name: value for name, value in found.items() if value != 0.0} or found  # all zero: said to say nothing


def _is_pattern(name: str) -> bool:
    return any(character in name for character in _WILD)


def _nothing(name: str, domains: Sequence[str]) -> str:
    if not _is_pattern(name):
        return unknown_name("domain", name, domains)
    shown = ", ".join(domains[:_SHOWN]) + (", ..." if len(domains) > _SHOWN else "")
    return f"no domain matches '{name}'; there are: {shown}"
