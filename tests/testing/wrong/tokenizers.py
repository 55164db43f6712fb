"""Tokenizers under which losses do not compare."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

from bomix.testing import TokenizerBattery
from bomix.training.data.tokenizer import BytePair, LoadedTokenizer

CALLS = itertools.count()


class Altered(LoadedTokenizer):
    how = ""

    def encode(self, texts):
        rows = super().encode(texts)
        match self.how:
            case "beyond":
                return [[token + 1000 for token in row] for row in rows]
            case "ends":
                return [[*row, self.end_of_document] for row in rows]
            case "lower":
                return super().encode([text.lower() for text in texts])
            case "batched" if len(texts) > 1:
                longest = max(map(len, rows))
                return [row + [0] * (longest - len(row)) for row in rows]
        return rows

    def save(self, folder):
        other = replace(self, hash="saved") if self.how == "forgetful" else self
        LoadedTokenizer.save(other, folder)


@dataclass(frozen=True)
class Wrong(BytePair):
    vocabulary: int = 300
    sample_bytes: int = 1000
    how: str = ""

    def signature(self):
        return "always the same" if self.how == "deaf" else super().signature()

    def build(self, sample):
        made = super().build([] if self.how == "closed" else sample)
        found = type("Altered", (Altered,), {"how": self.how})(
            made.backend, made.vocabulary, made.end_of_document, made.hash
        )
        return replace(found, hash=f"{next(CALLS)}") if self.how == "restless" else found


class TestRestless(TokenizerBattery):
    spec = Wrong(how="restless")
    caught_by = ("test_the_same_sample_gives_the_same_tokenizer",)


class TestDeaf(TokenizerBattery):
    spec = Wrong(how="deaf")
    caught_by = ("test_the_signature_changes_with_the_fields_alone",)


class TestLearnsNothing(TokenizerBattery):
    spec = Wrong(how="closed")
    caught_by = ("test_it_says_how_much_text_it_wants_to_see",)


class TestBeyondTheVocabulary(TokenizerBattery):
    spec = Wrong(how="beyond")
    caught_by = ("test_ids_lie_within_the_vocabulary",)


class TestEndsEveryText(TokenizerBattery):
    spec = Wrong(how="ends")
    caught_by = ("test_no_text_ends_a_document",)


class TestLosesCapitals(TokenizerBattery):
    spec = Wrong(how="lower")
    caught_by = ("test_text_comes_back_from_its_tokens",)


class TestPadsTheBatch(TokenizerBattery):
    spec = Wrong(how="batched")
    caught_by = ("test_many_texts_at_once_are_each_by_itself",)


class TestForgetful(TokenizerBattery):
    spec = Wrong(how="forgetful")
    caught_by = ("test_saved_and_opened_it_is_the_same",)
