"""What every tokenizer owes to the corpus."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bomix.config.build import spec_fields
from bomix.contracts.text import Tokenizer
from bomix.contracts.traits import field_values
from bomix.testing.base import SpecBattery
from bomix.training.data.tokenizer import LoadedTokenizer

SAMPLE = tuple(f"def f{number}(x): return x + {number}  # the river runs quietly past the moon" for number in range(40))
"""Documents that a tokenizer may learn from."""
TEXTS = (
    "",
    "The river",
    "x = 1\n\n\treturn x",
    "\u00e9\U0001f600 \u4e2d\u6587",
    "<|endofdocument|>",
    "</s> [SEP] <eos>",
)
"""Texts that no tokenizer may lose, special tokens spelt out among them."""


class TokenizerBattery(SpecBattery):
    """Tests of a tokenizer: :class:`bomix.contracts.text.TokenizerSpec`, ``signature()`` and ``build(sample)``.

    Three lines test one of your own::

        class TestMine(TokenizerBattery):
            spec = MyTokenizer()

    One that is loaded from files overrides :meth:`tokenizer`, which gets an empty folder.

    What is tested, and why:

    * The same sample gives the same tokenizer, known by its hash: losses in nats per token compare under one only.
    * The signature is the same for equal specs and another where a field is: the cache of tokens is found by it.
    * Token ids lie below ``vocabulary``, which the model's embedding has as many rows of.
    * ``end_of_document`` closes documents, and no text becomes it, not even one that spells it out.
    * Text comes back from its tokens, and many texts at once give what each gives by itself.
    * Saved and opened again it is the same.
    * It is a frozen dataclass that a study file can say.

    Attributes:
        spec: The tokenizer.
        lossless: Whether every text comes back from its tokens to the last byte.
    """

    group = "tokenizer"
    lossless: ClassVar[bool] = True

    def tokenizer(self, folder: Path) -> Any:
        """The spec that is built, whatever it reads written into the folder; by default ``spec`` as it is."""
        return self.spec

    @pytest.fixture
    def made(self, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Tokenizer]:
        """The spec and what it builds, once for a class."""

        def build() -> tuple[Any, Tokenizer]:
            spec = self.tokenizer(tmp_path_factory.mktemp("tokenizer"))
            return spec, spec.build(iter(SAMPLE))

        return self.once("made", build)

    def test_the_same_sample_gives_the_same_tokenizer(self, made: tuple[Any, Tokenizer]) -> None:
        """Its hash is frozen in the study: another one would change the unit of every loss."""
        spec, tokenizer = made
        again = spec.build(iter(SAMPLE))
        assert type(again) is type(tokenizer)
        assert (again.hash, again.vocabulary, again.end_of_document) == (
            tokenizer.hash,
            tokenizer.vocabulary,
            tokenizer.end_of_document,
        )
        assert again.encode(TEXTS) == tokenizer.encode(TEXTS)

    def test_the_signature_changes_with_the_fields_alone(self, made: tuple[Any, Tokenizer]) -> None:
        """A corpus is found built by it."""
        spec, _ = made
        assert type(spec.signature()) is str
        assert spec.signature() == dataclasses.replace(spec).signature()
        for field in spec_fields(type(spec)):
            if type(value := field_values(spec)[field.name]) is int:
                assert dataclasses.replace(spec, **{field.name: value + 1}).signature() != spec.signature()

    def test_it_says_how_much_text_it_wants_to_see(self, made: tuple[Any, Tokenizer]) -> None:
        """So many bytes of the domains' text are read for it; with none it is the same whatever the text."""
        spec, tokenizer = made
        assert spec.sample_bytes >= 0
        if not spec.sample_bytes:
            assert spec.build(iter(())).hash == tokenizer.hash
        else:
            assert spec.build(iter(["another text altogether"] * 40)).hash != tokenizer.hash

    def test_ids_lie_within_the_vocabulary(self, made: tuple[Any, Tokenizer]) -> None:
        """The model has a row for each, and the token files a type that holds them."""
        _, tokenizer = made
        ids = [token for row in tokenizer.encode([*SAMPLE, *TEXTS]) for token in row]
        assert all(0 <= token < tokenizer.vocabulary for token in ids)
        assert 0 <= tokenizer.end_of_document < tokenizer.vocabulary

    def test_no_text_ends_a_document(self, made: tuple[Any, Tokenizer]) -> None:
        """Not even one that spells the special token out: documents would be cut in the middle."""
        tokenizer = self._readable(made)
        spelt = [*SAMPLE, *TEXTS, tokenizer.decode([tokenizer.end_of_document])]
        assert all(tokenizer.end_of_document not in row for row in tokenizer.encode(spelt))

    def test_text_comes_back_from_its_tokens(self, made: tuple[Any, Tokenizer]) -> None:
        """Bits per byte are counted over the text, so that none may be lost."""
        tokenizer = self._readable(made)
        texts = [*SAMPLE[:3], *TEXTS]
        found = [tokenizer.decode(row) for row in tokenizer.encode(texts)]
        if self.lossless:
            assert found == texts
        else:
            assert all(decoded for decoded, text in zip(found, texts, strict=True) if text.strip())

    def test_many_texts_at_once_are_each_by_itself(self, made: tuple[Any, Tokenizer]) -> None:
        """How documents are batched must not change the corpus."""
        _, tokenizer = made
        texts: Sequence[str] = [*SAMPLE[:3], *TEXTS]
        assert tokenizer.encode(texts) == [tokenizer.encode([text])[0] for text in texts]

    def test_saved_and_opened_it_is_the_same(self, made: tuple[Any, Tokenizer], tmp_path: Path) -> None:
        """Trials read it from the corpus."""
        tokenizer = self._readable(made)
        tokenizer.save(tmp_path)
        again = LoadedTokenizer.open(tmp_path)
        assert (again.hash, again.vocabulary, again.end_of_document) == (
            tokenizer.hash,
            tokenizer.vocabulary,
            tokenizer.end_of_document,
        )
        assert again.encode([*SAMPLE, *TEXTS]) == tokenizer.encode([*SAMPLE, *TEXTS])

    def _readable(self, made: tuple[Any, Tokenizer]) -> LoadedTokenizer:
        """The tokenizer where it is one of transformers', whose tokens can be read back; skips where it is another."""
        _, tokenizer = made
        if not isinstance(tokenizer, LoadedTokenizer):
            pytest.skip("it is no tokenizer of transformers, and the contract does not ask for a way back to text")
        return tokenizer
