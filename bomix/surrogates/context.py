"""What a surrogate may know beside the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bomix.space import MixtureSpace


@dataclass(frozen=True)
class FitContext:
    """The names behind the columns.

    Attributes:
        space: The mixtures that are allowed; ``space.domains`` is the order of the columns of ``X``.
        metrics: Names of the columns of ``Y``.
        trials: Id of the trial behind each row, where the rows are trials.
        artifacts: Trial id to the artifacts of its result (absolute paths), for surrogates that read them.
    """

    space: MixtureSpace
    metrics: tuple[str, ...]
    trials: tuple[int, ...] = ()
    artifacts: Mapping[int, Mapping[str, str]] = field(default_factory=dict)

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the columns of ``X``, sorted."""
        return self.space.domains
