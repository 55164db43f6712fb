"""Pages keep their form: links lead somewhere, decisions have all their parts, lines can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bomix.config.registry import BUILT_IN
from tests.test_layers import LAYERS

ROOT = Path(__file__).resolve().parents[1]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
PAGES = sorted(
    path
    for folder in (".", "docs", "benchmarks", "experiments")
    for path in (ROOT / folder).glob("*.md" if folder == "." else "**/*.md")
)
WIDE = {ROOT / "benchmarks", ROOT / "experiments"}
"""Folders of long tables, where a line may be as long as it must."""
SECTIONS = ["## Question", "## Chosen", "## Rejected", "## Command", "## Code"]
WIDEST = 120
KINDS_ON: Mapping[str, tuple[str, ...]] = {
    "source": ("proxies",),
    "tokenizer": ("proxies",),
    "evaluator": ("study-file",),
    "objective": ("objectives",),
    "strategy": ("strategies",),
    "surrogate": ("surrogates",),
    "kernel": ("surrogates",),
    "mean": ("experts", "surrogates"),
    "acquisition": ("strategies",),
    "reweighter": ("strategies",),
    "executor": ("study-file",),
    "exporter": ("exports",),
    "callback": ("study-file",),
}
"""Group of the registry to the pages of ``docs/guide`` that name its kinds, in backticks."""


def links(page: Path) -> Iterator[str]:
    """Targets of the links of a page that stay inside of the repository."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in target:
            yield target


def anchors(page: Path) -> set[str]:
    """What a link may name behind ``#``: the headings, in lower case, words joined by hyphens."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), f"{target}: there is no such file"
        assert not anchor or anchor in anchors(there), f"{target}: there is no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_can_be_read(page: Path) -> None:
    if WIDE & {*page.parents}:
        return
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [(number, line) for number, line in enumerate(lines, 1) if len(line) > WIDEST] == []


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name)
def test_a_decision_has_all_its_parts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.match(rf"# {int(page.name[:4])}\. \S", text), "the title begins with the number of the file"
    assert re.search(r"^\| Date \| \d{4}-\d\d-\d\d \|$", text, re.MULTILINE)
    assert re.search(r"^\| State \| (accepted|superseded by \[\d+\])", text, re.MULTILINE)
    assert re.findall(r"^## .+$", text, re.MULTILINE) == SECTIONS


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name)
def test_a_decision_names_code_and_commands_that_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    paths = re.findall(r"`([\w.]+/[\w./]*\w)`", text.partition("## Command")[2])
    spoken = [word for line in re.findall(r"`(?:python|pytest) ([^`]+)`", text) for word in line.split() if "/" in word]
    assert [path for path in (*paths, *spoken) if not (ROOT / path).exists()] == []
    assert paths, "name the modules that it rules"


def test_every_decision_stands_in_the_index() -> None:
    index = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in DECISIONS if f"]({page.name})" not in index] == []
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("group", BUILT_IN)
def test_every_kind_stands_on_a_page_of_its_group(group: str) -> None:
    pages = [ROOT / "docs" / "guide" / f"{name}.md" for name in KINDS_ON[group]]
    spoken = {word for page in pages for word in re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8"))}
    assert [kind for kind in BUILT_IN[group] if kind not in spoken] == [], f"a row for each in {KINDS_ON[group]}"


def test_the_tree_in_contributing_has_every_package_and_layer() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tree = re.search(r"^```\nbomix/\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert tree is not None
    shown = {*re.findall(r"\b(\w+)\b", tree[1])}
    packages = {path.parent.name for path in (ROOT / "bomix").glob("**/__init__.py")} - {"bomix"}
    assert packages - shown == set(), "give each a line in the tree of CONTRIBUTING.md"
    for number, names in enumerate(LAYERS):
        row = next(line for line in text.splitlines() if line.startswith(f"| {number} |"))
        assert {*re.findall(r"`(\w+)`", row.split("|")[2])} == names, f"layer {number} in CONTRIBUTING.md"
