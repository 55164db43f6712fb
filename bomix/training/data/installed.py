"""Text that every installation has on disk, so that a first study needs no download."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import platform
import re
import sysconfig
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from functools import partial
from inspect import cleandoc
from pathlib import Path
from typing import Literal, get_args

from bomix.contracts.text import Meter
from bomix.errors import DataError, Fault

logger = logging.getLogger(__name__)

Kind = Literal["stdlib", "headers", "docstrings", "readmes", "libraries"]

# Only what bomix itself stands on, and what that requires: the text must not change when something else is installed.
_ROOTS = ("botorch", "datasets", "gpytorch", "h5netcdf", "numpy", "pandas", "scipy", "torch", "transformers", "xarray")
_DOCUMENTED = (
    *("botorch", "datasets", "fsspec", "gpytorch", "huggingface_hub", "joblib", "linear_operator", "networkx", "numpy"),
    *("pandas", "pyarrow", "pyro", "scipy", "sklearn", "sympy", "torch", "transformers", "xarray"),
)
# Their documentation is in no other kind, so that what is measured on them was not trained on.
_LIBRARIES = ("click", "dateutil", "filelock", "jinja2", "mpmath", "packaging", "rich", "tqdm", "yaml")
# Tests, bundled wheels' folders, and tables of characters and of help texts, which are no programs.
_SKIPPED_FOLDERS = frozenset(
    {
        *(
            "__pycache__",
            "dist-packages",
            "encodings",
            "ensurepip",
            "idle_test",
            "idlelib",
            "lib-dynload",
            "pydoc_data",
        ),
        *("site-packages", "test", "tests", "turtledemo"),
    }
)
# Part of the signature: to be raised when the same files shall give other documents.
_FORMAT = 2
# Rules of ^^^^^ or ===== under headings and between comments, cut short: whether a small model has met a README full
# of them decides its loss on the others, so that they would measure the order of the data rather than the mixture.
_RULE = re.compile(r"([^\w\s])\1{4,}")
_SHORT_RULE = 4
"""Characters that a drawn rule is cut to: long ones teach a small model to draw rules."""
_PROSE = ("AUTHORS", "COPYING", "COPYRIGHT", "LICENCE", "LICENSE", "NOTICE", "README")


@dataclass(frozen=True)
class Installed:
    """Text of this installation.

    Rules of one repeated sign are cut to four.

    Attributes:
        what: ``stdlib``, the sources of Python's library; ``headers``, the C++ headers that torch ships, without
            generated ones; ``docstrings`` of scientific packages, one document a module; ``readmes``, long
            descriptions and licences of the packages that bomix needs; ``libraries``, the sources of some of these
            packages, none of which is among those of ``docstrings``.
        max_bytes: Stop with the document that reaches so many UTF-8 bytes; None reads all. Documents come in an
            order shuffled by a hash of their names, so that the first ones stand for the whole.
    """

    what: Kind
    max_bytes: int | None = None

    def faults(self) -> list[Fault]:
        """What is wrong with the fields alone."""
        found = []
        if self.what not in get_args(Kind):
            found.append(Fault("what", f"is '{self.what}'; must be one of {', '.join(get_args(Kind))}"))
        if self.max_bytes is not None and self.max_bytes < 1:
            found.append(Fault("max_bytes", f"is {self.max_bytes}; must be at least 1, or left out"))
        return found

    def signature(self) -> str:
        """The versions of Python and of the packages whose text is read, and the options."""
        packages: dict[str, Callable[[], tuple[str, ...]]] = {
            "stdlib": lambda: (),
            "headers": lambda: ("torch",),
            "docstrings": lambda: tuple(name for name in _DOCUMENTED if _package_folder(name)),
            "readmes": _needed_packages,
            "libraries": lambda: tuple(name for name in _LIBRARIES if _package_folder(name)),
        }
        versions = [(name, _version(name)) for name in packages[self.what]()]
        python = (platform.python_implementation(), platform.python_version())
        return json.dumps({"kind": "installed", "format": _FORMAT, "what": self.what, "max_bytes": self.max_bytes,
                           "python": python, "packages": versions})  # fmt: skip

    def documents(self) -> Iterator[str]:
        """Yield the documents in their shuffled order."""
        return self.metered(Meter())

    def metered(self, meter: Meter) -> Iterator[str]:
        """The same, and tell how far it is."""
        readers = {"stdlib": _stdlib, "headers": _headers, "docstrings": _docstrings, "readmes": _readmes,
                   "libraries": _libraries}  # fmt: skip
        total = read_files = 0
        found = sorted(readers[self.what](), key=lambda item: (_rank(item[0]), item[0]))
        meter.begin(0.0, 1.0)
        meter.follow(lambda: max(read_files / max(1, len(found)), total / self.max_bytes if self.max_bytes else 0.0))
        for _, read in found:
            text = read()
            read_files += 1
            if text and text.strip():
                yield _RULE.sub(lambda rule: _SHORT_RULE * rule[1], text)
                total += len(text.encode())
                if self.max_bytes is not None and total >= self.max_bytes:
                    return
        if not total:
            raise DataError(f"this installation has no text of the kind '{self.what}'; choose another source")


# A document that is not read before it is needed, and the name that decides its place.
_Document = tuple[str, Callable[[], str | None]]


def _rank(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=8).digest()


def _stdlib() -> Iterator[_Document]:
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in _files_below(root, (".py",)):
        if not path.name.startswith("_sysconfigdata"):  # holds the paths of the machine that built Python
            yield path.relative_to(root).as_posix(), partial(_read, path)


def _headers() -> Iterator[_Document]:
    folder = _package_folder("torch")
    if folder is None or not (folder / "include").is_dir():
        raise DataError("the source 'headers' needs the C++ headers in the package torch; pip install torch")
    for path in _files_below(folder / "include", (".h", ".hpp", ".cuh")):
        yield path.relative_to(folder / "include").as_posix(), partial(_read_header, path)


def _docstrings() -> Iterator[_Document]:
    for package in _DOCUMENTED:
        if folder := _package_folder(package):
            for path in _files_below(folder, (".py",)):
                yield f"{package}/{path.relative_to(folder).as_posix()}", partial(_read_docstrings, path)


def _libraries() -> Iterator[_Document]:
    for package in _LIBRARIES:
        if folder := _package_folder(package):
            for path in _files_below(folder, (".py",)):
                yield f"{package}/{path.relative_to(folder).as_posix()}", partial(_read, path)


def _readmes() -> Iterator[_Document]:
    for package in _needed_packages():
        distribution = importlib.metadata.distribution(package)
        yield f"{package}/description", partial(_description, distribution)
        for file in distribution.files or ():
            described = file.parts[0].endswith(".dist-info") and file.suffix.lower() in ("", ".txt", ".md", ".rst")
            if described and (file.name.upper().startswith(_PROSE) or "licenses" in file.parts[1:-1]):
                yield f"{package}/{'/'.join(file.parts[1:])}", partial(_read, Path(str(file.locate())))


def _files_below(root: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """The files of some suffixes below a folder, in no order; links to folders are not followed."""
    try:
        inside = list(root.iterdir())
    except OSError as error:
        logger.debug("left out %s: %s", root, error)
        return
    for path in inside:
        if not path.is_dir():
            if path.name.endswith(suffixes):
                yield path
        elif path.name not in _SKIPPED_FOLDERS and not path.is_symlink():
            yield from _files_below(path, suffixes)


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        logger.debug("left out %s: %s", path, error)
        return None


def _read_header(path: Path) -> str | None:
    text = _read(path)
    # Thousands of generated headers repeat one another; they would crowd out the written ones.
    return None if text is None or "generated" in text[:400].lower() else text


def _read_docstrings(path: Path) -> str | None:
    """All docstrings of a module, each after the name of what it describes."""
    text = _read(path)
    if text is None or not ('"""' in text or "'''" in text):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in other people's strings
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError) as error:
        logger.debug("left out %s: %s", path, error)
        return None
    return "\n\n\n".join(_described(tree, ""))


