"""The layers hold: a module of bomix imports only from its own layer and from those below.

The table is the house's plan. A new module is entered here first; one that stands nowhere fails.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

LAYERS = (
    {"errors", "protocols", "progress"},
    {
        *("space", "bounds", "polytope", "uniform_map", "problem", "trial", "preparation"),
        *("objective", "robust_objective", "pareto_objective"),
    },
    {"config", "registry", "spec", "experts", "schema", "studyfile", "history", "references", "io"},
    {"laws", "surrogates"},
    {"strategies", "training", "evaluators"},
    {"study", "resolution", "confirmation", "execution"},
    {"cli", "report", "benchmark", "testing"},
)
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}

STRANGERS = {
    ("strategies", "training"),
    ("strategies", "evaluators"),
    ("training", "strategies"),
    ("training", "evaluators"),
    ("evaluators", "strategies"),
}
"""Importer and imported that share a layer and still keep apart: strategies never see a training, nor the reverse."""

LIGHT = 2
"""The highest layer whose modules import none of the heavy packages at module level."""

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


def run_time(node: ast.AST, *, functions: bool) -> Iterator[ast.AST]:
    """Every node below one that runs: not under ``if TYPE_CHECKING:``, and inside functions only where asked."""
    if is_type_checking(node):
        assert isinstance(node, ast.If)
        children = node.orelse
    else:
        children = list(ast.iter_child_nodes(node))
    for child in children:
        if not functions and isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        yield child
        yield from run_time(child, functions=functions)


def imports(module: str, source: str, *, functions: bool) -> Iterator[tuple[str, int]]:
    """The absolute names that a module imports, each with its line.

    ``from a import b`` counts as ``a.b``; ``import bomix`` as what the module then reads from it.
    """
    package = module if MODULES.get(module, Path()).name == "__init__.py" else module.rpartition(".")[0]
    for node in run_time(ast.parse(source), functions=functions):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names if alias.name != "bomix")
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "bomix":
            yield f"bomix.{node.attr}", node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package)
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)


def place(name: str) -> str:
    """The part of bomix that a dotted name belongs to: ``bomix.io.store`` to ``io``."""
    return name.split(".")[1] if "." in name else name


def climbs(module: str, source: str) -> list[str]:
    """The imports of a module that go up, or across to a stranger, each with its line."""
    here = place(module)
    found = []
    for name, line in imports(module, source, functions=True):
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


def test_every_module_stands_in_a_layer() -> None:
    strays = [module for module in MODULES if module != "bomix" and place(module) not in LAYER]
    assert not strays, "enter them in LAYERS, and in CONTRIBUTING.md"


@pytest.mark.parametrize("module", [module for module in MODULES if module != "bomix" and place(module) in LAYER])
def test_imports_only_go_down(module: str) -> None:
    assert climbs(module, MODULES[module].read_text("utf-8")) == []


@pytest.mark.parametrize("module", [module for module in MODULES if LAYER.get(place(module), 0) <= LIGHT])
def test_low_layers_import_nothing_heavy(module: str) -> None:
    source = MODULES[module].read_text("utf-8")
    heavy = [
        f"line {line}: {name}" for name, line in imports(module, source, functions=False) if name.split(".")[0] in HEAVY
    ]
    assert heavy == [], "import them in the function that needs them"


@pytest.mark.parametrize("module", [module for module in MODULES if place(module) != "cli"])
def test_only_the_command_line_prints(module: str) -> None:
    calls = [
        f"line {node.lineno}"
        for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert calls == [], "log with logging.getLogger(__name__) instead"


@pytest.mark.parametrize(
    ("module", "source", "caught"),
    [
        ("bomix.space", "from bomix.study import Study", True),
        ("bomix.space", "import bomix.study", True),
        ("bomix.space", "from bomix import study", True),
        ("bomix.space", "from bomix import Study", True),
        ("bomix.space", "import bomix\nbomix.Study", True),
        ("bomix.space", "import bomix\nbomix.__version__", False),
        ("bomix.space", "def f():\n    from bomix.io import store", True),
        ("bomix.io.store", "from ..study import Study", True),
        ("bomix.space", "if TYPE_CHECKING:\n    from bomix.study import Study", False),
        ("bomix.space", "if TYPE_CHECKING:\n    pass\nelse:\n    import bomix.study", True),
        ("bomix.space", "from bomix.polytope import project", False),
        ("bomix.io.store", "from bomix import __version__", False),
        ("bomix.strategies.bayesian", "from bomix.training import loop", True),
        ("bomix.training.loop", "from bomix.evaluators import proxy", True),
        ("bomix.evaluators.proxy", "from bomix.training import loop", False),
    ],
)
def test_the_guard_itself_catches_what_it_should(module: str, source: str, caught: bool) -> None:
    assert bool(climbs(module, source)) is caught
