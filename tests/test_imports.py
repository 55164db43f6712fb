"""Importing bomix is cheap, and what it offers is there.

The time itself is not asserted, as machines differ. To see it, and what takes it::

    python -c "import time; t = time.perf_counter(); import bomix; print(time.perf_counter() - t)"
    time bomix --help
    python -X importtime -m bomix.cli.main --help 2>&1 | sort -t '|' -k 2 -n | tail
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest

import bomix

HEAVY = {
    "botorch",
    "datasets",
    "gpytorch",
    "pandas",
    "pyarrow",
    "pyro",
    "scipy.optimize",
    "scipy.stats",
    "tokenizers",
    "torch",
    "transformers",
    "xarray",
}

HELP = """
import sys
from bomix.cli.main import main
sys.argv = ["bomix", "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""


def modules_after(code: str) -> set[str]:
    """Names of the modules that a fresh interpreter holds after running ``code``."""
    report = "\nimport json, sys\nsys.stderr.write(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("code", ["import bomix", HELP], ids=["import", "help"])
def test_nothing_heavy_is_imported(code: str) -> None:
    assert modules_after(code) & HEAVY == set()


@pytest.mark.parametrize("name", bomix.__all__)
def test_public_names_resolve(name: str) -> None:
    assert getattr(bomix, name) is not None


def test_the_public_names_are_all_that_it_shows() -> None:
    import bomix.study.study  # modules that were imported are no public names

    assert dir(bomix) == sorted(bomix.__all__)


def test_the_table_of_public_names_is_all_there_is() -> None:
    assert {"__version__", *bomix._HOMES} == set(bomix.__all__)


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="'bomix' has no attribute 'Sudy'"):
        bomix.Sudy  # noqa: B018


BOTORCH_NEEDS_PYRO = any(each.startswith("pyro-ppl") and "extra" not in each for each in requires("botorch") or ())
"""As before its version 0.18."""

HIDING = (
    f"""
BOTORCH_NEEDS_PYRO = {BOTORCH_NEEDS_PYRO}
"""
    """
import importlib.machinery as machinery
find = machinery.PathFinder.find_spec
hidden = {"datasets", "huggingface_hub", "safetensors", "tokenizers", "transformers"}
if not BOTORCH_NEEDS_PYRO:
    hidden.add("pyro")
machinery.PathFinder.find_spec = classmethod(
    lambda cls, name, path=None, target=None: None if name.partition(".")[0] in hidden else find(name, path, target)
)
"""
)
"""Every interpreter that finds this module, children included, is one of an environment without the extras."""

CORE = """
import sys
from pathlib import Path
import bomix
from bomix.cli.main import main

def run(*arguments):
    sys.argv = ["bomix", *arguments]
    try:
        main()
    except SystemExit as end:
        return end.code or 0

study = bomix.Study(["code", "web"], ["loss"])
for trial in study.ask(3):
    study.tell(trial, {"loss": 2.0 + trial.weights["code"]})

(Path("made") / "x").mkdir(parents=True)
head = "domains: {code: {}, web: {}}\\ntarget: {tokens: 1B}\\n"
kinds = "evaluator: {kind: synthetic, domains: [code, web]}\\nstrategy: sobol\\n"
Path("made/study.yaml").write_text(head + kinds + "budget: {trials: 2}\\n")
assert run("optimize", "made", "--quiet") == 0
assert run("export", "made", "--format", "json") == 0
(Path("told")).mkdir()
Path("told/study.yaml").write_text(head + "metrics: [loss]\\n")
Path("runs.csv").write_text("run,code,web,loss\\na,0.5,0.5,2.5\\nb,0.2,0.8,2.2\\nc,0.9,0.1,2.9\\n")
assert run("import", "told", "--weights", "runs.csv") == 0
assert run("recommend", "told") == 0
source = "{source: {kind: installed, what: stdlib}}"
proxy = f"domains: {{code: {source}}}\\nevaluator: {{kind: proxy, tokens: 100k}}\\n"
Path("proxy.yaml").write_text(proxy + "strategy: {kind: bayesian, surrogate: bayesian_gp}\\n")
print("refused", run("check", "proxy.yaml"))
Path("proxy.yaml").write_text(proxy)
print("refused", run("check", "proxy.yaml"))
"""


def test_the_core_works_without_what_trains_small_models(tmp_path: Path) -> None:
    """Teams with a trainer of their own need no transformers; where something does, it says which extra brings it."""
    (tmp_path / "sitecustomize.py").write_text(HIDING)
    paths = [str(tmp_path), str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", CORE]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("refused 2") == 2, done.stdout + done.stderr
    assert BOTORCH_NEEDS_PYRO or "pyro is not installed; pip install 'bomix[bayesian]'" in done.stderr
    packages = "datasets, safetensors, tokenizers, transformers are not installed; pip install 'bomix[proxy]'"
    assert f"'proxy' trains small models: {packages}" in done.stderr


def test_python_m_bomix_is_the_command() -> None:
    from bomix import __main__ as module
    from bomix.cli.main import main

    assert module.main is main
    done = subprocess.run([sys.executable, "-m", "bomix", "--version"], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("bomix, version ")
