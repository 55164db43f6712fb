"""A newcomer's walk: the pages of docs/start, command by command, in an empty folder and with small settings.

Every ``bomix`` line of a block of shell is run, files that a page shows are written, its Python is run in between.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from bomix.cli.main import cli
from tests.test_readme import ROOT, blocks, train_my_proxy

SMALLER: Mapping[str, Mapping[str, str]] = {
    "text": {
        "max_bytes: 8M": "max_bytes: 2M",
        "tokens: 10M": "tokens: 400k",
        "tokens: 192k": "tokens: 4k",
        "validation_sequences: 512": "validation_sequences: 8",
        "trials: 16": "trials: 6",
        "confirm: 6": "confirm: 1",
    },
    "trainer": {"trials: 10": "trials: 6", "confirm: 2 ": "confirm: 1 "},
    "cluster": {},
    "tables": {},
}
"""Page to what is smaller in its study file than the page shows, so that a walk takes seconds."""
SLOW = {"text", "trainer"}
"""Pages that train."""


def walk(page: str) -> None:
    """Do what a page says, in the current folder."""
    module = ModuleType("page")
    module.__dict__["train_my_proxy"] = train_my_proxy
    for block in blocks(ROOT / "docs" / "start" / f"{page}.md", "sh", "python", "yaml", "csv"):
        if block.title:
            Path(block.title).parent.mkdir(parents=True, exist_ok=True)
            Path(block.title).write_text(smaller(page, block.text), encoding="utf-8")
        elif block.language == "python":
            exec(compile(block.text, block.page, "exec", dont_inherit=True), module.__dict__)
        elif block.language == "sh":
            for line in block.text.splitlines():
                run(page, line.split("  #")[0].strip())


def run(page: str, line: str) -> None:
    """Run a command of a page; whatever goes wrong is raised."""
    name, *arguments = shlex.split(line)
    assert name == "bomix", f"{page}: {line}"
    cli.main(arguments, prog_name="bomix", standalone_mode=False)
    if arguments[0] == "init":
        file = Path(arguments[1]) / "study.yaml"
        file.write_text(smaller(page, file.read_text(encoding="utf-8")), encoding="utf-8")


def smaller(page: str, text: str) -> str:
    """A study file with the small settings of a page."""
    if "domains:" in text:
        for shown, small in SMALLER[page].items():
            assert shown in text, f"{page}: the study file has no '{shown}' any more"
            text = text.replace(shown, small)
    return text


@pytest.mark.usefixtures("short_chains")
@pytest.mark.parametrize("page", [pytest.param(p, marks=pytest.mark.slow) if p in SLOW else p for p in SMALLER])
def test_a_newcomer_meets_no_error(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    # The page's `python train.py` is that of this environment, as in an activated one.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    walk(page)
    said = capfd.readouterr()
    assert "Traceback" not in said.out + said.err
    assert not re.search("^error:", said.out + said.err, re.MULTILINE)
