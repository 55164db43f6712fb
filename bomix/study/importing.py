"""Runs that come in from tables: new ones are recorded, known ones completed or revised, none of them twice."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bomix.errors import Fault, raise_faults
from bomix.io.imports import identity
from bomix.io.imports.comparability import several_scales
from bomix.io.imports.differences import KEY
from bomix.io.imports.named_scales import lines_to_add
from bomix.io.imports.repeats import Run, far_from_each_other
from bomix.io.store.incoming import checked_runs
from bomix.io.tables.reading import SHOWN
from bomix.space.weights import SAME_MIXTURE
from bomix.trial import IMPORTED

if TYPE_CHECKING:
    from bomix.io.imports.identity import Compared, Match
    from bomix.io.imports.runs import ImportedRun, Runs
    from bomix.scale import Scale
    from bomix.space.weights import Weights
    from bomix.study.records import Records
    from bomix.trial import Record, Result


_DIGITS = -math.floor(math.log10(SAME_MIXTURE))
"""Digits of a weight by which mixtures are told from each other."""


@dataclass(frozen=True)
class Imported:
    """What became of the runs of a table.

    Attributes:
        added: Runs that are new.
        there: How many were there already with the same values.
        completed: Trials of which metrics were filled in; a revision each.
        revised: Trials whose values were replaced; a revision each.
        withdrawn: Trials that were withdrawn, and stay so.
    """

    added: tuple[Record, ...] = ()
    there: int = 0
    completed: tuple[int, ...] = ()
    revised: tuple[int, ...] = ()
    withdrawn: tuple[int, ...] = ()


def planned(records: Records, found: Runs, *, update: bool = False, as_one: bool = False) -> Compared:
    """What an import would do with the runs of a table; nothing is recorded.

    Args:
        records: The spec and the trials of the study.
        found: What an importer found.
        update: Whether other values may take the place of those that are recorded.
        as_one: Whether runs of several scales are taken for comparable in a study without a scale of its own.

    Raises:
        FaultsError: Whatever keeps the runs from being recorded, as of :func:`import_runs`.
    """
    checked_runs(found.runs, records.resolution.problem)
    raise_faults(_unscaled(records, found.runs))
    compared = identity.compare(found, records.history.all_records)
    if not update:
        raise_faults(map(_changed, compared.changed), _TITLE, most=SHOWN)
    if not as_one:
        raise_faults(
            _mixed(records, found.runs)
            or _told_of_another_scale(records, compared.new)
            or _far_from_recorded(records, compared.new)
        )
    return compared


def import_runs(records: Records, found: Runs, *, update: bool = False, as_one: bool = False) -> Imported:
    """Record the runs of a table; nothing is recorded where anything is wrong with one of them.

    A run that the record has is known again by :func:`bomix.io.imports.identity.compare`. Metrics that it lacks are
    filled in, and other values are refused unless ``update`` is given; either is a revision, which keeps what was
    recorded before.

    Args:
        records: The spec and the trials of the study.
        found: What an importer found.
        update: Whether other values take the place of those that are recorded.
        as_one: Whether runs of several scales are taken for comparable in a study without a scale of its own.

    Raises:
        FaultsError: Runs that cannot be recorded; values that differ from the recorded ones, every one of them;
            runs of another scale than those of the record, where the study has none of its own.
    """
    compared = planned(records, found, update=update, as_one=as_one)
    # A withdrawn run stays as it was recorded: what the table has instead is another run.
    revised = [match for match in compared.changed if match.record.withdrawn is None]
    anew = [match.run for match in compared.changed if match.record.withdrawn is not None]
    added = records.add_all([*compared.new, *anew])
    kept = [match for match in compared.completed if match.record.withdrawn is None]
    for match in kept:
        records.revise(identity.with_gaps_filled(match), why=f"filled in: {', '.join(match.filled)} ({match.place})")
    for match in revised:
        records.revise(identity.with_values_of_table(match), why=f"{'; '.join(match.differences)} ({match.place})")
    return Imported(tuple(added), len(compared.there), _ids(kept), _ids(revised), _ids(compared.withdrawn))


_TITLE = (
    "runs of these keys, or of these mixtures, are recorded with other values; nothing was recorded. --update records "
    "the new values as revisions, which keep the old ones; --prefix TEXT tells keys of this table from those of others:"
)


def _changed(match: Match) -> Fault:
    trial = match.record.trial.id
    key = match.record.result.info.get(KEY)
    name = f"trial {trial}" if key is None else f"run {key} (trial {trial})"
    gone = "" if match.record.withdrawn is None else ", withdrawn"
    return Fault(match.place, f"{name}{gone}: {'; '.join(match.differences)}", kind="changed")


def _mixed(records: Records, runs: Sequence[ImportedRun]) -> list[Fault]:
    """Scales that the study, which has none of its own, would learn from as if they were one."""
    if records.resolution.problem.scale is not None:
        return []
    there = [record.trial.scale for record in records.history.completed if record.trial.origin == IMPORTED]
    names = several_scales([*there, *(scale for _, _, scale in runs)])
    if not names or several_scales(there):  # a record that is mixed already was mixed by somebody who said so
        return []
    what = f"with these runs the study would hold several scales ({'; '.join(names)}), whose losses do not compare"
    named = lines_to_add([*there, *(scale for _, _, scale in runs)])
    cure = "keep a study for each, or take them for runs that compare with --as-one; to learn from all of them, name"
    return [Fault("", f"{what}; {cure} them in the study file, one as target.scale:\n{named}")]


def _unscaled(records: Records, runs: Sequence[ImportedRun]) -> list[Fault]:
    """Runs that do not say of which of a study's scales they are."""
    scales = records.resolution.problem.scales
    count = sum(scale is None for _, _, scale in runs)
    if not scales or not count:
        return []
    names = ", ".join(each.name for each in scales)
    what = f"{count} runs do not say of which of the study's scales they are ({names})"
    cure = "name it with --scale NAME, or with --scale COLUMN the column of names; columns params and tokens will do"
    return [Fault("--scale", f"{what}; {cure}")]


