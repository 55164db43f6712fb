"""What it costs to build a corpus: seconds and memory, by size and number of processes.

    python benchmarks/corpus.py                                # 50 MB, by 1 and by 2 processes
    python benchmarks/corpus.py --megabytes 500 --processes 1 --bytes   # a token a byte: all but the encoding

The text is real: what lies in Python's library, its packages, /usr/share/doc and /usr/include. Where that is not
enough, it comes again with a line before each document that says how often. Each building has a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import ClassVar

import numpy as np

ENDINGS = (".py", ".pyi", ".h", ".hpp", ".md", ".rst", ".txt")
LONGEST = 200_000
"""Characters of a document: beyond, files are tables rather than text."""


def documents() -> Iterator[str]:
    """Text of this installation, again and again."""
    places = [sysconfig.get_paths()[name] for name in ("stdlib", "purelib")]
    for turn in count():
        for place in (*places, "/usr/share/doc", "/usr/include"):
            for folder, inner, names in os.walk(place):
                inner.sort()
                for name in sorted(name for name in names if name.endswith(ENDINGS)):
                    try:
                        text = Path(folder, name).read_text("utf-8")
                    except (OSError, UnicodeDecodeError):
                        continue
                    if text.strip() and len(text) <= LONGEST:
                        yield f"turn {turn}\n{text}" if turn else text


def write(path: Path, size: int) -> None:
    """Write JSON lines of so many bytes of text."""
    written = 0
    with path.open("w", encoding="utf-8") as file:
        for text in documents():
            file.write(json.dumps({"text": text}) + "\n")
            if (written := written + len(text.encode())) >= size:
                return


@dataclass(frozen=True)
class Bytes:
    """A tokenizer that costs next to nothing: a token for each byte."""

    vocabulary: ClassVar[int] = 257
    end_of_document: ClassVar[int] = 256
    sample_bytes: ClassVar[int] = 0
    dtype: ClassVar[np.dtype] = np.dtype(np.uint16)
    hash: ClassVar[str] = "bytes"

    def faults(self) -> list[object]:
        """Nothing can be wrong."""
        return []

    def signature(self) -> str:
        """Always the same."""
        return "bytes"

    def build(self, sample: object) -> Bytes:
        """It learns nothing."""
        return self

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The bytes of each text."""
        return [np.frombuffer(text.encode(), np.uint8) for text in texts]

    def save(self, folder: Path) -> None:
        """Nothing reads it again."""


def measure(path: str, cache: str, processes: int, *, by_bytes: bool) -> None:
    """Build in this process and print what it took, as JSON."""
    from bomix.training.data.corpus import build
    from bomix.training.data.sources import Files
    from bomix.training.data.spec import CorpusSpec
    from bomix.training.data.tokenizer import BytePair

    before = time.monotonic()
    spec = CorpusSpec(cache=cache, processes=processes)
    tokenizer = Bytes() if by_bytes else BytePair()
    built = build({"text": Files((path,))}, {}, tokenizer, spec, sequence_length=256)
    own, helpers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({
        "wall_s": round(time.monotonic() - before, 1),
        "own_cpu_s": round(own.ru_utime + own.ru_stime, 1),
        "helpers_cpu_s": round(helpers.ru_utime + helpers.ru_stime, 1),
        "own_peak_mb": round(own.ru_maxrss / 1024),
        "helper_peak_mb": round(helpers.ru_maxrss / 1024),
        "tokens": len(built.train["text"].tokens),
        "hash": built.hashes["train/text"][:12],
    }))  # fmt: skip


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=50)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--bytes", action="store_true", help="a token for each byte, which costs no encoding")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "text.jsonl")
        write(path, given.megabytes * 1_000_000)
        for processes in given.processes:
            arguments = f"{str(path)!r}, {f'{folder}/{processes}'!r}, {processes}, by_bytes={given.bytes}"
            call = f"import corpus; corpus.measure({arguments})"
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
            done = subprocess.run([sys.executable, "-c", call], env=environment, capture_output=True, text=True)
            print(
                f"{given.megabytes} MB, {processes} processes: {done.stdout.strip() or done.stderr[-500:]}", flush=True
            )


if __name__ == "__main__":
    main()
