"""``results.nc``: the record as one dataset for other programs, there only while it holds every result.

Writing it takes as long as there are trials, recording a result must not. So it is not written with each result:
before one is recorded the file is removed, and it is written again when there is time for it, at the latest at the end
of a run. Who finds the file may rely on it, and who finds none has one written by ``bomix dataset`` or reads
``study.dataset``. A process that is killed in between leaves none.

There is one exception, since no lock is held: a process that writes the file looks whether the record has changed just
before the file takes its name, and again just after. Where another process records a result between the two, and the
first is killed before its second look, a file stays that lacks that result until the next one is recorded or written.

It holds every result, revision and withdrawal; trials that were only asked for since it was written may lack in it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bomix.io.store import files, netcdf

if TYPE_CHECKING:
    import xarray as xr

logger = logging.getLogger(__name__)

RESULTS_FILE = "results.nc"


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Record in this block what ``results.nc`` does not hold.

    It is removed before, so that no kill leaves it behind, and once more afterwards: another process may have written
    it meanwhile of the record as it was. That process looks whether the record has changed, too, once it has written.
    """
    _refusal(folder)
    try:
        yield
    except BaseException:
        _refusal(folder)  # as a rule nothing was recorded, and the error says so
        raise
    remove(folder)


def remove(folder: Path) -> None:
    """Remove ``results.nc``, durably; where that is refused it is logged, since what is recorded weighs more."""
    if (error := _refusal(folder)) is not None:
        path = folder / RESULTS_FILE
        logger.warning("%s lacks what was recorded since it was written, and cannot be removed: %s", path, error)


def _refusal(folder: Path) -> OSError | None:
    """What the system says where ``results.nc`` cannot be removed; None where it is gone."""
    path = folder / RESULTS_FILE
    if not os.path.lexists(path) or (path.is_dir() and not path.is_symlink()):
        return None
    try:
        path.unlink(missing_ok=True)
        files.sync(folder)
    except OSError as error:
        return error
    return None


def write(folder: Path, dataset: xr.Dataset, *, is_current: Callable[[], bool]) -> None:
    """Write ``results.nc``; a disk that is full or a folder in the way is logged, as the file is only derived.

    Args:
        folder: The study's.
        dataset: What it holds.
        is_current: Whether that is the record still, which other processes change. It is looked at late, before the
            file is there, and once it is: what lacks something is not left.
    """
    path = folder / RESULTS_FILE
    content = netcdf.content(dataset)
    if is_current():
        try:
            files.replace(path, content)
        except OSError as error:
            logger.warning("%s could not be written: %s", path, error)
        if not is_current():
            remove(folder)
