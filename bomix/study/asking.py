"""The next trial of a study: what it trains, on which seed, recorded as pending."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bomix.errors import StudyError, raise_faults
from bomix.io.store.files import FolderTaken
from bomix.space.weights import Weights, same_mixture
from bomix.study import experts, scales
from bomix.trial import Candidate, Trial

if TYPE_CHECKING:
    from bomix.config.spec import StudySpec
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.study.records import Records


def ask(records: Records, *, expert: bool = False) -> Trial:
    """Propose the next mixture and record it as pending.

    Args:
        records: The spec and the trials of the study.
        expert: Whether it is to be an expert where one is missing, though no part of the study needs them.

    Raises:
        StudyError: Experts are pending, and the strategy cannot ask without them.
    """
    spec, problem = records.spec, records.problem
    while True:
        history = records.history
        candidate = next_expert(spec, problem, history, wanted=expert)
        if candidate is None:
            candidate = _proposed(records, problem, history)
        trial = Trial(
            history.next_id,
            candidate.weights,
            search_seed(candidate.weights, history, seed=spec.seed, paired=spec.paired),
            candidate.origin,
            scales.of(candidate, problem.scale, spec.evaluator),
        )
        try:
            return records.store.create(trial)
        except FolderTaken:
            continue  # another process asked meanwhile: its trial is pending now, so ask again


def next_expert(spec: StudySpec, problem: Problem, history: History, *, wanted: bool = False) -> Candidate | None:
    """The expert to train before anything else; None where the study wants none, or none more.

    Args:
        spec: The study file, which says whether the study needs experts.
        problem: The domains.
        history: The trials so far.
        wanted: Whether experts are wanted though no part of the study needs them.
    """
    if not (wanted or spec.trains_experts):
        return None
    return experts.next_expert(problem, history, scale=scales.of_experts(spec.experts, problem.scale, spec.evaluator))


def search_seed(weights: Weights, history: History, *, seed: int, paired: bool) -> int:
    """The seed of a trial that was asked for.

    Paired trials share the study's seed and repeats of a mixture take the next; unpaired ones have one each.

    Args:
        weights: The trial's mixture.
        history: The trials before it.
        seed: Seed of the study.
        paired: Whether trials share a seed.
    """
    asked = history.asked
    if not paired:
        return seed + len(asked)
    return seed + sum(same_mixture(record.trial.weights, weights) for record in asked)


def _proposed(records: Records, problem: Problem, history: History) -> Candidate:
    """The candidate that the strategy proposes.

    Raises:
        StudyError: Experts are pending, and the strategy cannot ask without them.
        FaultsError: The strategy proposed what is no mixture of the space.
    """
    spec = records.spec
    if spec.trains_experts and (domains := experts.waiting(problem, history)):
        raise StudyError(
            f"the experts of {', '.join(domains)} are pending, and the strategy cannot ask without them; tell "
            "their results first"
        )
    (candidate,) = spec.ready_strategy(records.store.base).ask(problem, history, 1, seed=spec.seed)
    raise_faults(problem.space.faults_of(candidate.weights), "the strategy proposed what is no mixture:")
    return candidate
