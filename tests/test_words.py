"""Names and sentences are the field's: what nobody could guess has been retired, and stays so."""

from __future__ import annotations

import ast
import functools
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

NAMES = {
    "alike": "tied (hyperparameters), same",
    "apart": "independent, separate, another scale",
    "astray": "outlier",
    "bend": "curvature",
    "beside": "extra, extra inputs",
    "caution": "extrapolation",
    "doubt": "uncertainty",
    "felt": "effect",
    "foretell": "predict",
    "foretold": "predicted",
    "frame": "context, kernel context",
    "heard": "weight",
    "hopeful": "optimistic",
    "loud": "scale",
    "pull": "penalty",
    "reach": "typical distance",
    "tame": "winsorise",
    "tamed": "winsorised",
    "telling": "informative",
    "walk": "chain, chain settings",
    "warped": "learned encoding",
}
"""Words that no name of the code has, with what is meant."""

PROSE = {
    "astray": "an outlier",
    "bend": "curvature",
    "felt": "an effect",
    "foretell": "predict",
    "foretells": "predicts",
    "foretold": "predicted",
    "hopeful": "optimistic",
    "loud": "of a large scale",
    "tame": "winsorise",
    "tamed": "winsorised",
    "on its way": "pending",
    "on the way": "pending",
    "on their way": "pending",
    "worth trying": "of a high acquisition value",
}
"""Words and phrases that no docstring, comment, message or page has, with what is meant."""

FRAGMENTS = (
    re.compile(r"^ +\w+: (?:Of|As) ", re.MULTILINE),
    re.compile(r"^ +\w+: (?:How|As there|As above|See above|See there)\.$", re.MULTILINE),
)
"""Entries of a docstring that are no sentence or noun phrase of their own: "Of the starts.", "As there."."""

ONLY_A_REFERENCE = re.compile(r"(?:See|As) (?:also )?:\w+:`[^`]+`[.;]?")
"""A docstring that says nothing but where another one stands."""

RETIRED = re.compile("|".join(rf"\b{phrase}\b" for phrase in PROSE))
"""Any of the words and phrases."""

MODULES = sorted((ROOT / "bomix").rglob("*.py"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bomix").rglob("*.yaml")])


@functools.cache
def words(name: str) -> list[str]:
    """The words of a name: ``mean_at``, ``KernelContext``; pandas' own name of a table is none of ours."""
    name = name.replace("DataFrame", "")
    return [word.lower() for part in name.split("_") for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", part)]


def retired(text: str) -> list[str]:
    """The retired words and phrases of a text."""
    plain = " ".join(re.findall(r"[a-z']+", text.lower()))
    if RETIRED.search(plain) is None:
        return []
    return [phrase for phrase in PROSE if re.search(rf"\b{phrase}\b", plain)]


def docstrings(source: str) -> list[str]:
    """Every docstring of a module."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    found = (ast.get_docstring(node, clean=False) for node in ast.walk(ast.parse(source)) if isinstance(node, kinds))
    return [text for text in found if text]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_names_and_sentences_are_the_fields(path: Path) -> None:
    source, found = path.read_text("utf-8"), []
    found += [f"module {path.stem}: {NAMES[word]}" for word in words(path.stem) if word in NAMES]
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        line = token.start[0]
        if token.type == tokenize.NAME:
            found += [f"line {line}: {token.string}: {NAMES[word]}" for word in words(token.string) if word in NAMES]
        elif token.type in (tokenize.STRING, tokenize.COMMENT):
            found += [f"line {line}: '{phrase}': {PROSE[phrase]}" for phrase in retired(token.string)]
    for text in docstrings(source):
        found += [f"'{match.group(0).strip()}': say what it is" for each in FRAGMENTS for match in each.finditer(text)]
        if ONLY_A_REFERENCE.fullmatch(" ".join(text.split())):
            found.append(f"'{text}': a sentence on what it does here")
    assert found == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_pages_are_written_in_words_of_the_field(path: Path) -> None:
    lines = enumerate(path.read_text("utf-8").splitlines(), start=1)
    assert [f"line {n}: '{phrase}': {PROSE[phrase]}" for n, line in lines for phrase in retired(line)] == []


def test_the_guard_sees_what_it_should() -> None:
    assert words("_telling_RowsApart") == ["telling", "rows", "apart"]
    assert retired("What is tamed, and\nwhat is on its\nway.") == ["tamed", "on its way"]
    assert FRAGMENTS[0].search("        seed: Of the starts.\n")
    assert FRAGMENTS[1].search("        seed: As there.\n")
    assert ONLY_A_REFERENCE.fullmatch("See :class:`Covariance`.")
    assert not ONLY_A_REFERENCE.fullmatch("See :class:`Covariance`; one product of matrices for all.")
