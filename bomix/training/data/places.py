"""Where the files of a source lie: on this machine, or anywhere that fsspec reaches."""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol, cast

from bomix.contracts.text import Meter
from bomix.errors import DataError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(://|::)")
"""A protocol of fsspec, two letters at least: one letter is a drive of Windows."""
_STATE, _SPLITS = "state.json", "dataset_dict.json"
"""What ``datasets`` (5.2.0) writes beside the data: names of its files, names of its splits."""
_DRIVERS = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "hf": "huggingface_hub",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "http": "aiohttp",
    "https": "aiohttp",
    "ssh": "paramiko",
    "sftp": "paramiko",
    "oss": "ossfs",
}
"""Protocol to the package that fsspec reads it with."""
_VERSIONS = ("ETag", "etag", "e_tag", "blob_id", "md5Hash", "crc32c", "generation", "mtime", "LastModified",
             "last_modified", "updated", "created")  # fmt: skip
"""What file systems call the mark of a file's content, or its time: the first that one has tells its versions apart."""


class Place(Protocol):
    """A file that can be read; a ``pathlib.Path`` is one, and so is a :class:`Remote`."""

    @property
    def name(self) -> str:
        """The last part of its path."""
        ...

    def open(self, mode: Literal["rb"]) -> BinaryIO:
        """Open it for reading bytes."""
        ...


@dataclass(frozen=True, order=True)
class Remote:
    """A file of a file system of fsspec.

    Attributes:
        url: Protocol and path, by which messages name it.
        size: Bytes; 0 where its file system does not tell.
        version: What changes with its content: a mark of it, or its time.
    """

    url: str
    size: int = field(default=0, compare=False)
    version: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.url.rpartition("/")[2]

    def open(self, mode: Literal["rb"]) -> BinaryIO:
        """Open it for reading bytes.

        Raises:
            OSError: It cannot be read.
        """
        system, path = _reached(self.url)
        with _as_system_error():
            return cast("BinaryIO", system.open(path, mode))


def is_remote(pattern: str) -> bool:
    """Whether a path names a protocol, ``s3://bucket/a.jsonl`` say."""
    return _SCHEME.match(pattern) is not None


def missing_driver(pattern: str) -> str | None:
    """What to say of a path whose protocol needs a package that is not installed; None where nothing lacks."""
    package = _DRIVERS.get(_protocol(pattern))
    if not is_remote(pattern) or package is None or find_spec(package) is not None:
        return None
    return _needs(pattern, package)


def matches(pattern: str, root: Path) -> list[Path] | list[Remote]:
    """The files that a path or glob matches, in no order.

    Args:
        pattern: A path or glob; one with a protocol is looked up there.
        root: The folder that relative paths start from.

    Raises:
        DataError: It is a folder, or its file system cannot be reached.
    """
    return _remote_matches(pattern) if is_remote(pattern) else _local_matches(pattern, root)


def stamp(file: Path | Remote) -> tuple[str, int, int | str]:
    """A file's full name, its size in bytes, and what changes with its content: its time, or its version."""
    if isinstance(file, Remote):
        return file.url, file.size, file.version
    stat = file.stat()
    return file.absolute().as_posix(), stat.st_size, stat.st_mtime_ns


def size_of(file: Place) -> int:
    """Bytes of a file; 1 where they are not told."""
    return max(1, stamp(file)[1]) if isinstance(file, Path | Remote) else 1


def follow(meter: Meter, file: BinaryIO, size: int) -> None:
    """Have a meter ask where in a file of some size, as it lies on the disk, reading is."""
    meter.follow(lambda: 1.0 if file.closed else file.tell() / max(1, size))


def _local_matches(pattern: str, root: Path) -> list[Path]:
    # The root and the home folder may hold the characters of a glob, and so may the name of a file that is there.
    below = pattern
    if pattern.startswith("~"):
        home, _, below = pattern.partition("/")
        root, below = Path(home).expanduser(), below.lstrip("/")
    path = root / below
    if path.is_file():
        return [path]
    if path.is_dir():
        return _saved_files(path, pattern)
    found = glob.glob(below, root_dir=root, recursive=True)
    return [root / match for match in found if (root / match).is_file()]