_ONCE = 3
"""Mixtures with the same losses to the last digit at two scales that are no accident of rounding."""


def _told_of_another_scale(records: Records, new: Sequence[ImportedRun]) -> list[Fault]:
    """Runs that the record has, to the last digit, at another scale: a table that came in twice."""
    problem = records.resolution.problem
    there: dict[tuple[tuple[tuple[str, float], ...], ...], Scale | None] = {}
    for record in records.history.completed:
        there.setdefault(_as_measured(record.trial.weights, record.result), record.trial.scale)
    twice = [
        (other, scale)
        for weights, result, scale in new
        if (other := there.get(_as_measured(weights, result))) is not None and scale is not None and other != scale
    ]
    if len(twice) < _ONCE:
        return []
    (first, second), most = Counter(twice).most_common(1)[0]
    what = f"{most} of these runs are recorded at '{problem.scale_name(first)}' with the same losses to the last digit"
    cure = f"if they are of '{problem.scale_name(second)}', withdraw those first; --as-one takes both"
    return [Fault("--scale", f"{what}: the same table for another scale? {cure}")]


def _as_measured(weights: Weights, result: Result) -> tuple[tuple[tuple[str, float], ...], ...]:
    """A mixture and what it came back with, to compare by."""
    rounded = ((name, round(weight, _DIGITS)) for name, weight in sorted(weights.items()))
    return tuple(rounded), tuple(sorted(result.losses.items()))


def _far_from_recorded(records: Records, new: Sequence[ImportedRun]) -> list[Fault]:
    """Mixtures of which new runs lie far from those that are recorded, as those of another checkpoint do."""
    imported = [record for record in records.history.completed if record.trial.origin == IMPORTED]
    there = [Run(record.trial.weights, record.result.losses, record.trial.scale) for record in imported]
    both = [*there, *(Run(weights, result.losses, scale) for weights, result, scale in new)]
    metrics = records.resolution.problem.metric_names
    spread = far_from_each_other(both, metrics)
    if spread is None or far_from_each_other(there, metrics) is not None or len(there) == len(both):
        return []
    first, second = (both[at].losses[spread.metric] for at in spread.widest)
    what = f"runs repeat mixtures that are recorded with losses that no seed explains, as {spread.metric} {first:g} and"
    cure = "a key would tell other runs from newer values of the same; --as-one takes all of them for runs that compare"
    return [Fault("", f"{what} {second:g}: another checkpoint, another model? {cure}")]


def _ids(matches: Sequence[Match]) -> tuple[int, ...]:
    return tuple(match.record.trial.id for match in matches)
