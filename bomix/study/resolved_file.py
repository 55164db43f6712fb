"""``resolved.json``: a study file with every default written out, and what its evaluator measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import bomix
from bomix.config.build import plain
from bomix.config.scale_spec import build_study
from bomix.config.spec import StudySpec
from bomix.contracts.preparation import DomainStats, Preparation
from bomix.contracts.repetition import Matching
from bomix.errors import FaultsError
from bomix.io.store.memory_store import MemoryStore
from bomix.io.store.records import scale_from_data
from bomix.io.store.study_folder import RESOLVED_FILE, DamagedError, FolderStore
from bomix.problem import Metric, Problem, StudyScale
from bomix.scale import Scale

SCHEMA_VERSION = 3
"""Version of the resolved study that a folder holds: raised when a key changes its meaning or goes away.

Version 1 called ``measured.scale`` ``fidelity``; it is read as it was. Versions 1 and 2 had no checksum.
"""
_SEALED_FROM = 3
"""First version with a checksum."""


def own_scale(store: FolderStore | MemoryStore) -> Scale | None:
    """The study's own scale as it was last resolved; None where none is kept. Nothing is resolved or prepared.

    Args:
        store: The folder, or the memory, that keeps the records of the study.

    Raises:
        StoreError: What the folder keeps is damaged, or of a newer version.
    """
    kept = read(store)
    return None if kept is None else _scale_from(kept.get("measured", {}))


def measured_info(store: FolderStore | MemoryStore) -> Mapping[str, Any]:
    """What was measured beside all else when the study was last resolved; nothing where it was not.

    Raises:
        StoreError: What the folder keeps is damaged, or of a newer version.
    """
    kept = read(store)
    return {} if kept is None else preparation_of(kept).info


def several_scales(kept: Mapping[str, Any]) -> tuple[tuple[StudyScale, ...], Scale | None]:
    """The scales of a study of several as they were last resolved, and the one decided about; none in a study of one.

    Raises:
        StoreError: They are damaged.
    """
    try:
        found = tuple(StudyScale(**{**each, "scale": Scale(**each["scale"])}) for each in kept.get("scales", ()))
        return found, next((each.scale for each in found if each.name == kept.get("target")), None)
    except (KeyError, TypeError, AttributeError, FaultsError) as error:
        raise _damaged(error) from error


def matching_of(kept: Mapping[str, Any]) -> Matching | None:
    """What text trials may see, as it was last resolved; None where they see all of it, as before that was kept.

    Raises:
        StoreError: It is damaged.
    """
    if (data := kept.get("matching")) is None:
        return None
    try:
        return Matching(float(data["target_tokens"]), {str(name): float(x) for name, x in data["available"].items()})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(error) from error


def read(store: FolderStore | MemoryStore) -> dict[str, Any] | None:
    """What ``resolved.json`` holds; None where there is none.

    Raises:
        StoreError: It is damaged, or of a newer version.
    """
    return store.resolved(SCHEMA_VERSION, sealed_from=_SEALED_FROM) if isinstance(store, FolderStore) else None


def spec_of(kept: Mapping[str, Any]) -> Mapping[str, Any]:
    """The plain study file as it was last resolved, with what it did not know yet as it is by default.

    Raises:
        StoreError: It is damaged.
    """
    spec = kept.get("spec")
    if not isinstance(spec, Mapping) or not isinstance(spec.get("domains"), Mapping):
        raise DamagedError(RESOLVED_FILE, "it holds no study")
    built, faults = build_study(StudySpec, spec)
    return spec if built is None or faults else plain(built)


def preparation_of(kept: Mapping[str, Any]) -> Preparation:
    """What the evaluator had measured.

    Raises:
        StoreError: It is damaged.
    """
    try:
        data = kept.get("measured", {})
        return Preparation(
            metrics=tuple(Metric(**metric) for metric in data["metrics"]),
            domains={name: DomainStats(**stats) for name, stats in data["domains"].items()},
            scale=_scale_from(data),
            provenance=data["provenance"],
            info=data["info"],
        )
    except (KeyError, TypeError, AttributeError, FaultsError) as error:
        raise _damaged(error) from error


def write(store: FolderStore, spec: StudySpec, problem: Problem, preparation: Preparation) -> None:
    """Write the file.

    Args:
        store: The study folder.
        spec: The study file.
        problem: What follows from it.
        preparation: What the evaluator measured.
    """
    space = problem.space
    store.folder.mkdir(parents=True, exist_ok=True)
    data = {
        "schema": SCHEMA_VERSION,
        "bomix_version": bomix.__version__,
        "spec": plain(spec),
        "measured": {
            "metrics": [dataclasses.asdict(metric) for metric in preparation.metrics],
            "domains": {name: dataclasses.asdict(stats) for name, stats in preparation.domains.items()},
            "scale": None if preparation.scale is None else preparation.scale.to_data(),
            "provenance": dict(preparation.provenance),
            "info": dict(preparation.info),
        },
        "space": {
            name: {"lower": lower, "upper": upper, "negligible": small}
            for name, lower, upper, small in zip(space.domains, space.lower, space.upper, space.negligible, strict=True)
        },
        "natural": None if problem.natural is None else dict(problem.natural),
    }
    if problem.scales:
        data["scales"] = [{**dataclasses.asdict(each), "scale": each.scale.to_data()} for each in problem.scales]
        data["target"] = problem.scale_name(problem.scale)
    if problem.matching is not None:
        data["matching"] = problem.matching.to_data()
    store.write_resolved(data)


def _scale_from(measured: Mapping[str, Any]) -> Scale | None:
    """The scale that the evaluator named, as ``resolved.json`` holds it."""
    try:
        return scale_from_data(measured)
    except (TypeError, AttributeError, FaultsError) as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> DamagedError:
    return DamagedError(RESOLVED_FILE, repr(error))
