"""What is frozen once a study has asked for a trial: whatever makes its losses comparable with those of later ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any

from bomix.config.build import plain
from bomix.config.components import child
from bomix.config.sections import MetricSpec
from bomix.contracts.evaluator import EvaluatorTraits
from bomix.contracts.traits import traits
from bomix.errors import StoreError
from bomix.trial import Status

if TYPE_CHECKING:
    from bomix.config.spec import StudySpec
    from bomix.scale import Scale

FROZEN = ("evaluator", "metrics", "seed", "paired")
"""Keys of the study file that must stay as they are, domains and their sources aside, which are compared by name."""


def may_change(spec: StudySpec) -> frozenset[str]:
    """Paths below the evaluator that do not change what it measures, as it declares itself."""
    declared = traits(spec.evaluator, EvaluatorTraits).may_change
    return frozenset(f"evaluator.{path}" for path in declared)


def changes(
    before: Mapping[str, Any], now: Mapping[str, Any], exempt: frozenset[str], *, all_failed: bool = False
) -> list[str]:
    """What is frozen and differs between two versions of a study file, one line each.

    Args:
        before: The plain study file of the first trial.
        now: The plain study file as it is now.
        exempt: Paths below which anything may differ, as from :func:`may_change`.
        all_failed: Whether every trial failed, so that there is no loss to be compared with: the names of the domains
            alone stay, which the record knows the mixtures by.

    Of a study of several scales, what trains is compared scale by scale, see
    :func:`bomix.study.frozen_scales.changed_scales`.
    """
    keys = () if all_failed else tuple(key for key in FROZEN if key != "evaluator" or not before.get("scales"))
    frozen_before, frozen_now = ({key: copy(data.get(key)) for key in keys} for data in (before, now))
    for side, data in ((frozen_before, before), (frozen_now, now)):
        # A domain without a source is still another study than none: its leaf must not look like an absent one.
        side["domains"] = {
            name: {"source": "any" if all_failed else domain["source"] or "none"}
            for name, domain in data["domains"].items()
        }
        side["phases"] = dict(data.get("phases") or {})  # the names of weights too
    for pair in ((frozen_before, frozen_now), (frozen_before.get("evaluator"), frozen_now.get("evaluator"))):
        _leave_out_ranges(*pair)
    return compared(frozen_before, frozen_now, exempt)


def compared(before: Mapping[str, Any], now: Mapping[str, Any], exempt: frozenset[str]) -> list[str]:
    """The values of two nested mappings that differ, one line each, but for those below the paths that are exempt."""
    old, new = dict(_leaves("", before)), dict(_leaves("", now))
    return [
        f"{path}: {_said(old, path)} when the study began, {_said(new, path)} now"
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path) and not any(f"{path}.".startswith(f"{free}.") for free in exempt)
    ]


def provenance_changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Hashes of tokenizer and tokens that differ, one line each; name to hash when the study began, and now."""
    return [
        f"{name}: {str(before.get(name))[:12]} when the study began, {str(now.get(name))[:12]} now"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]


def scale_changes(before: Scale | None, now: Scale | None) -> list[str]:
    """The scale of a trial where it differs, in one line; what was known of it must stay, also as known.

    Stricter than :func:`bomix.scale.comparable`, for which an unknown number is any: one after the other, three scales
    could each be comparable with the one before, and the last not with the first.

    Args:
        before: The scale when the study began, or as it became known since.
        now: The scale that the evaluator names.
    """
    then, there = ((scale.params, scale.tokens) if scale else (None, None) for scale in (before, now))
    if all(known in (None, found) for known, found in zip(then, there, strict=True)):
        return []
    return [f"scale: {before} when the study began, {now or 'unknown'} now"]


def refuse(changed: list[str], what: str, furthest: Status) -> None:
    """Raise StoreError where anything frozen changed.

    Args:
        changed: What changed, one line each.
        what: What it is part of, in words.
        furthest: How far the furthest trial is.
    """
    if changed:
        listed = "\n".join(f"  - {change}" for change in changed)
        told = furthest is Status.COMPLETED
        cure = "start a study in a new folder" if told else "begin anew with `bomix restart`: no trial has a result yet"
        raise StoreError(
            f"the {what} changed since the first trial was asked for, so that losses could not be compared:\n"
            f"{listed}\nundo the change, or {cure}"
        )


def _leave_out_ranges(before: Any, now: Any) -> None:
    """Leave out the ranges of metrics, which say what is possible and change no loss; a name alone is a loss.

    Args:
        before: A mapping that may have ``metrics``, which is changed; anything else stays as it is.
        now: The same of the other version.
    """
    versions = [side for side in (before, now) if isinstance(side, dict) and side.get("metrics")]
    if not any(isinstance(side["metrics"], Mapping) for side in versions):
        return
    losses = plain(MetricSpec())
    for side in versions:
        metrics = side["metrics"]
        named = metrics if isinstance(metrics, Mapping) else dict.fromkeys(metrics, losses)
        if all(isinstance(keys, Mapping) for keys in named.values()):
            side["metrics"] = {
                name: {key: value for key, value in keys.items() if key != "range"} for name, keys in named.items()
            }


def _said(leaves: Mapping[str, Any], path: str) -> str:
    """The value at a path, or that there is none."""
    return repr(leaves[path]) if path in leaves else "absent"


def _leaves(where: str, data: Any) -> Iterator[tuple[str, Any]]:
    """Every value of nested mappings with its dotted path; an empty mapping is a value."""
    if isinstance(data, Mapping):
        if not data:
            yield where, {}
        for key, value in data.items():
            yield from _leaves(child(where, key), value)
    else:
        yield where, list(data) if isinstance(data, tuple) else data
