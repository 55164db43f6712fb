"""Whether a study file is still the one that the trials of its folder belong to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bomix.config.build import plain
from bomix.study import repetition, resolved_file
from bomix.study.frozen import changes, may_change
from bomix.study.frozen_scales import changed_scales, with_runs
from bomix.trial import Status

if TYPE_CHECKING:
    from bomix.config.spec import StudySpec
    from bomix.io.store.memory_store import MemoryStore
    from bomix.io.store.study_folder import FolderStore
    from bomix.problem import StudyScale


def file_changes(
    spec: StudySpec, store: FolderStore | MemoryStore, earlier: Mapping[str, Any], furthest: Status
) -> tuple[list[str], list[StudyScale] | None]:
    """What is frozen and differs, and the scales that have runs.

    Args:
        spec: The study file as it is now.
        store: The trials so far.
        earlier: What ``resolved.json`` holds.
        furthest: How far the furthest trial is.

    Returns:
        A line for each value that differs; and, as they were, the scales of which there are runs, None in a study that
        had one scale. Where all trials failed nothing can be compared with, and no scale counts.

    Raises:
        StoreError: What the folder keeps is damaged.
    """
    failed, exempt, kept = furthest is Status.FAILED, may_change(spec), resolved_file.spec_of(earlier)
    changed = changes(kept, plain(spec), exempt, all_failed=failed)
    changed += [] if failed else repetition.changes(spec, repetition.Begun(resolved_file.matching_of(earlier)))
    several, target = resolved_file.several_scales(earlier)
    if not several:
        return changed, None
    ran = [] if failed else with_runs(several, target, store.read().records)
    return changed + changed_scales(kept, plain(spec), ran, exempt), ran
