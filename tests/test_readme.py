"""What README and the guide show is true: their Python runs, their study files are read, their commands parse."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import click
import pytest
import yaml

from bomix.cli.main import COMMANDS, cli
from bomix.config.study_file import load

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]
LONGEST_README = 250

MINIMAL: Mapping[str, Any] = {"domains": {"web": {}, "code": {}}, "metrics": ["web", "code"]}
"""What a fragment of a study file is put into."""
STUDY_KEYS = {"domains", "metrics", "evaluator", "objective", "strategy", "experts", "target", "budget"}
STUDY_KEYS |= {"execution", "callbacks"}


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str


def blocks(page: Path, *languages: str) -> Iterator[Block]:
    """The fenced blocks of a page in some languages, in order."""
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if found[1] in languages:
            line = text[: found.start()].count("\n") + 1
            yield Block(str(page.relative_to(ROOT)), line, found[1], found[2])


def commands() -> list[tuple[str, str]]:
    """Where it stands and what it says, of every ``bomix ...`` line in a block of shell."""
    return [
        (f"{block.page}:{block.line}", line.split("  #")[0].strip())
        for page in PAGES
        for block in blocks(page, "sh")
        for line in block.text.splitlines()
        if line.startswith("bomix ")
    ]


def said_in_text() -> list[tuple[str, str]]:
    """Every ``bomix ...`` in single backticks, a command with or without arguments."""
    return [
        (str(page.relative_to(ROOT)), found)
        for page in PAGES
        for found in re.findall(r"`(bomix [^`\n]+)`", page.read_text(encoding="utf-8"))
    ]


def train_my_proxy(weights: Mapping[str, float]) -> dict[str, float]:
    """Stands for the reader's own trainer."""
    return {name: 3.0 - share + share**2 for name, share in weights.items()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = ModuleType("page")
    module.__dict__["train_my_proxy"] = train_my_proxy
    monkeypatch.setitem(sys.modules, "page", module)  # dataclasses look up the module that they are defined in
    for block in blocks(page, "python"):
        exec(compile("\n" * block.line + block.text, str(page), "exec", dont_inherit=True), module.__dict__)


@pytest.mark.parametrize(("where", "line"), commands())
def test_a_command_of_a_page_parses(where: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _, name, *arguments = shlex.split(line)
    with cli.make_context("bomix", [name, *arguments]) as context:
        command = cli.get_command(context, name)
        assert command is not None, f"{where}: there is no command {name}"
        command.make_context(name, arguments, parent=context)


@pytest.mark.parametrize(("where", "text"), said_in_text())
def test_a_command_that_a_sentence_names_is_there(where: str, text: str) -> None:
    _, name, *arguments = text.split()
    if name.startswith("-"):
        return
    command = cli.get_command(click.Context(cli), name)
    assert command is not None, f"{where}: there is no command {name}"
    options = {option for parameter in command.params for option in parameter.opts}
    assert {argument for argument in arguments if argument.startswith("--")} <= options, where


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_study_files_of_a_page_can_be_read(page: Path, tmp_path: Path) -> None:
    for block in blocks(page, "yaml"):
        shown = yaml.safe_load(block.text)
        assert {*shown} & STUDY_KEYS, f"{block.page}:{block.line} shows no key of a study file"
        file = tmp_path / "study.yaml"
        whole = shown if "domains" in shown else {**MINIMAL, **shown}
        if "evaluator" not in whole:
            whole = {**MINIMAL, **whole}
        file.write_text(yaml.safe_dump(whole), encoding="utf-8")
        load(file)


def test_readme_fits_on_a_few_screens() -> None:
    assert len(PAGES[0].read_text(encoding="utf-8").splitlines()) <= LONGEST_README


def test_the_guide_lists_every_command() -> None:
    guide = (ROOT / "docs" / "guide" / "study-file.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"`bomix {name}" not in guide] == []


def test_a_wrong_option_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(click.NoSuchOption):
        test_a_command_of_a_page_parses("here", "bomix status my-study --jsn", tmp_path, monkeypatch)
