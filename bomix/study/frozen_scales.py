"""What is frozen of a study's scales: of each that has runs what tells what was trained, and what it was trained on."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bomix.scale import counted_as
from bomix.study.frozen import compared, provenance_changes, refuse, scale_changes

if TYPE_CHECKING:
    from bomix.contracts.preparation import Preparation
    from bomix.io.store.memory_store import MemoryStore
    from bomix.io.store.study_folder import FolderStore
    from bomix.problem import Problem, StudyScale
    from bomix.scale import Scale
    from bomix.trial import Record, Status

logger = logging.getLogger(__name__)

_DEFINING = ("params", "tokens", "recipe", "evaluator")
"""Keys of a scale that say what its runs are; what they cost and whether more are trained may change."""


def with_runs(scales: Iterable[StudyScale], target: Scale | None, records: Iterable[Record]) -> list[StudyScale]:
    """Those of a study's scales of which there are trials that were not withdrawn."""
    known = list(scales)
    ran = {
        counted_as(record.trial.scale, [each.scale for each in known], target)
        for record in records
        if record.withdrawn is None
    }
    return [each for each in known if each.scale in ran]


def changed_scales(
    before: Mapping[str, Any], now: Mapping[str, Any], ran: Collection[StudyScale], exempt: frozenset[str]
) -> list[str]:
    """What differs of scales that have runs, one line each; a scale may be added, and one without runs may go.

    Args:
        before: The plain study file of the first trial.
        now: The plain study file as it is now.
        ran: The scales, as they were, that have runs.
        exempt: Paths below ``evaluator`` where anything may differ.
    """
    found = []
    for each in ran:
        path = f"scales.{each.name}"
        if each.name not in now["scales"]:
            found.append(f"{path}: there are runs of it ({each.scale}), and the study file does not name it any more")
            continue
        free = frozenset(f"{path}.{place}" for place in exempt)
        old, new = ({path: _definition(data, each.name)} for data in (before, now))
        found += compared(old, new, free)
    return found


def refuse_measured(
    before: Preparation,
    now: Preparation,
    furthest: Status,
    *,
    scales: Sequence[StudyScale],
    ran: Sequence[StudyScale] | None,
) -> None:
    """Raise StoreError where tokenizer, tokens or the scale of a trial are others than when the study began.

    Args:
        before: What was measured then.
        now: What is measured now.
        furthest: How far the furthest trial is.
        scales: The scales of the study now; none where it has one.
        ran: Those that have runs, as they were; None where the study had one scale.
    """
    if ran is None and not scales:
        refuse(provenance_changes(before.provenance, now.provenance), "data", furthest)
        refuse(scale_changes(before.scale, now.scale), "scale of a trial", furthest)
        return
    several_before = ran is not None
    if ran is None:
        refuse(unnamed_scale(before.scale, scales), "study file", furthest)
        ran = [each for each in scales if before.scale is not None and each.scale == before.scale]
    names = [each.name for each in ran]
    changed = changed_provenance(before.provenance, now.provenance, names, several_before=several_before)
    refuse(changed, "data", furthest)


def tell_moved(store: FolderStore | MemoryStore, before: Scale | None, problem: Problem) -> None:
    """Log how many trials without a scale count as those of another one than before, in a study of several.

    Args:
        store: The trials so far.
        before: What they counted as, the study's own scale or the target then; None where that was unknown.
        problem: Its scale is what they count as now.
    """
    if not problem.scales or before == problem.scale:
        return
    records = store.read().records
    unknown = [record.trial.id for record in records if record.withdrawn is None and record.trial.scale is None]
    if unknown:
        logger.warning(
            "%d trial%s without a scale %s from now on as of the target, '%s' (%s); where that is wrong, withdraw them "
            "and add them again with their scale, the first is trial %d",
            len(unknown),
            "" if len(unknown) == 1 else "s",
            "counts" if len(unknown) == 1 else "count",
            problem.scale_name(problem.scale),
            problem.scale,
            unknown[0],
        )


def unnamed_scale(before: Scale | None, now: Iterable[StudyScale]) -> list[str]:
    """The scale of the trials of a study of one, in one line, where the scales that it was given leave it out."""
    scales = list(now)
    if before is None or any(not scale_changes(before, each.scale) for each in scales):
        return []
    named = "; ".join(f"{each.name}: {each.scale}" for each in scales)
    return [f"scales: the trials so far are of {before}, which is none of them ({named}); name it, too"]


def changed_provenance(
    before: Mapping[str, str], now: Mapping[str, str], ran: Iterable[str], *, several_before: bool
) -> list[str]:
    """Hashes of tokenizer and tokens of scales that have runs, as far as they differ, one line each.

    Args:
        before: Name to hash when the study began, see :meth:`bomix.evaluators.scaled.Scaled.prepare`.
        now: The same as it is now.
        ran: Names of the scales that have runs.
        several_before: Whether the study had several scales when it began.
    """
    found: dict[str, None] = {}
    for name in ran:
        old = _of_scale(before, name) if several_before else dict(before)
        found |= dict.fromkeys(provenance_changes(old, _of_scale(now, name)))
    return list(found)


def _definition(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What the runs of a scale are, its evaluator whole."""
    scale = data["scales"][name]
    return {key: scale[key] for key in _DEFINING} | {"evaluator": scale["evaluator"] or data["evaluator"]}


def _of_scale(provenance: Mapping[str, str], name: str) -> dict[str, str]:
    own = {key.removeprefix(f"{name}/"): value for key, value in provenance.items() if key.startswith(f"{name}/")}
    return {key: value for key, value in provenance.items() if "/" not in key} | own
