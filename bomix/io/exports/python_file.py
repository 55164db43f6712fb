"""Python files that exporters write: constants first, as literals, then code that reads them."""

from __future__ import annotations

from collections.abc import Mapping

from bomix.contracts.exporter import TargetMixture


def domain_list(mixture: TargetMixture, weights: Mapping[str, float]) -> str:
    """The constant ``DOMAINS``: name, paths and weight of each domain, a line each.

    Args:
        mixture: Whose domains and paths.
        weights: Domain to the number that the trainer is given.
    """
    lines = [f"    ({domain.name!r}, {[*domain.paths]!r}, {weights[domain.name]!r})," for domain in mixture.domains]
    return "\n".join(["DOMAINS = [", *lines, "]"])


def module(title: str, imports: str, domains: str, constants: Mapping[str, object], body: str) -> str:
    """A whole module.

    Args:
        title: A sentence for its docstring.
        imports: Its import lines.
        domains: What :func:`domain_list` returns.
        constants: Name to value of its other constants.
        body: The code below them.
    """
    values = "".join(f"{name} = {value!r}\n" for name, value in constants.items())
    return f'"""{title} Written by bomix."""\n\n{imports}\n\n{domains}\n{values}\n\n{body.strip()}\n'
