"""Attributes are not looked up by name: what may be absent is a trait. What cannot be helped has its reason here."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "bomix"

MOST = 10
"""Sites in all; there were 113 of them before there were traits."""

REASONS = {
    "__init__.py": "public names are imported at their first use",
    "testing/__init__.py": "batteries are imported at their first use, so that one for objectives waits for no torch",
    "config/registry.py": "dispatch by address, module:name",
    "contracts/traits.py": "the reader of traits",
    "surrogates/fully_bayesian/gp_draws.py": "GPyTorch takes a function of the module for each prior",
    "training/data/tokenizer.py": "a transformers tokenizer has a fast one inside, or has none",
    "training/device.py": "probes that are private to torch and differ by version",
}
"""File to why it looks up an attribute by name."""


def sites(source: str) -> list[int]:
    """Lines on which ``getattr`` or ``hasattr`` is named, called or handed on."""
    named = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name))
    return [node.lineno for node in named if node.id in {"getattr", "hasattr"}]


def test_attributes_are_looked_up_by_name_in_few_places_each_with_its_reason():
    found = Counter(
        {
            path.relative_to(ROOT).as_posix(): len(lines)
            for path in sorted(ROOT.rglob("*.py"))
            if (lines := sites(path.read_text("utf-8")))
        }
    )
    assert set(found) == set(REASONS), "declare it as a trait in contracts/, or read the field itself"
    assert found.total() <= MOST


def test_the_count_sees_what_it_should():
    assert sites("a = getattr(b, 'c')\nmap(hasattr, b)\nb.getattr\n'getattr(x)'") == [1, 2]
