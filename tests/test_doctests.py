"""Every public name shows how it is used, and the example runs."""

from __future__ import annotations

import doctest
import inspect

import pytest

import bomix

NAMES = sorted({*bomix.__all__} - {"__version__"})


def example_of(name: str) -> doctest.DocTest:
    """The lines behind ``>>>`` in the docstring of a public name."""
    thing = getattr(bomix, name)
    text = inspect.getdoc(thing) or ""
    return doctest.DocTestParser().get_doctest(text, {"bomix": bomix}, f"bomix.{name}", inspect.getsourcefile(thing), 0)


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_has_an_example(name: str) -> None:
    assert example_of(name).examples, f"write an `Example:` with `>>>` lines into the docstring of {name}"


@pytest.mark.parametrize("name", NAMES)
def test_the_example_runs_and_prints_what_it_says(name: str) -> None:
    said: list[str] = []
    failed, _ = doctest.DocTestRunner(verbose=False).run(example_of(name), out=said.append)
    assert not failed, "".join(said)


def test_a_wrong_example_is_noticed() -> None:
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner(verbose=False).run(wrong, out=lambda text: None).failed == 1
