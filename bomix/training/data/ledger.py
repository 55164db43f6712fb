"""What the building of a corpus knows by heart: which texts it has read, and how far it is.

Both lie in a database file beside the tokens, so that memory does not grow with the text, and so that a building that
was killed goes on from what it last wrote down.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from bomix.errors import DataError

FILE = "building.sqlite"
_CACHE_KIB = 16_384
"""Memory for pages of the database: hashes of some 300,000 texts. Beyond, they are looked up on the disk."""


class Ledger:
    """The database of one building. Nothing of it counts before :meth:`commit`, which is all or nothing.

    Args:
        folder: The folder of the building; its ledger is opened where there is one.
        identity: What the building must be of, plain text; a ledger of another is emptied.

    Raises:
        DataError: The file is damaged.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self.path = folder / FILE
        try:
            self._database = self._opened()
            if self.state("identity") not in (None, identity):
                self._database.close()
                self.path.unlink()
                self._database = self._opened()
        except sqlite3.DatabaseError as error:
            raise DataError(f"{self.path} is damaged ({error}); remove the folder {folder}") from error
        self.note("identity", identity)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._database.close()
        if isinstance(error, sqlite3.Error):  # a full disk, most likely: told like one of any other file
            raise OSError(f"{self.path}: {error}") from error

    def is_new(self, digest: bytes, number: int) -> bool:
        """Remember a text of the set that is being read; whether it had not come before.

        Args:
            digest: Its hash.
            number: Which text of the source it is, counted from 1.
        """
        done = self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (digest, number))
        return done.rowcount == 1

    def forget(self, after: int = 0) -> None:
        """Forget the texts of the set that is being read which came after so many; by default all of them."""
        self._database.execute("DELETE FROM seen WHERE number > ?", (after,))

    def train_on(self, digests: Iterable[bytes]) -> None:
        """Remember that some texts are trained on."""
        self._database.executemany("INSERT OR IGNORE INTO trained VALUES (?)", ((digest,) for digest in digests))

    def __contains__(self, digest: object) -> bool:
        """Whether a text is trained on, by its hash."""
        return self._database.execute("SELECT 1 FROM trained WHERE digest = ?", (digest,)).fetchone() is not None

    def state(self, key: str) -> Any:
        """What was noted under a key; None where nothing was."""
        row = self._database.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def note(self, key: str, value: Any) -> None:
        """Note plain JSON under a key."""
        self._database.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, json.dumps(value)))

    def commit(self) -> None:
        """Make all that was remembered since the last call count, durably."""
        self._database.commit()

    def remove(self) -> None:
        """Close and remove the file: the building is over."""
        self._database.close()
        self.path.unlink()

    def _opened(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path)
        database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        for table in ("seen (digest BLOB PRIMARY KEY, number INTEGER)", "trained (digest BLOB PRIMARY KEY)"):
            database.execute(f"CREATE TABLE IF NOT EXISTS {table} WITHOUT ROWID")
        database.execute("CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT)")
        database.commit()
        return database
