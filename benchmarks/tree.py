"""What the tree of the package looks like in numbers: how many rooms, how they hang together.

python benchmarks/tree.py [CHECKOUT]      # this checkout by default; an older one is read without being run
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

LONG = 300
"""Lines that a module should not exceed."""


def modules(root: Path) -> dict[str, Path]:
    """Dotted name to file."""
    files = sorted((root / "bomix").rglob("*.py"))
    return {".".join(f.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): f for f in files}


def imported(tree: ast.AST, known: Mapping[str, Path]) -> Iterator[str]:
    """The modules of bomix that a module imports anywhere, types and imports inside functions included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("bomix"):
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in known else node.module


def rings(found: Mapping[str, ast.AST], known: Mapping[str, Path]) -> list[int]:
    """Sizes of the groups of modules each of which reaches all others of its group."""
    names = {name: number for number, name in enumerate(known)}
    arrows = [(names[here], names[there]) for here, tree in found.items() for there in imported(tree, known)]
    rows, columns = zip(*((a, b) for a, b in arrows if a != b), strict=True)
    matrix = coo_matrix(([1] * len(rows), (rows, columns)), shape=(len(names),) * 2)
    sizes = Counter(connected_components(matrix, connection="strong")[1].tolist())
    return sorted((size for size in sizes.values() if size > 1), reverse=True)


def public_members(found: Mapping[str, ast.AST]) -> int:
    """Public methods and properties of ``Study``."""
    classes = (node for tree in found.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    study = next(node for node in classes if node.name == "Study")
    named = {node.name for node in study.body if isinstance(node, ast.FunctionDef)}
    own = {
        target.attr
        for node in ast.walk(study)
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self"
    }
    return sum(not name.startswith("_") for name in named | own)


def main() -> None:
    """Print the figures."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]).resolve()
    known = modules(root)
    sources = {name: file.read_text(encoding="utf-8") for name, file in known.items()}
    found = {name: ast.parse(source) for name, source in sources.items()}
    rooms = Counter(file.parent for file in known.values() if file.name != "__init__.py")
    lookups = sum(
        isinstance(node, ast.Name) and node.id in {"getattr", "hasattr"}
        for tree in found.values()
        for node in ast.walk(tree)
    )
    largest, count = rooms.most_common(1)[0]
    groups = rings(found, known)
    print(f"modules                                 {sum(rooms.values())}")
    print(f"modules at the top level                {rooms[root / 'bomix']}")
    print(f"largest package                         {count} ({largest.relative_to(root).as_posix()})")
    print(f"rings of modules, types included        {len(groups)} ({sum(groups)} modules in them)")
    print(f"getattr and hasattr                     {lookups}")
    print(f"public members of Study                 {public_members(found)}")
    print(f"modules of more than {LONG} lines          {sum(len(s.splitlines()) > LONG for s in sources.values())}")


if __name__ == "__main__":
    main()
