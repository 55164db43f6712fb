"""Whether two domains of a study hold the same text."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from bomix.training.data.sources import Files

if TYPE_CHECKING:
    from bomix.config.spec import StudySpec

_SHOWN = 3  # Files that a message names.


def shared_text(spec: StudySpec, folder: Path) -> list[str]:
    """A sentence for each two domains whose sources are equal or read the same local files.

    Args:
        spec: The study, whose sources can be read.
        folder: What relative paths are relative to.
    """
    sources = {name: domain.source for name, domain in spec.domains.items() if domain.source is not None}
    files = {
        name: frozenset(map(str, source.relative_to(folder).files()))
        for name, source in sources.items()
        if isinstance(source, Files) and not source.remote
    }
    found = []
    for one, other in combinations(sources, 2):
        both = sorted(files.get(one, frozenset()) & files.get(other, frozenset()))
        if both:
            named = ", ".join(both[:_SHOWN]) + (f" and {len(both) - _SHOWN} more" if len(both) > _SHOWN else "")
            found.append(f"domains '{one}' and '{other}' share text ({named}); their weights cannot be told apart")
        elif sources[one] == sources[other]:
            found.append(f"domains '{one}' and '{other}' have the same source; their weights cannot be told apart")
    return found
