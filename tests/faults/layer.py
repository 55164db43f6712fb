"""Faults under every file operation in a study's folder: the K-th fails, tears, or is the last before a kill.

The layer stands in for the functions of :mod:`os` through which everything is written, so that whatever a study does
with files is counted, and met by the fault when its turn comes. It is put up in a process of its own, see
:mod:`tests.faults.runs`.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

KILLED = 9
"""Exit status of a process that the layer ended."""

CHANGES = ("create", "write", "fsync", "link", "rename", "replace", "mkdir", "unlink", "rmdir", "truncate")
"""Operations that change what is on the disk."""
NEEDS_SPACE = ("create", "write", "mkdir", "link")
"""Operations that a full disk refuses."""
KINDS = ("error", "full", "read-only", "torn", "killed")
"""One operation fails; from one on the disk is full; it is read-only; a write is torn by a kill; a kill before it."""


class Layer:
    """Counts the file operations in a folder, and lets one of them meet a fault.

    Args:
        folder: Operations elsewhere are let through uncounted.
        kind: One of :data:`KINDS`; None only counts.
        at: Number of the operation that meets the fault, from 0.
    """

    def __init__(self, folder: Path, kind: str | None = None, at: int = -1) -> None:
        self.folder, self.kind, self.at = str(folder.resolve()), kind, at
        self.operations: list[str] = []
        self._mine: set[int] = set()

    def put_up(self) -> None:
        """Replace the functions, for good: the process is the fault's own."""
        opened, write, fsync, close = os.open, os.write, os.fsync, os.close

        def open_(path: Any, flags: int, *rest: Any, **named: Any) -> int:
            inside = self._inside(path)
            if inside:
                self._meet("create" if flags & os.O_CREAT else "open", lambda: None)
            descriptor = opened(path, flags, *rest, **named)
            if inside:
                self._mine.add(descriptor)
            return descriptor

        def write_(descriptor: int, data: Any) -> int:
            if descriptor in self._mine:
                self._meet("write", lambda: write(descriptor, bytes(data)[: len(data) // 2]))
            return write(descriptor, data)

        def fsync_(descriptor: int) -> None:
            if descriptor in self._mine:
                self._meet("fsync", lambda: None)
            fsync(descriptor)

        def close_(descriptor: int) -> None:
            self._mine.discard(descriptor)
            close(descriptor)

        replacements: dict[str, Callable[..., Any]] = {"open": open_, "write": write_, "fsync": fsync_, "close": close_}
        for name in ("link", "rename", "replace", "mkdir", "unlink", "rmdir", "truncate"):
            replacements[name] = self._path_operation(name, getattr(os, name))
        for name, function in replacements.items():
            setattr(os, name, function)
        read = io.open

        def open_to_read(path: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
            if self._inside(path):
                self._meet("read", lambda: None)
            return read(path, mode, *rest, **named)

        io.open = open_to_read  # type: ignore[assignment]

    def _path_operation(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def operation(path: Any, *rest: Any, **named: Any) -> Any:
            if self._inside(path):
                self._meet(name, lambda: function(path, *rest, **named))
            return function(path, *rest, **named)

        return operation

    def _inside(self, path: Any) -> bool:
        return isinstance(path, (str, os.PathLike)) and os.path.abspath(os.fspath(path)).startswith(self.folder)

    def _meet(self, operation: str, torn: Callable[[], Any]) -> None:
        """Count an operation, and fail or end here where its turn has come.

        Args:
            operation: What is done.
            torn: Does the part of it that a kill in the middle leaves.
        """
        number = len(self.operations)
        self.operations.append(operation)
        if self.kind is None or number < self.at:
            return
        if self.kind == "full" and operation in NEEDS_SPACE:
            raise OSError(errno.ENOSPC, "no space left on device")
        if self.kind == "read-only" and operation in CHANGES:
            raise OSError(errno.EROFS, "read-only file system")
        if number != self.at:
            return
        if self.kind == "error":
            raise OSError(errno.EIO, f"input/output error in {operation}")
        if self.kind == "torn":
            try:
                torn()
            finally:  # a system call that fails is torn no less
                os._exit(KILLED)
        if self.kind == "killed":
            os._exit(KILLED)
