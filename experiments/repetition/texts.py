"""Cuts the text of experiments/mde into passages, so that a small pool is made of many documents.

    python experiments/mde/corpora.py          # the text, once
    python experiments/repetition/texts.py     # its passages

Each becomes a record in the field `text`, in an order shuffled by a hash; what is there already stays as it is.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from bomix.io.store import files

CACHE = Path("~/.cache/bomix")
DOMAINS = ("code", "german", "prose", "technical")
PASSAGE = 200
"""Characters from which on a passage is closed at the next blank line: some 80 tokens, less than a sequence."""
LONGEST = 1200
"""Characters of the longest passage that is kept: a cut of a few hundred tokens shall be several passages."""


def passages(text: str) -> Iterator[str]:
    """Paragraphs, the short ones joined until they are a passage."""
    held: list[str] = []
    for paragraph in text.split("\n\n"):
        if not paragraph.strip():
            continue
        held.append(paragraph.strip("\n"))
        joined = "\n\n".join(held)
        if len(joined) >= PASSAGE:
            if len(joined) <= LONGEST:
                yield joined
            held = []


def build(source: Path, made: Path) -> int:
    """Write the passages of a corpus; how many there are."""
    found = {
        passage for line in source.read_text("utf-8").splitlines() for passage in passages(json.loads(line)["text"])
    }
    shuffled = sorted(found, key=lambda passage: hashlib.blake2b(passage.encode()).digest())
    made.parent.mkdir(parents=True, exist_ok=True)
    files.replace(made, "".join(json.dumps({"text": each}, ensure_ascii=False) + "\n" for each in shuffled))
    return len(shuffled)


def main() -> None:
    """Build what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=CACHE, help="default: %(default)s")
    cache = parser.parse_args().cache.expanduser()
    for name in DOMAINS:
        source, made = cache / "mde" / f"{name}.jsonl", cache / "repetition" / f"{name}.jsonl"
        if made.exists():
            print(f"{name}: there already")
        elif not source.exists():
            parser.exit(2, f"{source} is missing; run `python experiments/mde/corpora.py` first\n")
        else:
            print(f"{name}: {build(source, made):,} passages")


if __name__ == "__main__":
    main()
