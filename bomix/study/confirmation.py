"""The trials that confirm a recommendation: which are wanted is decided in :mod:`bomix.recommendation.confirmation`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bomix.recommendation.confirmation import confirming_candidates
from bomix.space.weights import Weights, same_mixture
from bomix.study.surrogate import study_surrogate
from bomix.trial import CONFIRM, Candidate, Record

if TYPE_CHECKING:
    from bomix.study.records import Records


def confirming_trials(records: Records, seeds: int) -> list[Record]:
    """The trials of the present round of confirmations, ended or not; new ones are recorded as pending.

    None of them has failed: seeds on which a run did are replaced, so a call adds at most ``seeds`` seeds.

    Args:
        records: The spec and the trials of the study; at least one trial has completed.
        seeds: Fresh seeds; every mixture is trained on the same ones.
    """
    weights, history = to_confirm(records), records.history
    pairs = confirming_candidates(records.problem, history, weights, seed=records.spec.seed, seeds=seeds)
    found = (confirming_trial(records, candidate.weights, seed) for candidate, seed in pairs)
    # Where the recommendation is a reference, one trial stands for both.
    return list({record.trial.id: record for record in found}.values())


def confirming_trial(records: Records, weights: Weights, seed: int) -> Record:
    """The confirming trial of a mixture on a seed; recorded as pending where it is new."""
    for record in records.history.records:
        trial = record.trial
        if (trial.origin, trial.seed) == (CONFIRM, seed) and same_mixture(trial.weights, weights):
            return record
    return records.enqueue(Candidate(weights, CONFIRM), seed=seed)


def to_confirm(records: Records) -> Weights:
    """The mixture that the present, or the next, round of confirmations is about.

    Raises:
        StudyError: There is nothing to learn from yet.
    """
    from bomix.numerics.determinism import deterministic
    from bomix.recommendation import decision

    spec, problem = records.spec, records.problem
    model = study_surrogate(spec, problem)
    with deterministic():
        return decision.to_confirm(problem, records.history, model, seed=spec.seed, options=spec.recommendation)
