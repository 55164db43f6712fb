"""What became of the domains of an earlier study: which stayed, were added, split, united, dropped, filtered anew."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from bomix.errors import Fault, did_you_mean, raise_faults
from bomix.io.imports.carried import Carried, carried, kept_share
from bomix.io.tables.table import to_number
from bomix.trial import SUM_TOLERANCE, Record

Shares = Mapping[str, float]
"""Domain of the new study to the share of an old one's text that it has."""

NEGLIGIBLE = 1e-3
"""Share of a run's tokens on other text that is as good as none: so little moves losses by less than their noise."""
_LEAST_KEPT = 0.02
"""Share of a run's tokens that must be left for it to be a run of the new study: less says nothing of a mixture."""


@dataclass(frozen=True)
class DomainChanges:
    """What became of domains, as it is said of a pair of studies.

    Attributes:
        parts: Old domain to what it is now: another name, or several with the share of its text in each, None where
            tokens are to say it; old domains that share one are united. Those that it does not name stay.
        dropped: Old domains that the new study has no more.
        refiltered: Domains of the new study with the name of an old one, or mapped onto, whose text is another.
        added: Domains of the new study that no old one is part of; those that are not named here are found.
    """

    parts: Mapping[str, Mapping[str, float | None]] = field(default_factory=lambda: MappingProxyType({}))
    dropped: tuple[str, ...] = ()
    refiltered: tuple[str, ...] = ()
    added: tuple[str, ...] = ()


@dataclass(frozen=True)
class Carriage:
    """The same with everything known: how runs of the old study become runs of the new one.

    Attributes:
        parts: Every old domain to the new ones that it is part of, with the share of its text in each; none where it
            was dropped.
        added: New domains that no old one is part of.
        refiltered: New domains with other text than before.
        unions: New domain to the old ones in it, with their shares in its text; empty shares where tokens are unknown.
    """

    parts: Mapping[str, Shares]
    added: tuple[str, ...]
    refiltered: tuple[str, ...]
    unions: Mapping[str, Shares]

    @property
    def dropped(self) -> tuple[str, ...]:
        """Old domains that are no more."""
        return tuple(name for name, shares in self.parts.items() if not shares)

    @property
    def changed(self) -> tuple[str, ...]:
        """New domains that old runs cannot tell enough of, sorted: those added, parts of a split, and other text.

        Not so unions: old runs have them, in all proportions.
        """
        split = {part for shares in self.parts.values() if len(shares) > 1 for part in shares}
        return tuple(sorted({*self.added, *self.refiltered, *split}))

    def exact(self, record: Record) -> bool:
        """Whether a run is one of the new study without reservation."""
        found = self.of(record, generation=0)
        return found is not None and not any(found[1].other.values())

    def of(self, record: Record, *, generation: int) -> tuple[dict[str, float], Carried] | None:
        """Mixture in domains of the new study, and what it does not say; None where next to nothing of it is left.

        Args:
            record: A run of the earlier study.
            generation: Number of the change, the same for all its runs (:func:`next_generation`): text of one name is
                one text.
        """
        before, kept = carried(record) or Carried(), kept_share(record)
        tokens = {name: weight * kept for name, weight in (record.result.realized or record.trial.weights).items()}
        found: dict[str, dict[str, float]] = {}
        other, lost = dict(before.other), before.lost
        for name, share in tokens.items():
            if not self.parts.get(name):
                other[f"{name} (dropped, {generation})"] = share
                lost += share
            for new, part in self.parts.get(name, {}).items():
                found.setdefault(new, {})[name] = share * part
        weights = {new: math.fsum(parts.values()) for new, parts in found.items()}
        for new, shares in self.unions.items():
            for name, usual in [*shares.items()][1:]:  # what the first exceeds its share by, the others fall short of
                other[f"{name} (in {new}, {generation})"] = found[new].get(name, 0.0) - usual * weights[new]
        other |= {f"{name} (before {generation})": weights.get(name, 0.0) for name in self.refiltered}
        left = math.fsum(weights.values())
        if left < _LEAST_KEPT:
            return None
        told = {name: share for name, share in other.items() if abs(share) > NEGLIGIBLE}
        return {name: share / left for name, share in weights.items()}, Carried(self.changed, told, lost, generation)


def next_generation(records: Iterable[Record]) -> int:
    """The number of a change of domains: one more than of those that a study's runs went through."""
    return 1 + max((found.generation for each in records if (found := carried(each)) is not None), default=0)


def parsed_changes(
    maps: Iterable[str], *, dropped: Sequence[str] = (), refiltered: Sequence[str] = (), added: Sequence[str] = ()
) -> DomainChanges:
    """What ``OLD=NEW``, ``OLD=A,B`` and ``OLD=A:0.3,B:0.7`` say.

    Raises:
        FaultsError: One of them says neither, or speaks of a domain that another one speaks of.
    """
    parts: dict[str, dict[str, float | None]] = {}
    faults = []
    for text in maps:
        old, _, new = text.partition("=")
        pieces = [_piece(each.strip()) for each in new.split(",")]
        shared = [share for _, share in pieces if share is not None]
        if not old or not all(name for name, _ in pieces):
            faults.append(Fault("--map", f"expected OLD=NEW, OLD=A,B or OLD=A:0.3,B:0.7, found '{text}'"))
        elif old in parts:
            faults.append(Fault("--map", f"'{old}' stands twice; say once what became of it: {old}=A:0.3,B:0.7"))
        elif shared and len(shared) < len(pieces):
            faults.append(Fault("--map", f"'{text}': give each part its share, or none and let tokens say them"))
        else:
            parts[old] = dict(pieces)
    raise_faults(faults)
    return DomainChanges(parts, tuple(dropped), tuple(refiltered), tuple(added))


