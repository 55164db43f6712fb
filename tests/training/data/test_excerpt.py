"""An excerpt is whole documents of a domain, seen in place."""

from __future__ import annotations

import numpy as np
import pytest

from bomix.training.data import excerpt
from bomix.training.data.tokens import TokenSet

END = 0


@pytest.fixture(scope="module")
def whole():
    """40 documents of 1 to 40 tokens, each of which is the number of its document, and the end of document."""
    documents = [np.append(np.full(size, size), END) for size in np.random.default_rng(0).permutation(40) + 1]
    return TokenSet(np.concatenate(documents).astype(np.uint8), 40, 40)


def read(found):
    """All that an excerpt holds, token by token."""
    pairs = found.windows(np.arange(found.sequences(1)), 1)
    return np.append(pairs[:, 0], pairs[-1, 1])


def cut(whole, size, seed=3, name="web"):
    return excerpt.excerpt(name, whole, size, end_of_document=END, seed=seed)


def test_it_holds_whole_documents_but_for_the_last_that_was_chosen(whole):
    found = read(cut(whole, 300))
    assert len(found) == 300
    numbers, counts = np.unique(found[found != END], return_counts=True)
    short = numbers[counts < numbers]
    assert len(short) <= 1  # of document n, all n tokens are there
    assert (found == END).sum() >= len(numbers) - 1


def test_what_is_read_over_several_documents_is_what_stands_there(whole):
    found = cut(whole, 301)
    every = read(found)
    np.testing.assert_array_equal(found.windows([0, 3], 60), [every[:61], every[180:241]])


def test_a_smaller_one_lies_inside_a_larger_one_and_another_seed_or_name_chooses_others(whole):
    small, large = ({*read(cut(whole, size))} for size in (100, 300))
    assert small < large
    assert {*read(cut(whole, 100, seed=4))} != small
    assert {*read(cut(whole, 100, name="books"))} != small


def test_ends_are_found_over_chunks_and_without_a_last_end(monkeypatch, whole):
    expected = excerpt.document_ends(whole.tokens, END)
    monkeypatch.setattr(excerpt, "_CHUNK", 7)
    np.testing.assert_array_equal(excerpt.document_ends(whole.tokens, END), expected)
    np.testing.assert_array_equal(excerpt.document_ends(np.array([5, 0, 5, 5]), END), [2, 4])


def test_a_domain_that_has_no_more_is_seen_whole_and_nothing_is_copied(whole):
    texts = excerpt.excerpts({"a": whole, "b": whole}, {"a": 10_000, "b": 5}, 16, end_of_document=END, seed=0)
    assert texts["a"] is whole
    assert texts["b"].sequences(16) == 5
    assert np.shares_memory(texts["b"].tokens, whole.tokens)
