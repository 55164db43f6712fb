"""Secrets in what a trial leaves behind: values that a study file keeps secret, and tokens of well-known services."""

from __future__ import annotations

import logging
import mmap
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from bomix.io.store import files

logger = logging.getLogger(__name__)

SHORTEST = 6
"""Characters from which on a value is looked for: shorter ones, 0 or true say, stand in logs for other reasons."""
MASK = "[redacted]"
_TOKENS = re.compile(
    rb"\b(?:hf_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|AKIA[A-Z0-9]{16})\b"
)
"""Access tokens as Hugging Face, OpenAI, Anthropic, GitHub and AWS make them: each says by its beginning what it is."""


def redacted(text: str, secrets: Collection[str]) -> str:
    """A text without secrets.

    Args:
        text: What a trial printed.
        secrets: Values that must not be in it; those shorter than :data:`SHORTEST` are let through.
    """
    return _without(text.encode(), secrets).decode()


def redact_file(path: Path, secrets: Collection[str]) -> None:
    """Rewrite a file without secrets, where it holds any; without the file nothing happens."""
    if not path.is_file() or not path.stat().st_size:
        return
    known = [re.escape(secret.encode()) for secret in secrets if len(secret) >= SHORTEST]
    # Logs are long and rarely hold a secret: they are looked through where they lie, and read only to be rewritten.
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = _TOKENS.search(content) or (known and re.search(b"|".join(known), content))
    if found:
        files.replace(path, _without(path.read_bytes(), secrets))


def redact_files(paths: Iterable[Path], secrets: Collection[str]) -> None:
    """The same of several files, at the end of a run; one that cannot be rewritten is logged, and the others are."""
    for path in paths:
        try:
            redact_file(path, secrets)
        except OSError as error:
            logger.warning("%s may hold secrets, and cannot be rewritten: %s", path, error)


def _without(content: bytes, secrets: Collection[str]) -> bytes:
    # The longest first: a secret may be a part of another.
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORTEST:
            content = content.replace(secret.encode(), MASK.encode())
    return _TOKENS.sub(MASK.encode(), content)
