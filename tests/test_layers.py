"""The layers hold: a module of bomix imports only from its own layer and from those below.

The table is the house's plan. A new module is entered here first; one that stands nowhere fails.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Collection, Iterator, Mapping
from importlib.util import resolve_name
from pathlib import Path

import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

ROOT = Path(__file__).resolve().parents[1]

LAYERS = (
    {"errors", "progress", "scale", "numerics"},
    {"trial", "problem", "history", "dataset", "contracts", "objectives", "space"},
    {"laws", "data_experts", "optimization", "config", "io", "callbacks"},
    {"surrogates"},
    {"posterior"},
    {"acquisition"},
    {"strategies", "training", "evaluators"},
    {"recommendation"},
    {"study", "execution", "report"},
    {"cli", "benchmark", "testing", "__main__"},
)
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}

STRANGERS = {
    ("strategies", "training"),
    ("strategies", "evaluators"),
    ("training", "strategies"),
    ("training", "evaluators"),
    ("evaluators", "strategies"),
    ("report", "study"),
    ("report", "execution"),
}
"""Importer and imported that share a layer and still keep apart: strategies never see a training, nor the reverse."""

LIGHT = {
    *("errors", "progress", "scale", "trial", "problem", "history", "dataset"),
    *("contracts", "objectives", "space", "config", "io"),
}
"""Packages that import none of the heavy ones at module level, so that a study file is read without torch."""

HEAVY_CONTRACTS = {"bomix.contracts.covariance"}
"""Modules of light packages that are only imported where torch is needed anyway."""

HEAVY = {
    "botorch",
    "datasets",
    "gpytorch",
    "linear_operator",
    "pandas",
    "pyro",
    "scipy",
    "tokenizers",
    "torch",
    "transformers",
    "xarray",
}

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "bomix").rglob("*.py"))
}


def is_type_checking(node: ast.AST) -> bool:
    """Whether a node is ``if TYPE_CHECKING:``."""
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def nodes(tree: ast.AST, *, functions: bool, types: bool) -> Iterator[ast.AST]:
    """Every node below one: inside functions, and under ``if TYPE_CHECKING:``, only where asked."""
    children = tree.orelse if isinstance(tree, ast.If) and is_type_checking(tree) and not types else None
    for child in ast.iter_child_nodes(tree) if children is None else children:
        if not functions and isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        yield child
        yield from nodes(child, functions=functions, types=types)


@functools.cache
def imports(module: str, source: str, *, functions: bool = True, types: bool = True) -> tuple[tuple[str, int], ...]:
    """The absolute names that a module imports, each with its line.

    ``from a import b`` counts as ``a.b``; ``import bomix`` as what the module then reads from it.
    """
    return tuple(_imports(module, source, functions=functions, types=types))


def _imports(module: str, source: str, *, functions: bool, types: bool) -> Iterator[tuple[str, int]]:
    package = module if MODULES.get(module, Path()).name == "__init__.py" else module.rpartition(".")[0]
    for node in nodes(ast.parse(source), functions=functions, types=types):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names if alias.name != "bomix")
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "bomix":
            yield f"bomix.{node.attr}", node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package)
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)


def file_of(name: str) -> str | None:
    """The module that a dotted name is, or is defined in: ``bomix.trial.Trial`` to ``bomix.trial``."""
    parts = name.split(".")
    return next((found for end in range(len(parts), 1, -1) if (found := ".".join(parts[:end])) in MODULES), None)


def place(name: str) -> str:
    """The part of bomix that a dotted name belongs to: ``bomix.io.store.study_folder`` to ``io``."""
    return name.split(".")[1] if "." in name else name


def climbs(module: str, source: str) -> list[str]:
    """The imports of a module that go up, or across to a stranger, each with its line; types count as well."""
    here = place(module)
    found = []
    for name, line in imports(module, source):
        there = place(name)
        if name.split(".")[0] != "bomix" or name == "bomix.__version__":
            continue
        if there not in LAYER:
            found.append(f"line {line}: {name} stands in no layer; import from the module that defines it")
        elif LAYER[there] > LAYER[here]:
            found.append(f"line {line}: {name} (layer {LAYER[there]}) is above {here} (layer {LAYER[here]})")
        elif (here, there) in STRANGERS:
            found.append(f"line {line}: {here} and {there} stand side by side")
    return found


def arrows() -> dict[str, set[str]]:
    """Module to the modules that it imports anywhere, types and imports inside functions included."""
    found: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        names = (file_of(name) for name, _ in imports(module, path.read_text("utf-8")) if name.startswith("bomix."))
        found[module] = {there for there in names if there is not None and there != module}
    return found


def rings(arrows: Mapping[str, Collection[str]]) -> list[list[str]]:
    """Groups of modules each of which reaches all others of its group, of two or more."""
    graph = [(here, there) for here, others in arrows.items() for there in others]
    names = sorted({name for arrow in graph for name in arrow})
    number = {name: index for index, name in enumerate(names)}
    rows, columns = ([number[arrow[side]] for arrow in graph] for side in (0, 1))
    matrix = coo_matrix(([1] * len(graph), (rows, columns)), shape=(len(names),) * 2)
    _, labels = connected_components(matrix, connection="strong")
    groups = [[name for name, label in zip(names, labels, strict=True) if label == each] for each in {*labels}]
    return [group for group in groups if len(group) > 1]


def test_no_ring_of_files() -> None:
    assert rings(arrows()) == [], "cut one arrow: move what both need below them"


def test_the_guard_of_rings_finds_one() -> None:
    assert rings({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]}) == [["a", "b", "c"]]
    assert rings({"a": ["b", "c"], "b": ["c"]}) == []


def test_every_module_stands_in_a_layer() -> None:
    strays = [module for module in MODULES if module != "bomix" and place(module) not in LAYER]
    assert not strays, "enter them in LAYERS, and in CONTRIBUTING.md"


@pytest.mark.parametrize("module", [module for module in MODULES if module != "bomix" and place(module) in LAYER])
def test_imports_only_go_down(module: str) -> None:
    assert climbs(module, MODULES[module].read_text("utf-8")) == []


@pytest.mark.parametrize(
    "module", [module for module in MODULES if place(module) in LIGHT and module not in HEAVY_CONTRACTS]
)
def test_low_layers_import_nothing_heavy(module: str) -> None:
    source = MODULES[module].read_text("utf-8")
    heavy = [
        f"line {line}: {name}"
        for name, line in imports(module, source, functions=False, types=False)
        if name.split(".")[0] in HEAVY
    ]
    assert heavy == [], "import them in the function that needs them"


@pytest.mark.parametrize("module", [module for module in MODULES if place(module) != "cli"])
def test_only_the_command_line_prints(module: str) -> None:
    source = MODULES[module].read_text("utf-8")
    calls = [
        f"line {node.lineno}"
        for node in ast.walk(ast.parse(source if "print" in source else ""))  # most do not even say the word
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert calls == [], "log with logging.getLogger(__name__) instead"


@pytest.mark.parametrize(
    ("module", "source", "caught"),
    [
        ("bomix.space.mixture_space", "from bomix.study.study import Study", True),
        ("bomix.space.mixture_space", "import bomix.study.study", True),
        ("bomix.space.mixture_space", "from bomix import study", True),
        ("bomix.space.mixture_space", "from bomix import Study", True),
        ("bomix.space.mixture_space", "import bomix\nbomix.Study", True),
        ("bomix.space.mixture_space", "import bomix\nbomix.__version__", False),
        ("bomix.space.mixture_space", "def f():\n    from bomix.io import store", True),
        ("bomix.io.store.study_folder", "from ...study.study import Study", True),
        ("bomix.space.mixture_space", "if TYPE_CHECKING:\n    from bomix.study.study import Study", True),
        ("bomix.space.mixture_space", "if TYPE_CHECKING:\n    pass\nelse:\n    import bomix.study.study", True),
        ("bomix.space.mixture_space", "from bomix.space.polytope import project", False),
        ("bomix.io.store.study_folder", "from bomix import __version__", False),
        ("bomix.strategies.bayesian.whole_space", "from bomix.training import loop", True),
        ("bomix.training.loop", "from bomix.evaluators import proxy", True),
        ("bomix.evaluators.proxy", "from bomix.training import loop", False),
    ],
)
def test_the_guard_itself_catches_what_it_should(module: str, source: str, caught: bool) -> None:
    assert bool(climbs(module, source)) is caught
