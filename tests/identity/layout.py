"""What the recordings need of bomix, found wherever it lives: modules move between the versions that are compared."""

from __future__ import annotations

import dataclasses
import importlib
import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bomix

_HOMES = {
    "kinds": ("bomix.registry", "bomix.config.registry"),
    "Preparation": ("bomix.preparation", "bomix.contracts.preparation"),
    "Scale": ("bomix.scale", "bomix.contracts.scale"),
    "Fidelity": ("bomix.problem",),
}
"""Name to the modules that have had it."""

PACKAGE = Path(bomix.__file__).resolve().parent


def found(name: str) -> Any:
    """An object of bomix by its name, from the first of its homes that is there."""
    for home in _HOMES.get(name, ()):
        try:
            return getattr(importlib.import_module(home), name)
        except (ImportError, AttributeError):
            continue
    for file in sorted(PACKAGE.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if re.search(rf"^(class|def) {name}\b", text, re.MULTILINE):
            parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
            return getattr(importlib.import_module(".".join(parts)), name)
    raise LookupError(f"no module of {PACKAGE} has {name}; add its home to {__name__}")


def records(study: bomix.Study) -> Any:
    """What keeps the trials of a study: the study itself, in the first versions."""
    return getattr(study, "records", study)


def command() -> list[str]:
    """What runs the command line of this very checkout."""
    text = (PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8")
    module, _, function = tomllib.loads(text)["project"]["scripts"]["bomix"].partition(":")
    return [sys.executable, "-c", f"import sys; from {module} import {function} as main; sys.exit(main())"]


def scale(*, params: int, tokens: int) -> Any:
    """The scale of a run: non-embedding parameters and training tokens."""
    try:
        made = found("Scale")
    except LookupError:
        made = found("Fidelity")
    names = {field.name for field in dataclasses.fields(made)}
    axes = {"params": params, "tokens": tokens}
    return made(**axes) if axes.keys() <= names else made(axes)


def scale_of(trial: Any) -> list[float] | None:
    """Parameters and tokens of a trial, None where they are unknown."""
    value = getattr(trial, "scale", None) or getattr(trial, "fidelity", None)
    if value is None:
        return None
    known: dict[str, Any] = {}
    for field in dataclasses.fields(value):  # one field per axis, or one mapping of all axes
        own = getattr(value, field.name)
        known |= dict(own) if isinstance(own, Mapping) else {field.name: own}
    return [float(known[name]) for name in ("params", "tokens")]


@dataclass(frozen=True)
class AtScale:
    """An evaluator whose runs have a known scale and which nobody runs: results are told.

    Attributes:
        metrics: Names of the losses, nats per token.
        params: Non-embedding parameters of a run.
        tokens: Training tokens of a run.
    """

    metrics: tuple[str, ...]
    params: int
    tokens: int

    def prepare(self, domains: Sequence[str]) -> Any:
        """Nothing to measure but what the fields say."""
        made = found("Preparation")
        names = {field.name for field in dataclasses.fields(made)}
        where = "scale" if "scale" in names else "fidelity"
        metrics = tuple(bomix.Metric(name) for name in self.metrics)
        return made(metrics=metrics, **{where: scale(params=self.params, tokens=self.tokens)})

    def scale_faults(self, scale: Any) -> list[Any]:
        """None: whoever tells the results trains at any scale."""
        return []

    def evaluate(self, trial: bomix.Trial, workdir: Path) -> bomix.Result:
        """Never called."""
        raise NotImplementedError("results are told")
