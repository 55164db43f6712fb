"""Where the text of a domain comes from: files, or a dataset hub."""

from __future__ import annotations

import dataclasses
import glob
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bomix.errors import DataError, Fault
from bomix.training.data.readers import read_documents, suffix_of


@dataclass(frozen=True)
class Files:
    """Text files: ``.txt`` (one document a file), ``.jsonl``, ``.jsonl.gz``, ``.jsonl.zst``, ``.parquet``.

    Attributes:
        paths: Files or globs; ``**`` goes through folders, ``~`` is the home folder. A file that several of them
            match is read once; files are read in the order of their paths.
        field: The field, or column, that holds the text.
        root: The folder that relative paths start from; by default the study file's.
    """

    paths: tuple[str, ...]
    field: str = "text"
    root: str | None = None

    def faults(self) -> list[Fault]:
        """What is wrong with the fields alone."""
        found = [] if self.paths else [Fault("paths", "names no file; give at least one path or glob")]
        return found if self.field else [*found, Fault("field", "is empty; name the field that holds the text")]

    def relative_to(self, folder: Path) -> Files:
        """The same source with relative paths, and a relative root, taken from ``folder``."""
        return dataclasses.replace(self, root=str(folder / Path(self.root or ".").expanduser()))

    def files(self) -> tuple[Path, ...]:
        """Every file that is read, in order.

        Raises:
            DataError: A path or glob that matches nothing, a folder, a file of an unknown kind.
        """
        root = Path(self.root or ".").expanduser()
        matched = {pattern: _match(pattern, root) for pattern in self.paths}
        if empty := [pattern for pattern, paths in matched.items() if not paths]:
            listed = ", ".join(f"'{pattern}'" for pattern in empty)
            place = root.absolute()
            raise DataError(f"no file matches {listed} (looked in {place}); correct the path or put files there")
        files = tuple(sorted({path for paths in matched.values() for path in paths}))
        for path in files:
            suffix_of(path)
        return files

    def signature(self) -> str:
        """Paths, sizes and times of all files, and the field."""
        stats = [(path.absolute().as_posix(), path.stat()) for path in self.files()]
        files = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
        return json.dumps({"kind": "files", "field": self.field, "files": files})

    def documents(self) -> Iterator[str]:
        """Yield the documents, file after file."""
        for path in self.files():
            yield from read_documents(path, self.field)


def _match(pattern: str, root: Path) -> list[Path]:
    # The root and the home folder may hold the characters of a glob, and so may the name of a file that is there.
    if pattern.startswith("~"):
        home, _, below = pattern.partition("/")
        root, below = Path(home).expanduser(), below.lstrip("/")
    else:
        below = pattern
    path = root / below
    if path.is_file():
        return [path]
    if path.is_dir():
        raise DataError(f"'{pattern}' is a folder; write '{pattern.rstrip('/')}/**/*.txt', say, for the files in it")
    matches = glob.glob(below, root_dir=root, recursive=True)
    return [root / match for match in matches if (root / match).is_file()]


_PATTERN = "[]*?"
"""Signs that `datasets` (5.2.0) reads as a pattern in the path of a local folder, with no way to escape them."""


@dataclass(frozen=True)
class Hub:
    """A dataset that the library ``datasets`` loads: one of the Hugging Face hub, or a local folder.

    Code that a dataset brings with it is never run.

    Attributes:
        name: ``owner/name`` on the hub; or a folder that exists, or one that begins with ``.``, ``~`` or ``/``.
        config: The dataset's configuration, where it has several.
        split: Name of the split that is read.
        field: The column that holds the text.
        streaming: Read over the network as needed, rather than download everything first.
        revision: Commit, tag or branch. Without one, a dataset that changes on the hub is not noticed.
        max_documents: Stop after so many documents; None reads all.
    """

    name: str
    config: str | None = None
    split: str = "train"
    field: str = "text"
    streaming: bool = True
    revision: str | None = None
    max_documents: int | None = None

    def faults(self) -> list[Fault]:
        """What is wrong with the fields alone."""
        named = {"name": self.name, "split": self.split, "field": self.field}
        found = [Fault(key, "is empty") for key, value in named.items() if not value]
        if self.max_documents is not None and self.max_documents < 1:
            found.append(Fault("max_documents", f"is {self.max_documents}; must be at least 1, or left out"))
        return found

    def relative_to(self, folder: Path) -> Hub:
        """The same source with a relative local folder taken from ``folder``."""
        return dataclasses.replace(self, name=relative_name(self.name, folder))

    def signature(self) -> str:
        """The fields; for a local folder also names, sizes and times of its files."""
        fields = {key: value for key, value in dataclasses.asdict(self).items() if key != "streaming"}
        return json.dumps({"kind": "hf", **fields, "files": folder_signature(self.name)})

    def documents(self) -> Iterator[str]:
        """Yield the text of every row."""
        row = 0
        try:
            for row, record in enumerate(self._rows(), start=1):
                yield self._text(record, row)
                if row == self.max_documents:
                    return
        except (DataError, GeneratorExit):
            raise
        # The network, the hub and the builders of datasets raise errors of a dozen unrelated classes.
        except Exception as error:
            raise DataError(
                f"dataset '{self.name}' cannot be read after row {row} ({type(error).__name__}: {error}); check the "
                "name, config, split and revision and that the hub can be reached, or download the dataset and name "
                "its folder"
            ) from error

    def _rows(self) -> Any:
        from datasets import load_dataset

        name = str(Path(self.name).expanduser()) if is_local(self.name) else self.name
        if is_local(self.name) and any(sign in name for sign in _PATTERN):
            raise DataError(
                f"dataset '{self.name}': the library datasets takes the {' '.join(_PATTERN)} of a folder's path for a "
                "pattern and finds other files or none; rename the folder, or read its files with kind 'files'"
            )
        rows = load_dataset(name, self.config, split=self.split, streaming=self.streaming, revision=self.revision)
        columns = rows.column_names  # None where a stream does not tell before its first row
        return rows.select_columns([self.field]) if columns and self.field in columns else rows

    def _text(self, record: dict[str, Any], row: int) -> str:
        place = f"dataset '{self.name}', row {row}"
        if self.field not in record:
            known = ", ".join(sorted(record)) or "none"
            raise DataError(f"{place}: no column '{self.field}' (there are: {known}); set the source's `field`")
        if not isinstance(text := record[self.field], str):
            raise DataError(f"{place}: column '{self.field}' holds {text!r:.40}, not a string")
        return text


def is_local(name: str) -> bool:
    """Whether a name means a folder on this machine rather than something on a hub."""
    return name.startswith((".", "~", "/")) or Path(name).is_dir()


def relative_name(name: str, folder: Path) -> str:
    """``name`` taken from ``folder`` where it means a folder; unchanged otherwise."""
    candidate = folder / Path(name).expanduser()
    return str(candidate.absolute()) if is_local(name) or candidate.is_dir() else name


def folder_signature(name: str) -> list[tuple[str, int, int]] | None:
    """Names, sizes and times of the files in a local folder; None for a name on a hub.

    Raises:
        DataError: The name means a folder, and there is none.
    """
    if not is_local(name):
        return None
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise DataError(f"there is no folder '{name}'; correct the path")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
