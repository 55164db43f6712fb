"""Runs that reweight the domains while they train: what can be asked for, what is handed to them, what comes back."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from bomix.config.components import child
from bomix.contracts.evaluator import ReweightingEvaluator
from bomix.errors import Fault, StudyError
from bomix.trial import MODEL, REFERENCE, Result, Trial

if TYPE_CHECKING:
    from bomix.contracts.evaluator import Evaluator
    from bomix.history import History
    from bomix.trial import Candidate


def candidate_faults(candidate: Candidate, evaluator: Evaluator | None) -> list[Fault]:
    """What keeps a candidate from being reweighted as it says, so that a trial would say what is not true.

    Args:
        candidate: What a strategy proposed.
        evaluator: What would train it; None where people do, who are told the rule.
    """
    if candidate.reweighting is None or evaluator is None:
        return []
    if isinstance(evaluator, ReweightingEvaluator):
        found = evaluator.reweighting_faults(candidate.reweighting)
        return [Fault(child("reweighting", fault.where), fault.what) for fault in found]
    what = f"{type(evaluator).__name__} cannot reweight (it has no method 'reweighting_faults')"
    return [Fault("reweighting", f"{what}; take an evaluator that can, as proxy does")]


def with_model(trial: Trial, history: History) -> Trial:
    """The trial as it is handed to an evaluator: with the path of the model that it compares its losses with.

    Args:
        trial: A recorded trial; one that needs no reference is returned as it is.
        history: The record, artifacts at absolute paths.

    Raises:
        StudyError: The reference run was withdrawn, or cannot be read, since the trial was asked for.
    """
    how = trial.reweighting
    if how is None or how.reference is None:
        return trial
    found = next((r for r in history.completed if r.trial.id == how.reference), None)
    if found is None or MODEL not in found.result.artifacts:
        raise StudyError(
            f"trial {trial.id} compares its losses with the model of trial {how.reference}, which is not there any "
            f"more; withdraw trial {trial.id}, and the next ask begins with a new reference run"
        )
    return dataclasses.replace(trial, reweighting=dataclasses.replace(how, model=found.result.artifacts[MODEL]))


def result_faults(trial: Trial, result: Result) -> list[Fault]:
    """What keeps the result of a reference run, or of one that reweights, from serving.

    Args:
        trial: The trial that ended; one that is neither has no such faults.
        result: What the trial came back with, paths of artifacts absolute.
    """
    if trial.origin == REFERENCE:
        where = f"artifacts.{MODEL}"
        if MODEL not in result.artifacts:
            what = "missing; a reference run's result names the folder of its model, which another run compares with"
            return [Fault(where, what)]
        if not Path(result.artifacts[MODEL]).exists():
            return [Fault(where, f"there is nothing at {result.artifacts[MODEL]}; keep the model there")]
    if trial.reweighting is not None and result.mixture is None:
        return [Fault("mixture", "missing; a run that reweights names the mixture that it found, domain to weight")]
    if trial.reweighting is None and result.mixture is not None:
        what = "this run trained on one mixture and found none; leave it out ('realized' is what was drawn)"
        return [Fault("mixture", what)]
    return []
