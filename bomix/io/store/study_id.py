"""The name of a study by which results that come back from elsewhere are known to be of it.

Two studies of the same domains begin with the same mixtures under the same numbers. What is handed out bears this name
therefore, which is drawn when something is handed out for the first time and goes with the folder.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from bomix.errors import StoreError
from bomix.io.store import files, records

ID_FILE = "id.json"
ID_SCHEMA = 1
"""Version of the file: raised when an older reader would read it wrong."""
_BYTES = 12
"""Length of a name: among a billion studies, two are called alike with a probability of 1e-11."""


def read(folder: Path) -> str | None:
    """The name of a study; None where nothing was handed out yet.

    Raises:
        StoreError: The file is damaged, or of a newer version.
    """
    path = folder / ID_FILE
    try:
        return str(records.unsealed(files.read_bounded(path, files.RECORD_LIMIT), ID_SCHEMA)["id"])
    except FileNotFoundError:
        return None
    except (StoreError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        cure = "restore it, or move it away and have the trials written again (`bomix ask --pending --out DIR`)"
        raise StoreError(f"{path} cannot be read ({error}); {cure}") from error


def ensured(folder: Path) -> str:
    """The same, drawn now where there is none; several processes get the same."""
    while (found := read(folder)) is None:
        text = records.sealed({"schema": ID_SCHEMA, "id": os.urandom(_BYTES).hex()})
        with contextlib.suppress(FileExistsError):  # another process was first: its name is read
            files.write_new(folder / ID_FILE, text)
    return found
