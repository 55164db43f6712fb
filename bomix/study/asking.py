"""The next trial of a study: what it trains, on which seed, recorded as pending."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

from bomix.config import registry
from bomix.contracts.strategy import StrategyTraits
from bomix.contracts.traits import traits
from bomix.errors import Fault, StudyError, raise_faults
from bomix.io.store.files import FolderTaken
from bomix.space.few import few_mixtures
from bomix.space.weights import Weights, nearest, same_mixture
from bomix.strategies.baselines.reweighted import Reweighted
from bomix.strategies.baselines.simple import Constant
from bomix.strategies.replicates import next_replicate
from bomix.study import confirmation, experts, reweighting, scales, study_scales
from bomix.study.nested import spread
from bomix.trial import EXPERT, REFERENCE, Candidate, Trial

if TYPE_CHECKING:
    from bomix.config.spec import StudySpec
    from bomix.contracts.strategy import Strategy
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.scale import Scale
    from bomix.study.records import Records

logger = logging.getLogger(__name__)


def ask(records: Records, *, expert: bool = False) -> Trial:
    """Propose the next mixture and record it as pending; after the budget of a study by hand, the next to confirm.

    Args:
        records: The spec and the trials of the study.
        expert: Whether it is to be an expert where one is missing, though no part of the study needs them.

    Raises:
        StudyError: Experts are pending, and the strategy cannot ask without them; or experts of another scale are
            there; or nothing is left to ask for.
        FaultsError: The strategy proposed what is no mixture of the space, or a scale that the evaluator cannot train.
    """
    spec, problem = records.spec, records.problem
    if not expert and (confirming := confirmation.next_by_hand(records)) is not None:
        return confirming
    while True:
        history = records.history
        searched = records.searched(history)
        candidate = next_expert(spec, *searched, wanted=expert)
        if candidate is None:
            candidate = _proposed(records, *searched)
        candidate = dataclasses.replace(candidate, weights=spread(problem, candidate.weights))
        scale = scales.of(candidate, problem, study_scales.trainer(spec))
        trial = Trial(
            history.next_id,
            candidate.weights,
            search_seed(
                candidate.weights,
                history,
                seed=spec.seed,
                paired=spec.paired,
                reweighted=candidate.reweighting is not None,
                scale=scale,
                reference=bool(history.withdrawn) and _is_reference(candidate, problem),
            ),
            candidate.origin,
            scale,
            candidate.reweighting,
        )
        try:
            created = records.store.create(trial)
        except FolderTaken:
            continue  # another process asked meanwhile: its trial is pending now, so ask again
        scales.warn_of_new(problem.scale, history, created)
        return reweighting.with_model(created, history)  # its reference, if any, was there before


def ask_several(records: Records, count: int, *, expert: bool = False) -> list[Trial]:
    """Propose mixtures one after the other, the earlier ones pending; fewer where no more are left, which is logged.

    Args:
        records: The spec and the trials of the study.
        count: Mixtures that are wanted.
        expert: Whether they are to be experts, see :func:`ask`.

    Raises:
        StudyError: Nothing is left to ask for.
        FaultsError: The count is not positive, or an error of :func:`ask`.
    """
    if count < 1:
        raise_faults([Fault("n", f"expected a number of mixtures from 1, found {count}")])
    found: list[Trial] = []
    for _ in range(count):
        try:
            found.append(ask(records, expert=expert))
        except StudyError as error:
            if not found:
                raise
            logger.warning("asked for %d of %d: %s", len(found), count, error)
            break
    return found


def next_expert(spec: StudySpec, problem: Problem, history: History, *, wanted: bool = False) -> Candidate | None:
    """The expert to train before anything else; None where the study wants none, or none more.

    Args:
        spec: The study file, which says whether the study needs experts.
        problem: The domains.
        history: The trials so far.
        wanted: Whether experts are wanted though no part of the study needs them.

    Raises:
        StudyError: Experts that are there or pending are of another scale than the study file asks for.
    """
    if not (wanted or spec.trains_experts):
        return None
    scale = scales.of_experts(spec.experts, problem.default_scale, study_scales.trainer(spec))
    experts.refuse_others(problem, history, scale=scale)
    return experts.next_expert(problem, history, scale=scale)


def search_seed(
    weights: Weights,
    history: History,
    *,
    seed: int,
    paired: bool,
    reweighted: bool = False,
    scale: Scale | None = None,
    reference: bool = False,
) -> int:
    """The seed of a trial that was asked for.

    Paired trials share the study's seed and repeats of a mixture take the next; unpaired ones have one each. A run that
    reweights is no repeat of the mixture that it starts with, nor is one of another of the study's scales. A reference
    that takes the place of a withdrawn one has its seed, as all that is compared with it was trained on that.

    Args:
        weights: The trial's mixture.
        history: The trials before it.
        seed: Seed of the study.
        paired: Whether trials share a seed.
        reweighted: Whether the trial reweights, its mixture being that of the start.
        scale: The scale of the trial; it matters in a study of several.
        reference: Whether others are compared with the trial.
    """
    if not paired:
        return seed + history.n_asked
    same = [
        record
        for record in history.ever_asked
        if (record.trial.reweighting is not None) == reweighted
        and same_mixture(record.trial.weights, weights)
        and (not history.scales or record.trial.scale == scale)
    ]
    if reference:
        standing = {record.trial.seed for record in same if record.withdrawn is None}
        if freed := {record.trial.seed for record in same} - standing:
            return min(freed)
    return seed + len(same)


def _is_reference(candidate: Candidate, problem: Problem) -> bool:
    """Whether other trials are compared with one, or read its model."""
    anchors = problem.anchors().values()
    return candidate.origin == REFERENCE or any(same_mixture(candidate.weights, each) for each in anchors)


def exhausted(problem: Problem, history: History, strategy: Strategy) -> str | None:
    """Why there is no mixture left to propose, in words; None where there is.

    Args:
        problem: The space.
        history: The trials so far.
        strategy: The study's strategy; one that proposes the same mixture again and again is asked for repeats.
    """
    few = _few(problem, strategy)
    if few is None or _untried(few, problem, history):
        return None
    count = "only one mixture, which has" if len(few) == 1 else f"only {len(few)} mixtures, all of which have"
    what = "bounds, constraints and 'at_least'" if problem.space.constraints else "bounds and 'at_least'"
    return f"{what} allow {count} been asked for; loosen them, or withdraw a trial to have it repeated"


def settled(records: Records, history: History) -> bool:
    """Whether the next ask is the same whatever comes back of the pending trials, and worth it in any case.

    Args:
        records: The spec of the study.
        history: The trials so far.
    """
    from bomix.surrogates.data.quarantine import learnt

    spec, (problem, history) = records.spec, records.searched(history)
    if next_replicate(problem, history) is not None:
        return True
    strategy = spec.ready_strategy(records.store.base)
    history = learnt(problem, history)
    # One that computes what it expects may find that a trial is not worth it as soon as others have come back.
    if spec.budget.improvement is not None and _expects(strategy, problem, history):
        return False
    return traits(strategy, StrategyTraits).settled(problem, history)


def _expects(strategy: Strategy, problem: Problem, history: History) -> bool:
    """Whether a strategy, or the one that it hands its asks on to, says itself what improvement it expects."""
    own = traits(strategy, StrategyTraits)
    if own.expected_improvement is None and own.acting is not None:
        return _expects(own.acting(problem, history), problem, history)
    return own.expected_improvement is not None


def _few(problem: Problem, strategy: Strategy) -> list[Weights] | None:
    """All mixtures of a space that holds a handful, where they are searched; None elsewhere."""
    if problem.pool or isinstance(strategy, (Constant, Reweighted)) or (few := few_mixtures(problem.space)) is None:
        return None
    return [problem.space.to_weights(row) for row in few]


def _untried(few: list[Weights], problem: Problem, history: History) -> list[Weights]:
    tried = [record.trial.weights for record in history.tried if record.trial.origin != EXPERT]
    return [weights for weights in few if not any(same_mixture(weights, other) for other in tried)]


def _other_than_tried(candidate: Candidate, strategy: Strategy, problem: Problem, history: History) -> Candidate:
    """A candidate of a space that holds a handful of mixtures, moved to the nearest that was not tried."""
    if (few := _few(problem, strategy)) is None:
        return candidate
    left = _untried(few, problem, history)
    point = nearest(problem.space.to_array(candidate.weights), problem.space.to_arrays(left))
    return dataclasses.replace(candidate, weights=problem.space.to_weights(point))


def _proposed(records: Records, problem: Problem, history: History) -> Candidate:
    """The next run of an anchor that is to be repeated; then the candidate that the strategy proposes.

    Raises:
        StudyError: Experts are pending, and the strategy cannot ask without them; or no mixture is left; or the
            strategy proposed none, or several.
        FaultsError: The strategy proposed what is no mixture of the space, or a scale that the evaluator cannot train.
    """
    spec = records.spec
    if spec.trains_experts and (domains := experts.waiting(problem, history)):
        raise StudyError(
            f"the experts of {', '.join(domains)} are pending, and the strategy cannot ask without them; tell "
            "their results first"
        )
    if (reason := exhausted(problem, history, spec.strategy)) is not None:
        raise StudyError(reason)
    if (replicate := next_replicate(problem, history)) is not None:
        return replicate
    from bomix.surrogates.data.quarantine import learnt

    history = learnt(problem, history)
    proposed = spec.ready_strategy(records.store.base).ask(problem, history, 1, seed=spec.seed)
    if len(proposed) != 1:
        name = type(spec.strategy).__name__
        raise StudyError(f"the strategy {name} proposed {len(proposed)} of 1 mixtures; its 'ask' must return q of them")
    (candidate,) = proposed
    if candidate.reweighting is None:
        candidate = _other_than_tried(candidate, spec.strategy, problem, history)
    raise_faults(problem.space.faults_of(candidate.weights), "the strategy proposed what is no mixture:")
    kind = registry.kind_of("strategy", type(spec.strategy))
    raise_faults(
        scales.candidate_faults(candidate, problem, spec.evaluator),
        f"the strategy '{kind}' proposed a trial ('{candidate.origin}') of {candidate.scale}, at which it cannot be "
        "trained:",
    )
    raise_faults(
        reweighting.candidate_faults(candidate, study_scales.ready_evaluator(spec, records.store.base)),
        f"the strategy '{kind}' proposed a trial ('{candidate.origin}') that cannot be trained:",
    )
    return candidate
