"""What an attempt leaves behind in its folder: a result or an error, and a log, all read within bounds."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import threading
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bomix.contracts.executor import Ended
from bomix.errors import killed_by
from bomix.execution.attempt.evaluate import ERROR_FILE, LOG_FILE, RESULT_FILE
from bomix.execution.attempt.redaction import redacted
from bomix.io.store import files, records
from bomix.io.store.incoming import RESULT_LIMIT
from bomix.trial import LOG_TAIL_LIMIT, MESSAGE_LIMIT, Failure, Outcome, Result

if TYPE_CHECKING:
    from bomix.contracts.executor import Attempt
    from bomix.trial import Trial

_MESSAGE = 500
"""Characters of an error that a failure keeps of a file that anything may stand in."""
LOG_TAIL_LINES = 20
"""Last lines of a log that an outcome keeps: a traceback fits, and the record stays small."""
LOG_LIMIT = 256 * 2**20
"""Bytes of a log from which on only its end is kept: a trainer that repeats a warning must not fill the disk."""
CUT_EVERY_S = 2.0
"""Seconds between two looks at how long a log is: a disk takes some gigabytes in that time, and a look nothing."""
LOG_KEPT = 2**20
"""Bytes of a log that are kept when it is cut."""


def outcome(workdir: Path, code: int, tail: str, *, grouped: bool = False) -> Outcome:
    """What became of an attempt.

    Args:
        workdir: The attempt's folder.
        code: Exit status of its process; negative for a signal; 0 where it goes on with others.
        tail: The last lines of its log.
        grouped: Whether others were trained in the process. A result that is there then counts however the process
            ended: it was written whole before the others went on.
    """
    path = workdir / RESULT_FILE
    if (code == 0 or grouped) and path.exists():
        try:
            result = records.result_from_data(json.loads(files.read_bounded(path, RESULT_LIMIT)))
            artifacts = {name: str((workdir / artifact).absolute()) for name, artifact in result.artifacts.items()}
            return dataclasses.replace(result, artifacts=artifacts)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as found:
            # The attempt's folder is the trainer's as well, which may have written there since.
            return Failure(message=f"{path} is not what bomix wrote there: {found!r}"[:_MESSAGE], log_tail=tail)
    error = workdir / ERROR_FILE
    if error.exists():
        message = _end_of(error, MESSAGE_LIMIT)
    elif code < 0:
        message = killed_by(-code)
    else:
        message = f"the training process exited with {code}"
    return Failure(message=message, log_tail=tail)


def finished(attempts: Iterable[tuple[Trial, Attempt]], secrets: Collection[str]) -> list[Ended]:
    """The ends of those of some attempts that left a whole result, whoever did not hear of it.

    What left artifacts behind is not among them: these may not be whole.

    Args:
        attempts: Each trial with its latest attempt.
        secrets: Values that must not be in a log.
    """
    found = []
    for trial, attempt in attempts:
        tail = redacted(log_tail(attempt.folder), secrets)
        result = outcome(attempt.folder, 0, tail)
        if isinstance(result, Result) and not result.artifacts:
            found.append(Ended(trial, result, tail))
    return found


def log_tail(workdir: Path) -> str:
    """The last lines of an attempt's log, at most :data:`LOG_TAIL_LIMIT`."""
    return "\n".join(_end_of(workdir / LOG_FILE, LOG_TAIL_LIMIT).splitlines()[-LOG_TAIL_LINES:])


def log_size(workdir: Path) -> int:
    """Bytes of an attempt's log; 0 without one."""
    try:
        return (workdir / LOG_FILE).stat().st_size
    except FileNotFoundError:
        return 0


def cut_log(workdir: Path) -> int:
    """Keep the end of a log that is beyond its limit; returns its new size.

    Whoever writes appends to it meanwhile, and goes on after what is kept: the end goes over the beginning, then what
    was appended since, and only then is the rest cut off, with what came in the moment between.
    """
    if (size := log_size(workdir)) <= LOG_LIMIT:
        return size
    with (workdir / LOG_FILE).open("r+b") as file:
        file.seek(-min(size, LOG_KEPT), os.SEEK_END)
        kept = file.read(LOG_KEPT)
        seen = file.tell()
        file.seek(0)
        file.write(f"[bomix cut this log, which was longer than {LOG_LIMIT:,} bytes]\n".encode() + kept)
        written = file.tell()
        file.seek(seen)
        late = file.read()
        file.seek(written)
        file.write(late)
        file.truncate()
    return log_size(workdir)


@contextlib.contextmanager
def cutting_log(workdir: Path) -> Iterator[None]:
    """Cut the log of an attempt in this block as often as it is beyond its limit, on the machine that writes it.

    Over a network file system another one could not: what is appended meanwhile would be lost.
    """
    over = threading.Event()

    def look() -> None:
        while not over.wait(CUT_EVERY_S):
            with contextlib.suppress(OSError):  # the disk is full, say: the log then ends by itself
                cut_log(workdir)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _end_of(path: Path, limit: int) -> str:
    """The last bytes of a file as text; empty without the file, or where it is no regular one."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - limit))
        return file.read(limit).decode("utf-8", errors="replace")
