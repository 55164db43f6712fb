"""From a study spec to its problem: what the evaluator measures, and what is frozen.

``resolved.json`` keeps all of it. Once a trial is asked for, whatever makes losses comparable is frozen: the
domains and their sources, the evaluator, the seed, the hashes of tokenizer and tokens. Strategy, objective,
target, budget and execution may change. Where all trials failed only the names of the domains are frozen.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

from bomix.config import study_file
from bomix.config.build import plain
from bomix.config.registry import modules_of
from bomix.config.scale_spec import build_study
from bomix.config.spec import StudySpec
from bomix.contracts.evaluator import EvaluatorTraits, PreparingEvaluator
from bomix.contracts.preparation import Preparation
from bomix.contracts.traits import traits
from bomix.errors import ConfigError, Fault, FaultsError, raise_faults
from bomix.io.store.memory_store import MemoryStore
from bomix.io.store.study_folder import RESOLVED_FILE, STUDY_FILE, FolderStore
from bomix.problem import Problem, StudyScale
from bomix.scale import Scale
from bomix.study import repetition, resolved_file, study_scales
from bomix.study.frozen import refuse
from bomix.study.frozen_file import file_changes
from bomix.study.frozen_scales import refuse_measured, tell_moved
from bomix.study.nested import tell_opened
from bomix.study.study_problem import problem_of, problems, space_of
from bomix.trial import Status

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Resolution:
    """A study spec with everything that follows from it.

    Attributes:
        problem: Space, metrics, objective.
        preparation: What the evaluator measured.
    """

    problem: Problem
    preparation: Preparation

    def attrs(self, spec: StudySpec) -> dict[str, Any]:
        """Attributes of the dataset: the resolved study and its provenance."""
        own, matching = self.problem.scale, self.problem.matching
        return {
            "study": json.dumps(plain(spec), sort_keys=True),
            "provenance": json.dumps(dict(self.preparation.provenance), sort_keys=True),
            **({} if own is None else {"scale": json.dumps(own.to_data(), sort_keys=True)}),
            **({"target": self.problem.scale_name(own)} if self.problem.scales else {}),
            **({} if matching is None else {"matching": json.dumps(matching.to_data(), sort_keys=True)}),
        }


def reopen(path: Path) -> tuple[StudySpec, FolderStore]:
    """Spec and store of a study folder, or of a study file.

    Raises:
        ConfigError: There is no study.
        FaultsError: Everything that is wrong in the study file.
    """
    folder = path if path.is_dir() else path.parent
    file = folder / STUDY_FILE if path.is_dir() else path
    if file.is_file():
        return study_file.load(file), FolderStore(folder, file)
    store = FolderStore(folder)
    if not path.is_dir() or (resolved := resolved_file.read(store)) is None:
        raise ConfigError(f"no study at {path}: expected a folder with {STUDY_FILE}; `bomix init {path}` writes one")
    with modules_of(folder):
        spec, faults = build_study(StudySpec, resolved.get("spec"))
    raise_faults(faults, f"{folder / RESOLVED_FILE} cannot be read by this version:")
    assert spec is not None
    return spec, store


def resolve(spec: StudySpec, store: FolderStore | MemoryStore, *, measure: bool = False) -> Resolution:
    """Resolve a study, and keep the result in its folder.

    Args:
        spec: The study.
        store: The folder, or the memory, that keeps the records of the study.
        measure: Ask the evaluator even where ``resolved.json`` holds an earlier answer.

    Raises:
        FaultsError: Everything that is wrong with the inputs, with its lines where there is a study file.
        StoreError: Something frozen changed since the first trial.
    """
    try:
        return _resolve(spec, store, measure=measure)
    except FaultsError as error:
        if isinstance(store, FolderStore) and store.file is not None:
            raise study_file.located(error.faults, spec, store.file) from error
        raise


def _resolve(spec: StudySpec, store: FolderStore | MemoryStore, *, measure: bool) -> Resolution:
    earlier = resolved_file.read(store)
    before = begun = None
    several: tuple[StudyScale, ...] = ()
    target: Scale | None = None
    ran: list[StudyScale] | None = None
    # A trial that is pending is being trained as the study was when it was asked for.
    if (furthest := store.furthest()) is not None:
        failed = furthest is Status.FAILED
        if earlier is not None:
            changed, ran = file_changes(spec, store, earlier, furthest)
            refuse(changed, "study file", furthest)
            several, target = resolved_file.several_scales(earlier)
            before = None if failed else resolved_file.preparation_of(earlier)
            begun = None if failed else repetition.Begun(resolved_file.matching_of(earlier))
        elif isinstance(store, FolderStore):
            logger.warning(
                "%s is missing: whether the study is still the one that its trials belong to cannot be checked",
                store.folder / RESOLVED_FILE,
            )
    preparation = _prepare(spec, store) if before is None or measure else before
    problem = problem_of(spec, preparation, store.base, begun, told=before is not preparation)
    if before is not None:
        assert furthest is not None, "something was measured before"
        refuse_measured(before, preparation, furthest, scales=problem.scales, ran=ran)
        tell_moved(store, target if several else before.scale, problem)
    resolution = Resolution(problem, preparation)
    changed_since = problem.scales != several or (bool(several) and problem.scale != target)
    changed_since |= tell_opened(earlier, spec, before=furthest is not None)
    if isinstance(store, FolderStore) and (preparation is not before or changed_since):
        resolved_file.write(store, spec, resolution.problem, preparation)
    return resolution


def as_measured(spec: StudySpec, store: FolderStore | MemoryStore) -> Resolution | None:
    """A study by what was measured when it was last resolved, to look at; None where nothing was, and of others then.

    Raises:
        FaultsError: Everything that is wrong with the study itself.
        StoreError: What the folder keeps is damaged.
    """
    if (kept := resolved_file.read(store)) is None:
        return None
    preparation = resolved_file.preparation_of(kept)
    if not isinstance(spec.evaluator, PreparingEvaluator) or set(preparation.domains) != set(spec.domains):
        return None
    begun = repetition.Begun(resolved_file.matching_of(kept)) if store.furthest() is not None else None
    return Resolution(problem_of(spec, preparation, store.base, begun), preparation)


def _prepare(spec: StudySpec, store: FolderStore | MemoryStore) -> Preparation:
    evaluator = study_scales.ready_evaluator(spec, store.base)
    declared = spec.declared_metrics()
    if not isinstance(evaluator, PreparingEvaluator):
        return Preparation(metrics=declared)
    local = traits(evaluator, EvaluatorTraits).faults_before_network(tuple(spec.domains))
    if local is not None:  # a network will be asked, and may be slow to answer
        _, faults = space_of(spec, None, {})
        raise_faults([*local, *faults], problems(len(local) + len(faults)))
    try:
        preparation = evaluator.prepare(tuple(spec.domains))
    except FaultsError as error:
        # Bounds that contradict each other can be seen without the data: one report for all of it.
        _, faults = space_of(spec, None, {})
        raise FaultsError([*error.faults, *faults], problems(len(error.faults) + len(faults))) from error
    if spec.scales and not preparation.metrics:  # nothing is prepared at any of them
        return dataclasses.replace(preparation, metrics=declared)
    if declared and {metric.name for metric in declared} != {metric.name for metric in preparation.metrics}:
        measured = ", ".join(metric.name for metric in preparation.metrics)
        raise FaultsError([Fault("metrics", f"the evaluator measures {measured}; leave the key out")])
    return preparation
