"""How text becomes training and validation tokens."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bomix.errors import Fault
from bomix.training.data.cores import cores


@dataclass(frozen=True)
class CorpusSpec:
    """How text becomes training and validation tokens.

    Attributes:
        validation_share: Share of each domain's documents that serve validation.
        max_tokens: Training tokens that are kept of each domain; reading stops there. None keeps all.
        max_validation_tokens: Tokens that are kept of each validation set. None keeps all that are met before
            ``max_tokens`` is reached.
        processes: Processes that make tokens of text side by side, once there is more of it than 2 MB; ``auto`` takes
            as many as there are cores. The tokens do not depend on it.
        cache: Folder of the built corpora; by default ``BOMIX_CACHE``, or the user's cache folder.
    """

    validation_share: float = 0.1
    max_tokens: int | None = None
    max_validation_tokens: int | None = None
    processes: int | Literal["auto"] = "auto"
    cache: str | None = None

    def faults(self) -> list[Fault]:
        """What is wrong with the fields alone."""
        found = []
        if not 0 < self.validation_share < 1:
            found.append(Fault("validation_share", f"is {self.validation_share}; must lie between 0 and 1, 0.1 say"))
        limits = {"max_tokens": self.max_tokens, "max_validation_tokens": self.max_validation_tokens}
        for key, value in limits.items():
            if value is not None and value < 2:
                found.append(Fault(key, f"is {value}; must be at least 2, or left out for all tokens"))
        if self.processes != "auto" and self.processes < 1:
            found.append(Fault("processes", f"is {self.processes}; must be at least 1, or left out for all cores"))
        return found

    def cuts(self, tokens: int) -> bool:
        """Whether a domain of so many training tokens is one whose reading stopped at ``max_tokens``."""
        return self.max_tokens is not None and tokens >= self.max_tokens - 1

    @property
    def encoders(self) -> int:
        """Processes that make tokens of text."""
        return cores() if self.processes == "auto" else self.processes

    @property
    def content(self) -> dict[str, Any]:
        """The keys that decide about the tokens."""
        values = dataclasses.asdict(self)
        return {key: values[key] for key in ("validation_share", "max_tokens", "max_validation_tokens")}

    def relative_to(self, folder: Path) -> CorpusSpec:
        """The same with a relative cache folder taken from ``folder``."""
        if self.cache is None:
            return self
        return dataclasses.replace(self, cache=str(folder / Path(self.cache).expanduser()))
