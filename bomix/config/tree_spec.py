"""The key ``tree`` of a study file: how the shares inside nodes of the domains' tree are found."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from bomix.errors import Fault, FaultsError
from bomix.io.store.plain import as_mapping, short
from bomix.space.bounds import unknown_name
from bomix.space.tree import Inside, above, closed, has_empty_part, nodes


@dataclasses.dataclass(frozen=True)
class NodeSpec:
    """One node of the tree that names of domains with ``/`` form.

    Example:
        >>> names = {"web/high": bomix.DomainSpec(tokens=10e9), "web/low": bomix.DomainSpec(tokens=30e9)}
        >>> domains = {**names, "code": bomix.DomainSpec(tokens=5e9)}
        >>> study = bomix.Study(domains, ["loss"], tree={"web": {"inside": "natural"}})
        >>> study.problem.searched.space.domains  # two things to weigh, not three
        ('code', 'web')
        >>> dict(study.ask().weights)  # a quarter of what the web has is of high quality
        {'code': 0.5, 'web/high': 0.125, 'web/low': 0.375}

    Attributes:
        inside: How the shares of what is below it are found: ``natural``, in proportion to tokens; ``uniform``, equal
            among its children; ``free``, by the search. It holds for the nodes below as well unless these say
            otherwise, so that a node may be uniform within a natural one. A node below one that is not free cannot be.
    """

    EXAMPLE: ClassVar[str] = "{inside: natural}"

    inside: Inside = "free"


def inside_of(tree: Mapping[str, NodeSpec]) -> dict[str, Inside]:
    """Node to how the shares inside it are found."""
    return {node: spec.inside for node, spec in tree.items()}


def searched(domains: Sequence[str], tree: Mapping[str, NodeSpec]) -> int:
    """How many things a study weighs: nodes that are closed, and domains outside of them."""
    fixed = closed(domains, inside_of(tree))
    return len(domains) - sum(len(below) - 1 for below in fixed.values())


def tree_faults(tree: Mapping[str, NodeSpec], domains: Sequence[str], *, phases: bool = False) -> list[Fault]:
    """What is wrong with the tree, seen without the domains' tokens.

    Args:
        tree: Node to what is said of it; where it is empty, names may be anything.
        domains: Names of the domains.
        phases: Whether a mixture is one of each of two phases, whose weights are searched one by one.
    """
    if not tree:
        return []
    if phases and (fixed := [node for node, spec in tree.items() if spec.inside != "free"]):
        what = "with 'phases' every domain has a weight in each phase, and none can be fixed inside a node"
        return [Fault(f"tree.{fixed[0]}.inside", f"{what}; leave 'phases' or the tree out")]
    found = [
        Fault(f"domains.{name}", f"'{name}' has an empty part, and stands nowhere in the tree; rename the domain")
        for name in domains
        if has_empty_part(name)
    ]
    for name in domains:
        if below := [other for other in domains if name in above(other)]:
            what = f"it is a domain, and the node above '{below[0]}'; call it '{name}/rest', say"
            found.append(Fault(f"domains.{name}", what))
    known, inside = nodes(domains), inside_of(tree)
    for node in tree:
        if node in domains:
            if not any(fault.where == f"domains.{node}" for fault in found):
                found.append(Fault(f"tree.{node}", f"'{node}' is a domain, which has nothing inside; {_nodes(known)}"))
        elif node not in known:
            found.append(Fault(f"tree.{node}", _unknown(node, list(known))))
        elif inside[node] == "free" and (shut := [each for each in above(node) if inside.get(each, "free") != "free"]):
            what = f"the shares inside '{shut[0]}', which is above it, are fixed; let that be free as well"
            found.append(Fault(f"tree.{node}.inside", what))
    return found


def without_tokens(tree: Mapping[str, NodeSpec], domains: Sequence[str], tokens: Mapping[str, float]) -> list[Fault]:
    """The nodes with natural shares of which some domain's tokens are unknown.

    Args:
        tree: Node to what is said of it; nothing else is wrong with it.
        domains: Names of the domains.
        tokens: Domain to its tokens, where they are known.
    """
    found, known = [], nodes(domains)
    for node, spec in tree.items():
        if spec.inside == "natural" and (lacking := [name for name in known[node] if not tokens.get(name)]):
            what = f"natural shares are in proportion to tokens, and those of '{lacking[0]}' are unknown"
            cure = f"give domains.{lacking[0]}.tokens, or take 'uniform'"
            found.append(Fault(f"tree.{node}.inside", f"{what}; {cure}"))
    return found


def tree_specs(given: Any) -> dict[str, NodeSpec]:
    """The tree as a program hands it over: node to spec, or to its keys.

    Raises:
        FaultsError: What is neither, and everything that is wrong in the keys.
    """
    from bomix.config.build import build

    named = as_mapping(given)
    if not isinstance(named, Mapping):
        raise FaultsError([Fault("tree", f"expected a mapping from nodes to their keys, found {short(given)}")])
    found: dict[str, NodeSpec] = {}
    faults: list[Fault] = []
    for node, each in named.items():
        spec, wrong = (each, []) if isinstance(each, NodeSpec) else build(NodeSpec, each, where=f"tree.{node}")
        faults += wrong
        if spec is not None:
            found[str(node)] = spec
    if faults:
        raise FaultsError(faults)
    return found


def _nodes(known: Mapping[str, object]) -> str:
    return f"nodes are: {', '.join(known)}" if known else "no name of a domain has a '/', so that there are no nodes"


def _unknown(node: str, known: Sequence[str]) -> str:
    return unknown_name("node", node, known) if known else f"unknown node '{node}'; {_nodes({})}"
