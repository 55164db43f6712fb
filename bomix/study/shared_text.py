"""Which domains of a study hold the same text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bomix.training.data.sources import Files

if TYPE_CHECKING:
    from bomix.config.spec import StudySpec

_SHOWN = 3  # Files that a message names.


def shared_text(spec: StudySpec, folder: Path) -> list[str]:
    """A sentence for all domains that read the same local files, or whose sources are equal.

    Args:
        spec: The study, whose sources can be read.
        folder: What relative paths are relative to.
    """
    readers: dict[str, list[str]] = {}
    for name, domain in spec.domains.items():
        source = domain.source
        if isinstance(source, Files) and not source.remote:
            for file in source.relative_to(folder).files():
                readers.setdefault(str(file), []).append(name)
        elif source is not None:
            readers.setdefault(repr(source), []).append(name)
    shared: dict[tuple[str, ...], list[str]] = {}
    for text, names in readers.items():
        if len(names) > 1:
            shared.setdefault(tuple(names), []).append(text)
    return [
        f"domains {', '.join(map(repr, names))} share text ({_listed(texts)}); give each text to one domain"
        for names, texts in shared.items()
    ]


def _listed(texts: list[str]) -> str:
    return ", ".join(texts[:_SHOWN]) + (f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else "")
