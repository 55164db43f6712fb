"""What README and the pages of docs show is true: Python runs, study files are read, commands parse, exports agree."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import click
import pytest
import yaml

import bomix
from bomix.cli.main import COMMANDS, cli
from bomix.config.registry import BUILT_IN, resolve
from bomix.config.spec import StudySpec
from bomix.config.study_file import load
from bomix.io.exports.mixture import TargetRun
from bomix.io.exports.sources import DomainData
from bomix.io.exports.writing import write

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LONGEST_README = 250

MINIMAL: Mapping[str, Any] = {"domains": {"web": {}, "code": {}}, "metrics": ["web", "code"]}
"""What a fragment of a study file is put into."""
STUDY_KEYS = {field.name for field in fields(StudySpec)}


class Block(NamedTuple):
    """A fenced block of a page; its title is the file that it stands for, or the format of an export."""

    page: str
    line: int
    language: str
    title: str
    text: str


def blocks(page: Path, *languages: str) -> Iterator[Block]:
    """The fenced blocks of a page in some languages, in order."""
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r'^```(\w*)(?: title="([^"]+)")?\n(.*?)^```$', text, re.MULTILINE | re.DOTALL):
        if found[1] in languages:
            line = text[: found.start()].count("\n") + 1
            yield Block(str(page.relative_to(ROOT)), line, found[1], found[2] or "", found[3])


def with_blocks(*languages: str) -> list[Path]:
    """The pages that have a block in one of some languages."""
    return [page for page in PAGES if next(blocks(page, *languages), None) is not None]


def name_of(page: Path) -> str:
    """Path of a page, for the name of a test."""
    return str(page.relative_to(ROOT))


def commands() -> list[tuple[str, str]]:
    """Where it stands and what it says, of every ``bomix ...`` line in a block of shell."""
    return [
        (f"{block.page}:{block.line}", line.split("  #")[0].strip())
        for page in PAGES
        for block in blocks(page, "sh")
        for line in block.text.replace("\\\n", " ").splitlines()
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


@pytest.mark.usefixtures("short_chains")
@pytest.mark.parametrize("page", with_blocks("python"), ids=name_of)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = ModuleType("page")
    module.__dict__["train_my_proxy"] = train_my_proxy
    monkeypatch.setitem(sys.modules, "page", module)  # dataclasses look up the module that they are defined in
    for block in blocks(page, "python"):
        if block.title in BUILT_IN["exporter"] or "sys.argv" in block.text:
            continue  # compared with the export, or run as a script by tests/test_starts.py
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


@pytest.mark.parametrize("page", with_blocks("yaml"), ids=name_of)
def test_the_study_files_of_a_page_can_be_read(page: Path, tmp_path: Path) -> None:
    for block in blocks(page, "yaml"):
        if block.title in BUILT_IN["exporter"]:
            continue
        shown = yaml.safe_load(block.text)
        assert {*shown} & STUDY_KEYS, f"{block.page}:{block.line} shows no key of a study file"
        file = tmp_path / "study.yaml"
        whole = shown if "domains" in shown else {**MINIMAL, **shown}
        if "evaluator" not in whole:
            whole = {**MINIMAL, **whole}
        file.write_text(yaml.safe_dump(whole), encoding="utf-8")
        load(file)


@pytest.mark.parametrize("page", with_blocks("json"), ids=name_of)
def test_the_json_of_a_page_is_json(page: Path) -> None:
    for block in blocks(page, "json"):
        json.loads(block.text)


def test_the_exports_that_a_page_shows_are_what_is_written() -> None:
    study = bomix.Study(["books", "code", "web"], ["loss"], target=bomix.TargetSpec(tokens=20e9))
    data = {
        "books": DomainData("/data/books", tokens=2e9, tokens_per_document=90_000),
        "code": DomainData("/data/code", tokens=20e9, tokens_per_document=1_500),
        "web": DomainData("/data/web", tokens=100e9, tokens_per_document=600),
    }
    page = ROOT / "docs" / "how-to" / "exporters.md"
    shown = [block for block in blocks(page, "json", "python", "text", "yaml") if block.title in BUILT_IN["exporter"]]
    assert len(shown) > len(BUILT_IN["exporter"]) / 2
    for block in shown:
        exporter = resolve("exporter", block.title)()
        written = write(study.problem, {"books": 0.36, "code": 0.46, "web": 0.18}, exporter, TargetRun(data=data))
        assert block.text.rstrip("\n") == written.export.text.rstrip("\n"), f"{block.page}:{block.line}"
    text = page.read_text(encoding="utf-8")
    assert [kind for kind in BUILT_IN["exporter"] if not re.search(rf"\b{kind}\b", text)] == []


def test_readme_fits_on_a_few_screens() -> None:
    assert len(PAGES[0].read_text(encoding="utf-8").splitlines()) <= LONGEST_README


def test_the_guide_lists_every_command() -> None:
    guide = (ROOT / "docs" / "guide" / "study-file.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"`bomix {name}" not in guide] == []


def test_a_wrong_option_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(click.NoSuchOption):
        test_a_command_of_a_page_parses("here", "bomix status my-study --jsn", tmp_path, monkeypatch)
