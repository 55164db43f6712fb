"""Where the text of a domain comes from: files, or a dataset hub."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bomix.contracts.text import Meter
from bomix.errors import DataError, Fault
from bomix.training.data.hub import hub_error
from bomix.training.data.places import Remote, is_remote, is_saved, matches, missing_driver, size_of, stamp
from bomix.training.data.readers import read_documents, suffix_of
from bomix.training.data.table_readers import some


@dataclass(frozen=True)
class Files:
    """Text files: ``.txt`` (one document a file), ``.jsonl``, ``.json``, ``.csv``, ``.parquet``, ``.arrow``.

    A ``.json`` holds one object a line, as a ``.jsonl`` does, or is one array of objects, all of it then held in
    memory. These two and ``.csv`` may be packed: ``.gz``, ``.zst``.

    Attributes:
        paths: Files or globs; ``**`` goes through folders, ``~`` is the home folder, ``s3://``, ``gs://``, ``hf://``
            and other protocols go through fsspec, where its driver is installed. A folder that
            ``datasets.save_to_disk`` wrote stands for its files. A file that several of them match is read once; files
            are read in the order of their paths.
        field: The field, or column, that holds the text.
        root: The folder that relative paths start from; by default the study file's.
    """

    paths: tuple[str, ...]
    field: str = "text"
    root: str | None = None

    def faults(self) -> list[Fault]:
        """What is wrong with the fields alone."""
        found = [] if self.paths else [Fault("paths", "names no file; give at least one path or glob")]
        found += [Fault("paths", lack) for lack in map(missing_driver, self.paths) if lack is not None]
        return found if self.field else [*found, Fault("field", "is empty; name the field that holds the text")]

    @property
    def remote(self) -> bool:
        """Whether any of the files lies elsewhere."""
        return any(map(is_remote, self.paths))

    def relative_to(self, folder: Path) -> Files:
        """The same source with relative paths, and a relative root, taken from ``folder``."""
        return dataclasses.replace(self, root=str(folder / Path(self.root or ".").expanduser()))

    def files(self) -> tuple[Path | Remote, ...]:
        """Every file that is read, in order.

        Raises:
            DataError: A path or glob that matches nothing, a folder, a file of an unknown kind.
        """
        root = Path(self.root or ".").expanduser()
        matched = {pattern: matches(pattern, root) for pattern in self.paths}
        if empty := [pattern for pattern, paths in matched.items() if not paths]:
            listed = ", ".join(f"'{pattern}'" for pattern in empty)
            place = "" if all(map(is_remote, empty)) else f" (looked in {root.absolute()})"
            raise DataError(f"no file matches {listed}{place}; correct the path or put files there")
        found: set[Path | Remote] = set()
        for paths in matched.values():
            found.update(paths)
        here = sorted(path for path in found if isinstance(path, Path))
        files: tuple[Path | Remote, ...] = (*here, *sorted(path for path in found if isinstance(path, Remote)))
        for path in files:
            suffix_of(path)
        return files

    def signature(self) -> str:
        """Paths, sizes and times of all files, and the field."""
        files = [stamp(path) for path in self.files()]
        return json.dumps({"kind": "files", "field": self.field, "files": files})

    def documents(self) -> Iterator[str]:
        """Yield the documents, file after file."""
        return self.metered(Meter())

    def metered(self, meter: Meter) -> Iterator[str]:
        """The same, and tell how far it is."""
        sizes = {path: size_of(path) for path in self.files()}
        total, before = sum(sizes.values()), 0
        for path, size in sizes.items():
            meter.begin(before / total, size / total)
            yield from read_documents(path, self.field, meter)
            before += size


_PATTERN = "[]*?"
"""Signs that `datasets` (5.2.0) reads as a pattern in the path of a local folder, with no way to escape them."""


@dataclass(frozen=True)
class Hub:
    """A dataset that the library ``datasets`` loads: one of the Hugging Face hub, or a local folder.

    The folder may be one that ``save_to_disk`` wrote. Code that a dataset brings with it is never run.

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

    @property
    def remote(self) -> bool:
        """Whether it is on the hub."""
        return not is_local(self.name)

    def relative_to(self, folder: Path) -> Hub:
        """The same source with a relative local folder taken from ``folder``."""
        return dataclasses.replace(self, name=relative_name(self.name, folder))

    def signature(self) -> str:
        """The fields; for a local folder also names, sizes and times of its files."""
        fields = {key: value for key, value in dataclasses.asdict(self).items() if key != "streaming"}
        return json.dumps({"kind": "hf", **fields, "files": folder_signature(self.name)})

    def documents(self) -> Iterator[str]:
        """Yield the text of every row."""
        return self.metered(Meter())

    def metered(self, meter: Meter) -> Iterator[str]:
        """The same, and tell how far it is where the number of rows is known."""
        row = 0
        try:
            rows = self._rows()
            known = [count for count in (_length(rows), self.max_documents) if count]
            if known:
                meter.begin(0.0, 1.0)
                meter.follow(lambda: row / min(known))
            for row, record in enumerate(rows, start=1):
                yield self._text(record, row)
                if row == self.max_documents:
                    return
        except (DataError, GeneratorExit):
            raise
        # The network, the hub and the builders of datasets raise errors of a dozen unrelated classes.
        except Exception as error:
            what = (
                f"dataset '{self.name}' cannot be read after row {row} ({type(error).__name__}: {error}); check the "
                "name, config, split and revision and that the hub can be reached, or download the dataset and name "
                "its folder"
            )
            raise (hub_error(what, error) if self.remote else DataError(what)) from error

    def _rows(self) -> Any:
        from datasets import load_dataset

        name = str(Path(self.name).expanduser()) if is_local(self.name) else self.name
        if is_local(self.name) and any(sign in name for sign in _PATTERN):
            raise DataError(
                f"dataset '{self.name}': the library datasets takes the {' '.join(_PATTERN)} of a folder's path for a "
                "pattern and finds other files or none; rename the folder, or read its files with kind 'files'"
            )
        if is_local(self.name) and is_saved(Path(name)):
            rows = self._saved(Path(name))
        else:
            rows = load_dataset(name, self.config, split=self.split, streaming=self.streaming, revision=self.revision)
        columns = rows.column_names  # None where a stream does not tell before its first row
        return rows.select_columns([self.field]) if columns and self.field in columns else rows

    def _saved(self, folder: Path) -> Any:
        """The dataset of a folder of ``save_to_disk``: the split where it holds several, else all of it."""
        from datasets import DatasetDict, load_from_disk

        found = load_from_disk(str(folder))
        if not isinstance(found, DatasetDict):
            return found
        if self.split not in found:
            raise DataError(f"dataset '{self.name}' has no split '{self.split}' (there are: {some(found)})")
        return found[self.split]

    def _text(self, record: dict[str, Any], row: int) -> str:
        place = f"dataset '{self.name}', row {row}"
        if self.field not in record:
            known = ", ".join(sorted(record)) or "none"
            raise DataError(f"{place}: no column '{self.field}' (there are: {known}); set the source's `field`")
        if not isinstance(text := record[self.field], str):
            raise DataError(f"{place}: column '{self.field}' holds {text!r:.40}, not a string")
        return text


def _length(rows: Any) -> int | None:
    """Number of rows; None of a stream."""
    return len(rows) if isinstance(rows, Sized) else None


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