def _described(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> Iterator[str]:
    if docstring := ast.get_docstring(node, clean=False):
        yield f"{name}\n{cleandoc(docstring)}" if name else cleandoc(docstring)
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _described(child, f"{name}.{child.name}" if name else child.name)


def _description(distribution: importlib.metadata.Distribution) -> str | None:
    metadata = distribution.metadata
    payload = metadata.get_payload() if isinstance(metadata, Message) else None
    if isinstance(payload, str) and payload:
        return payload
    return ("Description" in metadata and metadata["Description"]) or None


def _package_folder(name: str) -> Path | None:
    # A top-level name is found without being imported.
    specification = importlib.util.find_spec(name)
    places = specification.submodule_search_locations if specification else None
    return Path(next(iter(places))) if places else None


def _version(package: str) -> str | None:
    names = {"pyro": "pyro-ppl", "sklearn": "scikit-learn", "dateutil": "python-dateutil", "yaml": "pyyaml"}
    try:
        return importlib.metadata.version(names.get(package, package))
    except importlib.metadata.PackageNotFoundError:
        return None


def _needed_packages() -> tuple[str, ...]:
    """Sorted canonical names of the packages that bomix stands on and of all that these require."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    needed: set[str] = set()
    waiting = [*_ROOTS]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in needed or _version(name) is None:
            continue
        needed.add(name)
        requirements = [Requirement(line) for line in importlib.metadata.distribution(name).requires or ()]
        waiting += [r.name for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})]
    return tuple(sorted(needed))
