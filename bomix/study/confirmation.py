"""The trials that confirm a recommendation: which are wanted is decided in :mod:`bomix.recommendation.confirmation`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bomix.errors import StudyError
from bomix.recommendation.confirmation import confirming_candidates
from bomix.space.weights import Weights, same_mixture
from bomix.study.limits import over
from bomix.study.nested import spread
from bomix.study.surrogate import study_surrogate
from bomix.trial import CONFIRM, Candidate, Record, Trial

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
    history = records.history
    for record in history.records:
        trial = record.trial
        if history.confirms(record) and trial.seed == seed and same_mixture(trial.weights, weights):
            return record
    return records.enqueue(Candidate(weights, CONFIRM), seed=seed)


def next_by_hand(records: Records) -> Trial | None:
    """The next confirming trial of a study whose runs are made by hand, recorded as pending.

    Args:
        records: The spec and the trials of the study.

    Returns:
        The trial; None while the search goes on, and where nothing is to be confirmed or an evaluator does it.

    Raises:
        StudyError: Search trials are pending, without which it is not known what to confirm; or every confirming trial
            has been asked for.
    """
    spec, history = records.spec, records.history
    if spec.evaluator is not None or spec.confirm == 0 or (limit := over(spec, *records.searched(history))) is None:
        return None
    waiting = [str(record.trial.id) for record in history.pending if record.trial.origin != CONFIRM]
    if waiting:
        raise StudyError(
            f"{limit}, and what to confirm follows from all of its trials: tell the results of {', '.join(waiting)} "
            "first, or withdraw them"
        )
    pairs = confirming_candidates(records.problem, history, to_confirm(records), seed=spec.seed, seeds=spec.confirm)
    known = {record.trial.id for record in history.records}
    for candidate, seed in pairs:
        trial = confirming_trial(records, candidate.weights, seed).trial
        if trial.id not in known:
            return trial
    pending = [str(record.trial.id) for record in history.confirming if record.outcome is None]
    more = "a larger budget.trials goes on with the search, a larger 'confirm' with the confirmation"
    if pending:
        raise StudyError(f"{limit}, and every confirming trial is asked for: tell the results of {', '.join(pending)}")
    raise StudyError(f"{limit}, and the recommendation is confirmed: `bomix recommend` shows it; {more}")


def to_confirm(records: Records) -> Weights:
    """The mixture that the present, or the next, round of confirmations is about.

    Raises:
        StudyError: There is nothing to learn from yet.
    """
    from bomix.numerics.determinism import deterministic
    from bomix.recommendation import decision

    spec, (problem, history) = records.spec, records.searched()
    model = study_surrogate(spec, problem)
    with deterministic():
        found = decision.to_confirm(problem, history, model, seed=spec.seed, options=spec.recommendation)
    return spread(records.problem, found)
