"""Every number that decides behaviour says why: a docstring below it, or a comment above or beside it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def is_number(value: ast.AST) -> bool:
    """Whether an expression is a number, or is made of numbers: a tuple of them, a call with one, a mapping to them."""
    if isinstance(value, ast.Constant):
        return isinstance(value.value, (int, float)) and not isinstance(value.value, bool)
    if isinstance(value, ast.UnaryOp):
        return is_number(value.operand)
    if isinstance(value, ast.BinOp):
        return is_number(value.left) or is_number(value.right)
    if isinstance(value, (ast.Tuple, ast.List, ast.Set)):
        return any(map(is_number, value.elts))
    if isinstance(value, ast.Dict):
        return any(map(is_number, value.values))
    if isinstance(value, ast.Call):
        return any(map(is_number, [*value.args, *(keyword.value for keyword in value.keywords)]))
    return False


def names(node: ast.Assign | ast.AnnAssign) -> list[str]:
    """What an assignment binds."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]


def is_text(node: ast.stmt) -> bool:
    """Whether a statement is a string that stands by itself."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def unexplained(source: str) -> set[str]:
    """Names of the numbers at the top of a module that nothing explains."""
    body, lines, found = ast.parse(source).body, source.splitlines(), set()
    for place, node in enumerate(body):
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None or not is_number(node.value):
            continue
        below = place + 1 < len(body) and is_text(body[place + 1])
        above = node.lineno > 1 and lines[node.lineno - 2].lstrip().startswith("#")
        beside = "#" in lines[(node.end_lineno or node.lineno) - 1]
        if not (below or above or beside):
            found |= set(names(node))
    return found


def modules() -> dict[str, Path]:
    """Dotted name to file."""
    # The numbers of bomix.testing are those of examples: they decide nothing.
    files = sorted(file for file in (ROOT / "bomix").rglob("*.py") if "testing" not in file.parts)
    return {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in files}


MODULES = modules()


@pytest.mark.parametrize("module", MODULES)
def test_every_number_says_why(module):
    found = sorted(unexplained(MODULES[module].read_text("utf-8")))
    assert not found, f"say below each why it has this value, and what another would cost: {', '.join(found)}"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("_A = 1.0\n", {"_A"}),
        ("_A, _B = 1, 2\nx = f()\n", {"_A", "_B"}),
        ("_A: float = -1.0\n", {"_A"}),
        ("_A = {'x': 1e-3}\n", {"_A"}),
        ("_A = Search(raw=512)\n", {"_A"}),
        ('_A = 1.0\n"""Why."""\n', set()),
        ("# Why.\n_A = 1.0\n", set()),
        ("_A = 1.0  # why\n", set()),
        ("_A = 'text'\n_B = True\n", set()),
        ("def f():\n    a = 1.0\n", set()),
    ],
)
def test_what_counts_as_a_number_and_as_an_explanation(source, found):
    assert unexplained(source) == found
