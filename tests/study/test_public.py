"""What a user sees of a study stays small, and its help tells the truth."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import bomix
from bomix.config.build import plain
from bomix.strategies.auto import Auto
from bomix.study.study import Study

MEMBERS = {
    *("open", "spec", "folder", "problem", "history", "dataset", "records"),
    *("ask", "tell", "add", "extend", "withdraw", "run", "predict", "validate", "recommend", "plot"),
}
"""Seventeen. What looks after the record stands on ``records``, what only a driver needs in ``bomix.study.running``."""


def public(names: object) -> set[str]:
    return {name for name in vars(names) if not name.startswith("_")}


def test_a_study_has_seventeen_public_members() -> None:
    study = Study(["code", "web"], ["loss"])
    assert public(Study) | public(study) == MEMBERS
    assert len(MEMBERS) == 17


def test_the_defaults_that_its_help_names_are_those_that_it_takes(tmp_path: Path) -> None:
    study = Study(["code", "web"], ["loss"], path=tmp_path)
    text = inspect.getdoc(Study) or ""
    assert "strategy: What proposes mixtures; ``auto`` unless given" in text
    assert isinstance(study.spec.strategy, Auto)
    assert "objective: What is minimised; the mean of the metrics unless given" in text
    assert isinstance(study.spec.objective, bomix.Mean)
    assert "one at a time on this machine unless given" in text
    assert study.spec.execution == bomix.LocalExecution(workers=1)


def test_its_help_names_every_argument() -> None:
    arguments = set(inspect.signature(Study).parameters)
    section = (inspect.getdoc(Study) or "").split("Args:")[1].split("Raises:")[0]
    assert set(re.findall(r"^    (\w+): ", section, re.MULTILINE)) == arguments


def test_a_local_execution_is_resolved_with_its_kind() -> None:
    study = Study(["code", "web"], ["loss"], execution=bomix.LocalExecution(workers=2))
    kept = {"kind": "local", "workers": 2, "attempts": 1, "max_failures": 3}
    kept |= {"timeout_s": 604_800.0, "silence_s": 86_400.0, "grace_s": 10.0}
    kept |= {"devices": [], "cpus_per_trial": None, "ask_ahead": 0}
    assert list(plain(study.spec)["execution"].items()) == list(kept.items())
