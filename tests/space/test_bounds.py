"""Checks of names and bounds."""

from __future__ import annotations

import math

import pytest

from bomix.space.bounds import TokenCaps, bound_faults, name_faults, number, unknown_name


@pytest.mark.parametrize("value", [None, True, "1", b"1", math.nan, math.inf, [], 10**400])
def test_what_is_no_finite_number_is_none(value):
    assert number(value) is None


def test_names_must_be_unique_texts():
    assert name_faults(["a", "b"]) == []
    assert [fault.where for fault in name_faults(["a", "", "a", 3])] == ["domains", "domains", "domains.a"]
    assert len(name_faults("ab")) == len(name_faults([])) == len(name_faults(7)) == 1


def test_an_unknown_name_is_told_with_what_was_meant_or_what_there_is():
    assert "did you mean 'books'?" in unknown_name("domain", "boks", ["books", "web"])
    assert "there are: books, web" in unknown_name("domain", "xyz", ["books", "web"])


def test_tokens_cap_a_share_and_their_shortage_says_the_cure():
    caps = TokenCaps({"a": 100.0, "b": math.inf}, budget=1000.0, max_epochs=4.0)
    assert caps.share("a") == 0.4
    assert caps.share("b") == 1.0
    assert caps.faults() == []
    assert [fault.where for fault in TokenCaps({"a": -1.0}, 0.0, math.nan).faults()] == [
        *("budget", "max_epochs", "domains.a"),
    ]
    short = TokenCaps({"a": 100.0, "b": 50.0}, budget=1000.0, max_epochs=4.0)
    (fault,) = bound_faults(["a", "b"], None, None, None, short)
    assert "state the tokens where a domain really holds more (domains.NAME.tokens, 120B say), " in fault.what
    assert "raise max_epochs to 6.67 or lower the token budget to 600" in fault.what