def carriage(
    changes: DomainChanges,
    old: Sequence[str],
    new: Sequence[str],
    *,
    old_tokens: Mapping[str, float],
    new_tokens: Mapping[str, float],
) -> Carriage:
    """How runs of one study become runs of another.

    Args:
        changes: What became of the domains.
        old: Those of the earlier study.
        new: Those of the later one.
        old_tokens: Tokens of domains of the earlier study, which say what a union is made of; none where unknown.
        new_tokens: Tokens of domains of the later one, which say how a domain was split.

    Raises:
        FaultsError: Domains that neither study has, that nothing is said of, or of which two things are said.
    """
    faults = [*_named_faults(changes, old, new)]
    parts: dict[str, Shares] = {}
    for name in old:
        if name in changes.dropped:
            parts[name] = {}
            continue
        stated = changes.parts.get(name, {name: 1.0})
        if name not in changes.parts and name not in new:
            what = f"the new study has no such domain; say what became of it: --map {name}=NEW, or --drop {name}"
            faults.append(Fault(f"domains.{name}", what))
        shares = _shares(stated, new_tokens)
        if shares is None:
            listed = ",".join(f"{part}:{1.0 / len(stated):.2g}" for part in stated)
            what = f"tokens of its parts are unknown, so that its shares must be said: --map {name}={listed}"
            faults.append(Fault(f"--map {name}", what))
        elif abs(math.fsum(shares.values()) - 1.0) > SUM_TOLERANCE or min(shares.values()) < 0.0:
            faults.append(Fault(f"--map {name}", "the shares of its parts must sum to 1, none below 0"))
        else:
            whole = math.fsum(shares.values())
            parts[name] = {part: share / whole for part, share in shares.items()}
    raise_faults(faults, "the runs cannot be carried over; nothing was recorded:")
    reached = {part for shares in parts.values() for part in shares}
    for name in changes.added:
        if name in reached:
            faults.append(Fault(f"--add {name}", "a domain of the earlier study is part of it; leave the option out"))
    for name in changes.refiltered:
        if name not in reached:
            faults.append(Fault(f"--refilter {name}", "no domain of the earlier study is part of it; it is a new one"))
    raise_faults(faults, "the runs cannot be carried over; nothing was recorded:")
    added = tuple(name for name in new if name not in reached)
    return Carriage(parts, added, tuple(changes.refiltered), _unions(parts, old_tokens))


def _unions(parts: Mapping[str, Shares], tokens: Mapping[str, float]) -> dict[str, Shares]:
    """New domains that several old ones are part of, with the share of each in its text, as tokens say it."""
    found: dict[str, dict[str, float]] = {}
    for old, shares in parts.items():
        for new, share in shares.items():
            found.setdefault(new, {})[old] = share * tokens.get(old, math.nan)
    unions: dict[str, Shares] = {}
    for new, counts in found.items():
        if len(counts) > 1:
            whole = math.fsum(counts.values())
            unions[new] = {} if math.isnan(whole) else {old: count / whole for old, count in counts.items()}
    return unions


def _shares(stated: Mapping[str, float | None], tokens: Mapping[str, float]) -> Shares | None:
    """Shares of the parts, by their tokens where none is stated; None where these are unknown."""
    if len(stated) == 1:
        return {name: 1.0 if share is None else share for name, share in stated.items()}
    if all(share is not None for share in stated.values()):
        return {name: float(share) for name, share in stated.items() if share is not None}
    if not all(name in tokens for name in stated):
        return None
    whole = math.fsum(tokens[name] for name in stated)
    return {name: tokens[name] / whole for name in stated}


def _named_faults(changes: DomainChanges, old: Sequence[str], new: Sequence[str]) -> list[Fault]:
    """Names that neither study has, and domains of which two things are said."""
    found = [
        Fault(f"--map {name}", f"the earlier study has no domain '{name}'{did_you_mean(name, old)}")
        for name in changes.parts
        if name not in old
    ]
    found += [
        Fault(f"--map {name}", f"the new study has no domain '{part}'{did_you_mean(part, new)}")
        for name, parts in changes.parts.items()
        for part in parts
        if part not in new
    ]
    found += [
        Fault(f"--drop {name}", f"the earlier study has no domain '{name}'{did_you_mean(name, old)}")
        for name in changes.dropped
        if name not in old
    ]
    both = [name for name in changes.dropped if name in changes.parts]
    found += [Fault(f"--drop {name}", f"--map {name} says what it is now; keep one") for name in both]
    kept = [name for name in changes.dropped if name in new and name not in both]
    found += [Fault(f"--drop {name}", "the new study has it; take it out of its domains") for name in kept]
    for option, names in (("--refilter", changes.refiltered), ("--add", changes.added)):
        found += [
            Fault(f"{option} {name}", f"the new study has no domain '{name}'{did_you_mean(name, new)}")
            for name in names
            if name not in new
        ]
    return found


def _piece(text: str) -> tuple[str, float | None]:
    """A domain and its share; None where the text is a domain alone, a colon in its name or not."""
    name, _, share = text.rpartition(":")
    number = to_number(share)
    return (name, number) if name and number is not None else (text, None)
