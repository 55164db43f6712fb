"""JSON lines that one process appends to a file in the folder of an attempt, and another reads as they come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class LineReader:
    """Reads whole lines, each once.

    Args:
        path: The file; it may come later.
        limit: Bytes that are read at once: a file that anything may stand in must not fill the reader's memory.
    """

    def __init__(self, path: Path, *, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._at = 0

    def new(self) -> list[dict[str, Any]]:
        """The mappings among the lines that have come since the last call; what is none is left out."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                content = file.read(self._limit)
        except OSError:
            return []
        whole = content.rfind(b"\n") + 1
        # A line that is longer than the limit is nobody's of bomix, and nothing behind it would ever be read.
        self._at += whole if whole or len(content) < self._limit else len(content)
        return [data for line in content[:whole].split(b"\n") if isinstance(data := _parsed(line), dict)]


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
