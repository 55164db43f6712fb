"""The tree that names with ``/`` form: ``web/code/high`` lies below the nodes ``web/code`` and ``web``.

Domains are leaves. A name that has an empty part (``web//high``), and one that is itself the beginning of another, say
nothing of a tree: they stand for themselves alone, and a study file with the key ``tree`` refuses them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Inside: TypeAlias = Literal["natural", "uniform", "free"]
"""How the shares inside a node are found: in proportion to tokens, equal among its children, or by the search."""

_ENDS = "/"
"""What stands between the parts of a name, and behind that of a node where it is shown."""


def nodes(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Node to the domains below it, sorted; a node stands before those below it.

    Args:
        names: Names of all domains.
    """
    found: dict[str, list[str]] = {}
    taken = set(names)
    for name in sorted(names):
        if not has_empty_part(name):
            for node in above(name):
                found.setdefault(node, []).append(name)
    return {node: tuple(found[node]) for node in sorted(found) if node not in taken}


def subtree(name: str, names: Sequence[str]) -> tuple[str, ...]:
    """The domains below the node of a name, in their order; none where there is no such node."""
    return tuple(each for each in names if each.startswith(name + _ENDS) and not has_empty_part(each))


def above(name: str) -> tuple[str, ...]:
    """The nodes above a domain or a node, the topmost first."""
    parts = name.split(_ENDS)
    return tuple(_ENDS.join(parts[:count]) for count in range(1, len(parts)))


def has_empty_part(name: str) -> bool:
    """Whether nothing stands before, behind or between the strokes of a name."""
    return not all(part.strip() for part in name.split(_ENDS))


def children(node: str, below: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Child of a node, itself a node or a domain, to the domains that it stands for.

    Args:
        node: Its name.
        below: The domains below it.
    """
    found: dict[str, list[str]] = {}
    for name in below:
        part = name[len(node) + 1 :].partition(_ENDS)[0]
        found.setdefault(f"{node}{_ENDS}{part}", []).append(name)
    return {child: tuple(each) for child, each in found.items()}


def closed(names: Sequence[str], inside: Mapping[str, Inside]) -> dict[str, tuple[str, ...]]:
    """Node that is searched as one domain to the domains below it: the topmost whose shares are not free.

    Args:
        names: Names of all domains.
        inside: Node to how its shares are found; a node that it does not name is free unless one above it is not.
    """
    found = nodes(names)
    fixed = [node for node in found if inside.get(node, "free") != "free"]
    return {node: found[node] for node in fixed if not any(each in fixed for each in above(node))}


def shares_inside(
    node: str, below: Sequence[str], inside: Mapping[str, Inside], tokens: Mapping[str, float], rule: Inside
) -> dict[str, float]:
    """Share of each domain in a node, which sum to one.

    Args:
        node: Its name.
        below: The domains below it.
        inside: Node to how its own shares are found; others are as the nearest one above.
        tokens: Domain to its tokens, above zero; needed of those below a natural node.
        rule: How those of this one are found unless ``inside`` says.
    """
    rule = inside.get(node, rule)
    parts = children(node, below)
    of = {
        child: 1.0 if rule == "uniform" else sum(tokens[name] for name in domains) for child, domains in parts.items()
    }
    total = sum(of.values())
    found: dict[str, float] = {}
    for child, domains in parts.items():
        within = {child: 1.0} if domains == (child,) else shares_inside(child, domains, inside, tokens, rule)
        found |= {name: of[child] / total * share for name, share in within.items()}
    return found


@dataclass(frozen=True)
class Row:
    """A line of a table that shows a tree.

    Attributes:
        name: Name of the domain or the node.
        depth: How many nodes stand above it in the table.
        domains: The domains that it stands for: its own name alone, or those below.
        parent: The node above it in the table; empty for none.
    """

    name: str
    depth: int
    domains: tuple[str, ...]
    parent: str = ""

    @property
    def is_node(self) -> bool:
        """Whether it is a sum."""
        return self.domains != (self.name,)

    @property
    def label(self) -> str:
        """What follows the node above it, behind as many steps as there are nodes; a node ends in ``/``."""
        last = self.name[len(self.parent) + 1 :] if self.parent else self.name
        return "  " * self.depth + last + (_ENDS if self.is_node else "")

    def sum(self, values: Mapping[str, float]) -> float:
        """The sum over its domains."""
        return sum(values[name] for name in self.domains)


def rows(names: Sequence[str], values: Mapping[str, float] | None = None) -> list[Row]:
    """Lines of a table: every node before what is below it, the largest sums first at each level.

    A node of a single domain is left out: it says what the domain does.

    Args:
        names: Names of the domains; without a tree each is a line of its own.
        values: Domain to what is summed; by name where there is none.
    """
    found = {node: domains for node, domains in nodes(names).items() if len(domains) > 1}
    under: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for name, domains in [*found.items(), *((name, (name,)) for name in names)]:
        parents = [node for node in above(name) if node in found and domains[0] in found[node]]
        under.setdefault(parents[-1] if parents else "", []).append((name, domains))

    def size(item: tuple[str, tuple[str, ...]]) -> tuple[float, str]:
        return (-sum(values[name] for name in item[1]) if values else 0.0, item[0])

    def below(parent: str, depth: int) -> Iterator[Row]:
        for name, domains in sorted(under.get(parent, ()), key=size):
            yield Row(name, depth, domains, parent)
            if domains != (name,):
                yield from below(name, depth + 1)

    return list(below("", 0))
