"""Builds the corpora of the experiment from Debian packages, which are unpacked but never installed.

    python experiments/mde/corpora.py [--cache FOLDER]

Each corpus becomes FOLDER/NAME.jsonl, one document a record in the field `text`; what is there already stays as it
is. FOLDER/packages.json says which version of which package each came from.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import plaintext

from bomix.io.store import files

CACHE = Path("~/.cache/bomix/mde")
MINIMUM = 200
"""Characters of the shortest document that is kept."""
PIECE = 20_000
"""Characters after which a document is cut at the next blank line, or after as many more at the next end of a line:
what is held out shall not hang on few documents."""
_GROUP = 30
"""Entries of a dictionary, or sayings, in one document."""
_SOURCE_NOTE = re.compile(r"^ *\[(?:1913 Webster|Webster|WordNet|PJC|RH|Century|AS|MW|Dict)[^]\n]*\]\n?", re.MULTILINE)
_NO_PROGRAMS = frozenset({"encodings", "pydoc_data", "ensurepip", "lib-dynload"})
_TABLES = frozenset({"entities.py", "test_ast.py", "perltoc.pod", "perluniprops.pod"})


class CorpusError(Exception):
    """A corpus that cannot be built."""


@dataclass(frozen=True)
class Corpus:
    """Where a text comes from.

    Attributes:
        packages: Debian packages; of names that stand in one entry with ``|`` between, the first that there is.
        documents: Yields name and text of each document of an unpacked package.
        max_bytes: Stop with the document that reaches so many UTF-8 bytes.
    """

    packages: tuple[str, ...]
    documents: Callable[[Path], Iterator[tuple[str, str]]]
    max_bytes: int


def _python(root: Path) -> Iterator[tuple[str, str]]:
    for path in root.rglob("*.py"):
        # The configuration holds the paths of the machine that built Python; some folders hold tables.
        if not _NO_PROGRAMS & set(path.parts) and not path.name.startswith("_sysconfigdata"):
            try:
                yield path.relative_to(root).as_posix(), plaintext.tidy(path.read_text("utf-8"))
            except UnicodeDecodeError:
                continue  # tests of other encodings


def _go(root: Path) -> Iterator[tuple[str, str]]:
    for path in root.rglob("*.go"):
        if path.is_file() and "testdata" not in path.parts and not path.name.startswith("z"):
            try:
                yield path.relative_to(root).as_posix(), plaintext.tidy(path.read_text("utf-8"))
            except UnicodeDecodeError:
                continue  # tests of other encodings


def _pages(root: Path) -> Iterator[tuple[str, str]]:
    for path in root.rglob("*.html"):
        if path.is_file():
            yield path.relative_to(root).as_posix(), plaintext.html(path.read_text("utf-8", errors="replace"))


def _manual(root: Path) -> Iterator[tuple[str, str]]:
    for path in (root / "usr/share/man").rglob("*.gz"):
        if path.is_file() and not path.is_symlink():
            text = gzip.decompress(path.read_bytes()).decode("utf-8", errors="replace")
            yield path.relative_to(root).as_posix(), plaintext.roff(text)


def _pod(root: Path) -> Iterator[tuple[str, str]]:
    for path in root.rglob("*.pod"):
        yield path.relative_to(root).as_posix(), plaintext.pod(path.read_text("utf-8", errors="replace"))


def _dictionary(root: Path) -> Iterator[tuple[str, str]]:
    for index in root.rglob("*.index"):
        found = gzip.decompress(index.with_suffix(".dict.dz").read_bytes())
        text = (_SOURCE_NOTE.sub("", entry) for entry in plaintext.entries(index.read_text("utf-8"), found))
        yield from _grouped(index.stem, text, "\n\n")


def _sayings(root: Path) -> Iterator[tuple[str, str]]:
    for path in (root / "usr/share/games/fortunes").rglob("*"):
        if path.is_file() and not path.is_symlink() and not path.suffix and path.name != "ascii-art":
            yield from _grouped(path.name, path.read_text("utf-8", errors="replace").split("\n%\n"), "\n\n")


def _grouped(name: str, texts: Iterator[str] | list[str], separator: str) -> Iterator[tuple[str, str]]:
    group: list[str] = []
    for number, text in enumerate(texts):
        group.append(text.strip("\n"))
        if len(group) == _GROUP:
            yield f"{name}/{number:07d}", plaintext.tidy(separator.join(group))
            group = []
    yield f"{name}/rest", plaintext.tidy(separator.join(group))


_PYTHON = tuple(
    "|".join(f"libpython3.{minor}-{part}" for minor in (11, 12, 13)) for part in ("stdlib", "minimal", "testsuite")
)
_POSTGRES = "|".join(f"postgresql-doc-{major}" for major in (15, 16, 17))
_GO = "|".join(f"golang-1.{minor}-src" for minor in (19, 24, 23, 22))
DOMAINS = {
    "code": Corpus(_PYTHON, _python, 8_000_000),
    "dictionary": Corpus(("dict-gcide",), _dictionary, 8_000_000),
    "german": Corpus(("manpages-de",), _manual, 8_000_000),
    "prose": Corpus(("anarchism",), _pages, 8_000_000),
    "technical": Corpus((_POSTGRES,), _pages, 8_000_000),
}
MORE = {
    "cpp": Corpus(("cppreference-doc-en-html",), _pages, 4_000_000),
    "go": Corpus((_GO,), _go, 4_000_000),
    "kernel": Corpus(("linux-doc-6.1|linux-doc-6.12|linux-doc",), _pages, 4_000_000),
    "manual": Corpus(("manpages", "manpages-dev"), _manual, 4_000_000),
    "node": Corpus(("nodejs-doc",), _pages, 4_000_000),
    "spanish": Corpus(("manpages-es",), _manual, 4_000_000),
    "statistics": Corpus(("r-doc-html",), _pages, 4_000_000),
}
"""Seven more domains, of the experiments that tell the three papers anew."""
OUTSIDE = {
    "foldoc": Corpus(("dict-foldoc",), _dictionary, 2_000_000),
    "fortunes": Corpus(("fortunes-min", "fortunes"), _sayings, 2_000_000),
    "french": Corpus(("manpages-fr",), _manual, 2_000_000),
    "office": Corpus(("libreoffice-help-en-us",), _pages, 2_000_000),
    "perl": Corpus(("perl-doc",), _pod, 2_000_000),
}
"""Validation sets that no domain is like."""


def build(cache: Path) -> None:
    """Build what ``cache`` lacks and print the size of each corpus.

    Raises:
        CorpusError: A package cannot be had, or holds no text.
    """
    cache.mkdir(parents=True, exist_ok=True)
    for name, corpus in {**DOMAINS, **MORE, **OUTSIDE}.items():
        path = cache / f"{name}.jsonl"
        if not path.exists():
            with tempfile.TemporaryDirectory(prefix="bomix-mde-") as folder:
                roots = [_unpacked(package, Path(folder) / str(i)) for i, package in enumerate(corpus.packages)]
                texts = _chosen(corpus, [root for _, root in roots])
            if not texts:
                raise CorpusError(f"{', '.join(corpus.packages)}: no text for '{name}' in it; see what it holds now")
            _note(cache / "packages.json", name, [version for version, _ in roots])
            files.replace(path, "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts))
        lines = path.read_text("utf-8").splitlines()
        size = sum(len(json.loads(line)["text"].encode()) for line in lines)
        print(f"{name:11} {len(lines):6,} documents {size / 1e6:6.2f} MB  {path}")


def _chosen(corpus: Corpus, roots: list[Path]) -> list[str]:
    """The documents in an order shuffled by a hash of their names, so that the first ones stand for the whole."""
    found = {
        f"{name}#{number}": piece
        for root in roots
        for name, text in corpus.documents(root)
        if name.rpartition("/")[2] not in _TABLES
        for number, piece in enumerate(_pieces(text))
        if len(piece) >= MINIMUM
    }
    texts: list[str] = []
    total = 0
    for name in sorted(found, key=lambda name: (hashlib.blake2b(name.encode()).digest(), name)):
        if total >= corpus.max_bytes:
            break
        texts.append(found[name])
        total += len(found[name].encode())
    return texts


def _pieces(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > PIECE:
        end = text.find("\n\n", start + PIECE, start + 2 * PIECE)
        if end < 0:
            end = text.find("\n", start + 2 * PIECE)
        if end < 0:
            break
        yield text[start:end].strip("\n")
        start = end
    yield text[start:].strip("\n")


def _unpacked(names: str, folder: Path) -> tuple[str, Path]:
    """Download and unpack a package; its file's name, which holds the version, and the folder."""
    if missing := [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]:
        raise CorpusError(
            f"package '{names}' cannot be fetched, since there is no {missing[0]} here; run on Debian or a relative of "
            "it, copy the .jsonl files from a machine that has it, or name other sources in study.yaml"
        )
    tree = folder / "tree"
    tree.mkdir(parents=True)
    said = ""
    for name in names.split("|"):
        done = subprocess.run(["apt-get", "download", name], cwd=folder, capture_output=True, text=True)
        if done.returncode == 0 and (archives := sorted(folder.glob("*.deb"))):
            subprocess.run(["dpkg-deb", "-x", str(archives[0]), str(tree)], check=True)
            return archives[0].name, tree
        said = done.stderr.strip() or said
    raise CorpusError(f"package '{names}' cannot be fetched ({said}); run `apt-get update` and try again")


def _note(path: Path, name: str, archives: list[str]) -> None:
    known = json.loads(path.read_text()) if path.exists() else {}
    files.replace(path, json.dumps({**known, name: archives}, indent=1, sort_keys=True) + "\n")


def main() -> None:
    """Build what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=CACHE, help="default: %(default)s")
    try:
        build(parser.parse_args().cache.expanduser())
    except CorpusError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
