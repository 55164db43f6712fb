"""Files of others are read within bounds: nothing is waited for, nothing fills the memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bomix.io.store import files


def test_a_file_within_its_bound_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("grüße")
    assert files.read_bounded(tmp_path / "a", 7) == "grüße"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.write_bytes(b"x" * 8), "longer than 7 bytes"),
        (lambda path: os.mkfifo(path), "no regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "no regular file"),
        (lambda path: path.mkdir(), "directory|no regular file"),
        (lambda path: None, "No such file"),
    ],
)
def test_what_is_no_file_or_too_long_is_an_error_at_once(tmp_path: Path, make, said: str) -> None:
    make(tmp_path / "a")
    with pytest.raises(OSError, match=said):
        files.read_bounded(tmp_path / "a", 7)