def is_saved(folder: Path) -> bool:
    """Whether ``datasets.save_to_disk`` wrote a folder: one dataset, or several splits."""
    return (folder / _STATE).is_file() or (folder / _SPLITS).is_file()


def _saved_files(folder: Path, pattern: str) -> list[Path]:
    """The files of a folder of ``datasets.save_to_disk``."""
    try:
        if (folder / _SPLITS).is_file():
            splits = json.loads((folder / _SPLITS).read_text(encoding="utf-8"))["splits"]
            raise DataError(f"'{pattern}' holds several splits; name one, '{pattern.rstrip('/')}/{splits[0]}' say")
        if (folder / _STATE).is_file():
            files = json.loads((folder / _STATE).read_text(encoding="utf-8"))["_data_files"]
            return [folder / file["filename"] for file in files]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(f"'{folder}': its record of files is damaged ({error}); save the dataset again") from error
    raise DataError(f"'{pattern}' is a folder; write '{pattern.rstrip('/')}/**/*.txt', say, for the files in it")


def _remote_matches(pattern: str) -> list[Remote]:
    system, path = _reached(pattern)
    with _told(pattern):
        system.invalidate_cache()
        try:
            info = system.info(path)
        except FileNotFoundError:
            info = {"type": None}
        if info["type"] == "file":
            return [_remote(pattern if "::" in pattern else system.unstrip_protocol(path), info)]
        if info["type"] == "directory":
            raise DataError(f"'{pattern}' is a folder; write '{pattern.rstrip('/')}/**/*.jsonl', say, for its files")
        found = system.glob(path, detail=True)
        return [_remote(system.unstrip_protocol(at), info) for at, info in found.items() if info["type"] == "file"]


def _remote(url: str, info: Mapping[str, Any]) -> Remote:
    """A file by what its file system says of it."""
    version = next((str(info[key]) for key in _VERSIONS if info.get(key) is not None), "")
    return Remote(url, int(info.get("size") or 0), version)


def _reached(url: str) -> tuple[AbstractFileSystem, str]:
    """The file system of a protocol, and the path on it."""
    protocol = _protocol(url)
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError as error:
        raise DataError(f"'{url}': paths with a protocol need the package fsspec; pip install fsspec") from error
    try:
        with _told(url):
            return cast("tuple[AbstractFileSystem, str]", url_to_fs(url))
    except ImportError as error:
        package = _DRIVERS.get(protocol, error.name or "of its protocol")
        raise DataError(_needs(url, package)) from error
    except ValueError as error:
        from fsspec import available_protocols

        if protocol in available_protocols():
            raise DataError(f"'{url}': {error}; correct the path") from error
        known = ", ".join(["s3://", "gs://", "hf://", "https://"])
        raise DataError(f"'{url}': fsspec knows no protocol '{protocol}' (it knows {known}, ...)") from error


def _protocol(url: str) -> str:
    return url.partition("://")[0].partition("::")[0].lower()


def _needs(url: str, package: str) -> str:
    return f"'{url}': reading {_protocol(url)}:// needs the package {package}; pip install {package}"


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Turn an error of a file system into one that names the path."""
    try:
        yield
    except (DataError, ImportError, ValueError):
        raise
    # Drivers raise what their own libraries do: of botocore, aiohttp, huggingface_hub, google.auth, ...
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".strip(": ")
        raise DataError(
            f"'{url}' cannot be reached ({reason:.300}); check the path, the access rights and the network"
        ) from error


@contextmanager
def _as_system_error() -> Iterator[None]:
    try:
        yield
    except (DataError, OSError):
        raise
    except Exception as error:  # as in `_told`: of a dozen libraries
        raise OSError(f"{type(error).__name__}: {error}") from error
