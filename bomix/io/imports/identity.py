"""Which run of a table is which run of the record: by its key, or by its mixture and what was measured.

Which values are the same says :mod:`.differences`.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

from bomix.io.imports.differences import (
    DECIMALS,
    FINE_WEIGHT,
    KEY,
    SEED,
    differences,
    printed_decimals,
    seed_difference,
    told_of,
)
from bomix.io.imports.runs import ImportedRun, Runs
from bomix.scale import comparable
from bomix.space.polytope import Array
from bomix.space.weights import Weights
from bomix.trial import IMPORTED, Record, Result


@dataclass(frozen=True)
class Match:
    """A run of a table that is a run of the record.

    Attributes:
        record: The run as it is recorded.
        run: The run as the table has it.
        place: File and line.
        filled: Metrics, and ``seed``, that the table has and the record has not.
        differences: What both have and is not the same, a line each.
    """

    record: Record
    run: ImportedRun
    place: str = ""
    filled: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Compared:
    """The runs of a table against the record.

    Attributes:
        new: Runs that the record does not have.
        there: Those that it has with the same values.
        completed: Those that it has, without some metric, or the seed, that the table has.
        changed: Those that it has with other values.
        withdrawn: Those that were withdrawn; they stay so.
    """

    new: tuple[ImportedRun, ...] = ()
    there: tuple[Match, ...] = ()
    completed: tuple[Match, ...] = ()
    changed: tuple[Match, ...] = ()
    withdrawn: tuple[Match, ...] = ()


def compare(found: Runs, records: Iterable[Record]) -> Compared:
    """Find the runs of a table in the record; each run of the record is found once.

    A key says which run it is, together with scale and seed as far as both are known. A run without a key, or whose key
    the record does not have, is one of the record's without that key where mixture, scale, seed and all losses that
    both have are the same, at least one of them. Where a key stands once in the record and once in the table, with the
    same mixture and losses, the run is the same one, whatever its seed: a seed that was corrected is a difference.

    Args:
        found: What an importer found.
        records: The trials of the study, withdrawn ones included.
    """
    search = _Search(records, Counter(_key(run) for run in found.runs))
    matches: dict[str, list[Match]] = {name: [] for name in ("there", "completed", "changed", "withdrawn")}
    new: list[ImportedRun] = []
    places = found.places or ("",) * len(found.runs)
    for run, place in zip(found.runs, places, strict=True):
        record = search.find(run)
        if record is None:
            new.append(run)
            continue
        match = _match(record, run, place)
        matches[_kind(match)].append(match)
    return Compared(tuple(new), **{name: tuple(listed) for name, listed in matches.items()})


def with_gaps_filled(match: Match) -> Record:
    """The run of the record with what only the table has."""
    result = match.run[1]
    known, trial = match.record.result, match.record.trial
    losses = {**{name: result.losses[name] for name in match.filled if name in result.losses}, **known.losses}
    if SEED in match.filled:
        trial = dataclasses.replace(trial, seed=trained_seed(result, trial.seed))
    return dataclasses.replace(match.record, trial=trial, outcome=_updated(known, losses, result))


def with_values_of_table(match: Match) -> Record:
    """The run of the record with the mixture, the scale and the losses of the table; what it lacks is kept."""
    weights, result, scale = match.run
    known, trial = match.record.result, match.record.trial
    losses = {**known.losses, **result.losses}
    trial = dataclasses.replace(trial, weights=weights, scale=trial.scale if scale is None else scale)
    trial = dataclasses.replace(trial, seed=trained_seed(result, trial.seed))
    return dataclasses.replace(match.record, trial=trial, outcome=_updated(known, losses, result))


def trained_seed(result: Result, seed: int) -> int:
    """The seed of a run as its table tells it; ``seed`` where it tells none that a record can hold."""
    told = result.info.get(SEED)
    return told if is_seed(told) else seed


def is_seed(told: object) -> TypeGuard[int]:
    """Whether a value is a seed that a record can hold."""
    return isinstance(told, int) and not isinstance(told, bool) and 0 <= told < 2**63


class _Search:
    """The imported runs of a record; each is found once.

    Args:
        records: The trials of the study.
        rows: How often each key stands in the table.
    """

    def __init__(self, records: Iterable[Record], rows: Mapping[str, int]) -> None:
        self._rows_of = rows
        runs = [record for record in records if record.trial.origin == IMPORTED and isinstance(record.outcome, Result)]
        # Withdrawn ones come last: where a run was withdrawn and imported anew, the new one is meant.
        self._runs = sorted(runs, key=lambda record: record.withdrawn is not None)
        self._names = sorted({name for record in runs for name in record.trial.weights})
        self._points = self._rows([record.trial.weights for record in self._runs])
        self._taken: set[int] = set()
        self._keyed: dict[str, list[Record]] = {}
        for record in self._runs:
            if key := told_of(record, KEY):
                self._keyed.setdefault(key, []).append(record)

    def find(self, run: ImportedRun) -> Record | None:
        key = _key(run)
        named = [record for record in self._keyed.get(key, []) if self._may_be(record, run)]
        if named:
            equal = [record for record in named if not differences(record, run)]
            return self._take((equal or named)[0])
        if (
            (alone := self._alone(key)) is not None
            and comparable(alone.trial.scale, run[2])
            and _is_same_run(alone, run)
        ):
            return self._take(alone)
        for record in self._near(run[0]):
            if (not key or not told_of(record, KEY)) and self._may_be(record, run) and _is_same_run(record, run):
                return self._take(record)
        return None

    def _alone(self, key: str) -> Record | None:
        """The one run of a key that stands once in the record and once in the table; None where there is no such."""
        named = self._keyed.get(key, [])
        return (
            named[0] if len(named) == 1 and self._rows_of[key] == 1 and named[0].trial.id not in self._taken else None
        )

    def _near(self, weights: Weights) -> list[Record]:
        """The runs whose mixtures are near enough for a closer look."""
        if not self._runs:
            return []
        away = np.abs(self._points - self._rows([weights])).max(axis=1)
        return [self._runs[at] for at in np.flatnonzero(away <= FINE_WEIGHT * (1 + len(self._names)))]

    def _rows(self, mixtures: Sequence[Weights]) -> Array:
        return np.array([[weights.get(name, 0.0) for name in self._names] for weights in mixtures])

    def _may_be(self, record: Record, run: ImportedRun) -> bool:
        """Whether a record is free and neither scale nor seed speak against its being the run."""
        known = comparable(record.trial.scale, run[2]) and not seed_difference(record, run)
        return known and record.trial.id not in self._taken

    def _take(self, record: Record) -> Record:
        self._taken.add(record.trial.id)
        return record


def _match(record: Record, run: ImportedRun, place: str) -> Match:
    filled = [name for name in run[1].losses if name not in record.result.losses]
    if SEED in run[1].info and not told_of(record, SEED):
        filled.append(SEED)
    return Match(record, run, place, tuple(filled), (*differences(record, run), *seed_difference(record, run)))


def _kind(match: Match) -> str:
    if match.record.withdrawn is not None and not match.differences:
        return "withdrawn"
    if match.differences:
        return "changed"
    return "completed" if match.filled else "there"


def _is_same_run(record: Record, run: ImportedRun) -> bool:
    return bool(record.result.losses.keys() & run[1].losses.keys()) and not differences(record, run)


def _updated(known: Result, losses: Mapping[str, float], now: Result) -> Result:
    """A result with other losses, and what the table tells of it beside them."""
    gaps = tuple(name for name in known.unmeasured if name not in losses)
    printed = {**_loss_digits(known), **_loss_digits(now)}
    told = {**known.info, **now.info}
    if DECIMALS in told:
        told[DECIMALS] = {**told[DECIMALS], "losses": printed}
    return dataclasses.replace(known, losses=losses, unmeasured=gaps, info=told)


def _loss_digits(result: Result) -> dict[str, int]:
    losses = printed_decimals(result).get("losses")
    return dict(losses) if isinstance(losses, Mapping) else {}


def _key(run: ImportedRun) -> str:
    """The key that a table gives a run; empty where it gives none."""
    return str(run[1].info.get(KEY) or "")
