"""A task of one word: a passage breaks off before a word that stood in it; does the model go on with that word?

Greedy decoding, exact match, as with LAMBADA; the passages are of text that no domain is like.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from experiments import tasks

if TYPE_CHECKING:
    from bomix.training.data.tokenizer import LoadedTokenizer

COUNT = 100
"""Questions of each of the four texts."""
BEFORE = (100, 220)
"""Characters of a passage before its last word: enough to hold it, few enough for a sequence of 128 tokens."""
LETTERS = 5
"""Of an answer, at least: shorter ones are mostly words that stand everywhere."""
WORD = re.compile(rf"[a-z]{{{LETTERS},}}")
DISTANT = 4
"""Words between an answer and the place where it stood, at least: else it is a repeated phrase."""
MOST = 12
"""Tokens of an answer, at most."""


@dataclass(frozen=True)
class Question:
    """A passage without its last word.

    Attributes:
        text: What comes before.
        answer: The word.
        chance: Share of right answers of who picks one of the passage's words of that length at random.
    """

    text: str
    answer: str
    chance: float


def questions(cache: Path = tasks.CACHE) -> list[Question]:
    """The questions of all texts, always the same."""
    found = []
    for name in tasks.TASKS:
        path = cache.expanduser() / "mde" / f"{name}.jsonl"
        texts = [str(json.loads(line)["text"]) for line in path.read_text("utf-8").splitlines()]
        some = [question for text in texts if (question := _first_of(text)) is not None]
        some.sort(key=lambda question: hashlib.blake2b(question.text.encode()).digest())
        found += some[:COUNT]
    return found


def _first_of(text: str) -> Question | None:
    """The first passage in the second half of a document whose last word stood in it; None where there is none."""
    words = text[len(text) // 2 :].split()[1:]
    for at in range(20, min(len(words), 400)):
        answer = words[at].strip(".,;:")
        if not WORD.fullmatch(answer):
            continue
        before = " ".join(words[:at])
        if len(before) > BEFORE[1]:
            before = before[len(before) - BEFORE[1] :].partition(" ")[2]
        earlier = [each.strip(".,;:()") for each in before.split()]
        if len(before) < BEFORE[0] or answer not in earlier[:-DISTANT] or answer in earlier[-DISTANT:]:
            continue
        eligible = {each for each in earlier if WORD.fullmatch(each)}
        return Question(before, answer, 1 / len(eligible))
    return None


def matched(model: Any, tokenizer: LoadedTokenizer, some: list[Question], length: int) -> list[bool]:
    """Whether greedy decoding gives the answer and ends the word; what is wrong already is not gone on with."""
    rows = [tokenizer.encode([question.text])[0][-(length - MOST) :] for question in some]
    begun, right = [len(row) for row in rows], [False] * len(some)
    open_ = list(range(len(some)))
    for _ in range(MOST):
        if not open_:
            break
        for at, token in zip(open_, _next(model, [rows[at] for at in open_]), strict=True):
            rows[at] = [*rows[at], token]
        still = []
        for at in open_:
            said, answer = tokenizer.decode(rows[at][begun[at] :]), " " + some[at].answer
            if said.startswith(answer) and len(said) > len(answer):
                right[at] = not said[len(answer)].isalnum()
            elif answer.startswith(said):
                still.append(at)
        open_ = still
    return right


def _next(model: Any, rows: list[list[int]]) -> list[int]:
    """The likeliest token after each row, of any lengths: what stands behind a token cannot change what it says."""
    ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for at, row in enumerate(rows):
        ids[at, : len(row)] = row
    with torch.no_grad():
        hidden = model.model(torch.as_tensor(ids)).last_hidden_state
        last = hidden[torch.arange(len(rows)), torch.as_tensor([len(row) - 1 for row in rows])]
        return [int(token) for token in model.lm_head(last).argmax(dim=-1)]
