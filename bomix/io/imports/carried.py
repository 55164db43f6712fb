"""What a run of an earlier study still knows that the study which took it over has no domain for.

Domains change: one is dropped, one is filtered anew, two become one. The runs made before are runs of other text, and
say so: beside its mixture each keeps how much of its tokens were text that the study no longer has. A surrogate makes a
column of every such text (:attr:`bomix.contracts.context.FitContext.other`), which is zero of whatever is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from bomix.trial import IMPORTED, Record, Result

CARRIED = "carried"
"""Key of it in ``info`` of a result."""


@dataclass(frozen=True)
class Carried:
    """What a run that was carried over knows beside its mixture.

    Attributes:
        changed: Domains of the study that runs of the earlier one cannot tell enough of: those that are new, parts of
            one that was split, unions, and those with other text.
        other: Name of text that the study has no more, or has another cut of, to its share of the tokens of the run;
            of a union, by how much a part exceeds its share in it, which may be below zero.
        lost: Share of the tokens that belongs to no domain of the study: the mixture is that of all others.
        generation: Number of the last change of domains that its study went through, from 1.
    """

    changed: tuple[str, ...] = ()
    other: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    lost: float = 0.0
    generation: int = 1

    def to_data(self) -> dict[str, Any]:
        """Plain JSON for ``info`` of a result."""
        return {
            "changed": list(self.changed),
            "other": dict(self.other),
            "lost": self.lost,
            "generation": self.generation,
        }


def carried(record: Record) -> Carried | None:
    """What a record knows of text of an earlier study; None of a run that was not carried over."""
    if record.trial.origin != IMPORTED or not isinstance(record.outcome, Result):
        return None
    data = record.outcome.info.get(CARRIED)
    if not isinstance(data, Mapping):
        return None
    return Carried(
        tuple(map(str, data.get("changed", ()))),
        {str(name): float(share) for name, share in data.get("other", {}).items()},
        float(data.get("lost", 0.0)),
        int(data.get("generation", 1)),
    )


def changed_domains(records: Iterable[Record]) -> tuple[str, ...]:
    """The domains that runs which were carried over cannot tell enough of, sorted; empty where none was."""
    found = (carried(record) for record in records)
    return tuple(sorted({name for each in found if each is not None for name in each.changed}))


def other_text(records: Sequence[Record]) -> tuple[tuple[float, ...], ...]:
    """Share of each text that the study has no more in each of ``n`` runs, ``n x h``; empty where no run has any."""
    found = [carried(record) for record in records]
    names = sorted({name for each in found if each is not None for name, share in each.other.items() if share})
    if not names:
        return ()
    return tuple(tuple(0.0 if each is None else each.other.get(name, 0.0) for name in names) for each in found)


def kept_share(record: Record) -> float:
    """Share of the tokens of a run that the domains of its mixture are: one but for those that lost a domain."""
    found = carried(record)
    return 1.0 if found is None else 1.0 - found.lost


def is_exact(record: Record) -> bool:
    """Whether a run is one of the study without reservation: on no text that the study has no more."""
    found = carried(record)
    return found is None or not any(found.other.values())
