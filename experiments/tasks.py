"""Builds tasks of multiple choice from text that no domain is like: which of four ends goes on from a beginning?

    python experiments/mde/corpora.py          # the text, once
    python -m experiments.tasks [--cache FOLDER]

The three wrong ends go on from other beginnings of the same text, so that what tells them apart is what went before.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from pathlib import Path

from bomix.io.store import files

CACHE = Path("~/.cache/bomix")
TASKS = ("foldoc", "fortunes", "office", "perl")
COUNT = 200
"""Questions of a task."""
OPTIONS = 4
BEGINNING, END = 160, 60
"""Characters of a beginning and of an end, at least: both are cut at the next blank."""


def parts(text: str) -> tuple[str, str] | None:
    """A beginning and its end from the middle of a document; None where it is too short."""
    words = text.split()
    text = " ".join(words[len(words) // 3 :])
    at = text.find(" ", BEGINNING)
    to = text.find(" ", at + 1 + END)
    return None if at < 0 or to < 0 else (text[:at], text[at + 1 : to])


def build(source: Path, made: Path) -> int:
    """Write the questions of a task; how many there are."""
    documents = [str(json.loads(line)["text"]) for line in source.read_text("utf-8").splitlines()]
    # Two questions of a document at most: of its first half and of its second.
    halves = [half for text in documents for half in (text[: len(text) // 2], text[len(text) // 2 :])]
    found = [both for half in halves if (both := parts(half)) is not None]
    found.sort(key=lambda both: hashlib.blake2b(both[0].encode()).digest())
    rng = random.Random(0)
    questions = []
    for at, (beginning, end) in enumerate(found[:COUNT]):
        others = [found[other][1] for other in rng.sample([i for i in range(len(found)) if i != at], OPTIONS - 1)]
        gold = rng.randrange(OPTIONS)
        options = [*others[:gold], end, *others[gold:]]
        questions.append({"prompt": beginning, "options": options, "answer": gold})
    made.parent.mkdir(parents=True, exist_ok=True)
    files.replace(made, "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in questions))
    return len(questions)


def main() -> None:
    """Build what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=CACHE, help="default: %(default)s")
    cache = parser.parse_args().cache.expanduser()
    for name in TASKS:
        source, made = cache / "mde" / f"{name}.jsonl", cache / "tasks" / f"{name}.jsonl"
        if made.exists():
            print(f"{name}: there already")
        elif not source.exists():
            parser.exit(2, f"{source} is missing; run `python experiments/mde/corpora.py` first\n")
        else:
            print(f"{name}: {build(source, made)} questions")


if __name__ == "__main__":
    main()
