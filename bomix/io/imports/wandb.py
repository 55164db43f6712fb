"""Runs of W&B that were made offline: the logs ``run-<id>.wandb`` of a folder, read by wandb's own messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bomix.errors import Fault
from bomix.io.imports.offline import FINISHED, UNFINISHED, OfflineRun, table_of_runs
from bomix.io.store import files
from bomix.io.tables.table import Table

LOGS = "*.wandb"
"""Names of the logs."""
LARGEST = 2 * 2**30
"""Bytes of a log: a hundred metrics over a million steps have half of it."""
_BLOCK, _HEAD, _FILE_HEAD = 2**15, 7, b":W&B"
"""Bytes of a block, of the head of a piece in it, and what a file begins with: the log format of LevelDB."""
_WHOLE, _FIRST, _LAST = 1, 2, 4
"""Kinds of a piece: a whole record, its beginning, its end; between the last two lie others."""


def read_wandb(folder: Path, faults: list[Fault]) -> Table | None:
    """The runs of a folder ``wandb``, or of one above it, as a table.

    Args:
        folder: The folder, or a single log.
        faults: What keeps a log from being read is added here.

    Returns:
        The table of :func:`bomix.io.imports.offline.table_of_runs`; None where there is no run.
    """
    try:
        from google.protobuf.message import DecodeError
        from wandb.proto import wandb_internal_pb2 as messages
    except ModuleNotFoundError:
        faults.append(Fault(str(folder), "is read by wandb's own code: pip install 'bomix[wandb]'"))
        return None
    found = sorted(folder.rglob(LOGS)) if folder.is_dir() else [folder]
    runs = [run for path in found if (run := _run(path, messages, DecodeError, faults)) is not None]
    if not runs and not faults:
        faults.append(Fault(str(folder), f"has no log {LOGS} of a run, as wandb writes with WANDB_MODE=offline"))
    return table_of_runs(folder, runs) if runs else None


def _run(path: Path, messages: Any, no_message: type[Exception], faults: list[Fault]) -> OfflineRun | None:
    """The run of a log, as far as it was written."""
    config: dict[str, Any] = {}
    summary: dict[str, Any] = {}
    key = name = ""
    step: float | None = None
    exit_code: int | None = None
    try:
        for data in _records(files.bytes_of(path, LARGEST)):
            record = messages.Record.FromString(data)
            kind = record.WhichOneof("record_type")
            if kind == "run":
                key, name = record.run.run_id, record.run.display_name
                config.update(_items(record.run.config.update))
            elif kind == "config":
                config.update(_items(record.config.update))
            elif kind == "summary":
                summary.update(_items(record.summary.update))
            elif kind == "history":
                summary.update(_items(record.history.item))
                step = float(record.history.step.num)
            elif kind == "exit":
                exit_code = record.exit.exit_code
    except (OSError, ValueError, no_message) as error:
        faults.append(Fault(str(path), f"is no log of wandb that can be read: {error}", kind="no log"))
        return None
    state = FINISHED if exit_code == 0 else UNFINISHED
    config.pop("_wandb", None)
    known = {each: value for each, value in summary.items() if not each.startswith("_")}
    return OfflineRun(key or path.stem.removeprefix("run-"), name, config, known, step, state)


def _items(pairs: Any) -> Iterator[tuple[str, Any]]:
    """Name and value of messages that hold them as JSON."""
    for pair in pairs:
        yield pair.key or ".".join(pair.nested_key), json.loads(pair.value_json)


def _records(raw: bytes) -> Iterator[bytes]:
    """The records of a log, each put together of its pieces; a last one that was not finished is left out.

    Raises:
        ValueError: The file is none.
    """
    if not raw.startswith(_FILE_HEAD):
        raise ValueError(f"it does not begin with {_FILE_HEAD.decode()}")
    at, pieces = _HEAD, b""
    while at + _HEAD <= len(raw):
        left = _BLOCK - at % _BLOCK
        if left < _HEAD:  # what is left of a block is too short for a piece
            at += left
            continue
        length, kind = int.from_bytes(raw[at + 4 : at + 6], "little"), raw[at + 6]
        at += _HEAD
        piece = raw[at : at + length]
        at += length
        if len(piece) < length:
            return
        pieces = piece if kind in (_WHOLE, _FIRST) else pieces + piece
        if kind in (_WHOLE, _LAST):
            yield pieces
