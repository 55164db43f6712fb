"""The evaluator of a job, which builds it from the study's folder: nothing that was pickled outlives its driver."""

from __future__ import annotations

from pathlib import Path

from bomix.contracts.evaluator import Evaluator
from bomix.errors import ConfigError, SetupError


def ready_evaluator(study: Path) -> Evaluator:
    """What trains the trials of a study, built from its folder alone.

    Raises:
        ConfigError: The study has no evaluator.
        FaultsError: Everything that is wrong in the study file.
        StoreError: The study file is of another study by now.
    """
    from bomix.study import frozen, resolved_file, study_scales
    from bomix.study.frozen_file import file_changes
    from bomix.study.resolution import reopen

    spec, store = reopen(study)
    kept, furthest = resolved_file.read(store), store.furthest()
    if kept is not None and furthest is not None:
        changed, _ = file_changes(spec, store, kept, furthest)
        frozen.refuse(changed, "study file", furthest)
    matching = None if kept is None else resolved_file.matching_of(kept)
    evaluator = study_scales.ready_evaluator(spec, store.base, matching)
    if evaluator is None:
        raise ConfigError(f"the study {study} has no evaluator")
    return evaluator


def check(evaluator: Evaluator, study: Path) -> None:
    """Refuse an evaluator that jobs would not have.

    Raises:
        EvaluationError: The study's folder says of another one, or of none.
    """
    name = type(evaluator).__name__
    try:
        is_that = ready_evaluator(study) == evaluator
    except Exception as error:  # whatever a user's module does while it is imported
        raise SetupError(f"{name} cannot be built from {study}, as jobs of Slurm do: {error}") from error
    if not is_that:
        raise SetupError(
            f"jobs of Slurm build the evaluator from {study}, and what comes of that is not the {name} that this "
            "study was given; write it into the study file, with plain values"
        )
