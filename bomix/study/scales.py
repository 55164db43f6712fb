"""The scales of a study: that of its experts, which ones can be trained, and what is said of runs of other scales."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bomix.config.components import child
from bomix.contracts.evaluator import EvaluatorTraits, ScaledEvaluator
from bomix.contracts.traits import traits
from bomix.errors import Fault
from bomix.scale import Scale, comparable, counted_as
from bomix.trial import IMPORTED

if TYPE_CHECKING:
    from bomix.config.sections import ExpertsSpec
    from bomix.contracts.evaluator import Evaluator
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.trial import Candidate, Trial

logger = logging.getLogger(__name__)


def of(candidate: Candidate, problem: Problem, evaluator: Evaluator | None) -> Scale | None:
    """The scale that is recorded of a trial: what is really trained, the study's own unless another is wanted.

    An imported run has the scale that is told of it, or none. Its tokens are the study's where they miss those by less
    than a step of the evaluator, or whatever else it rounds to: ``1M`` is then as good as 999,936.

    Args:
        candidate: The mixture, with its origin and, where it has one of its own, its scale.
        problem: The study's own scale; of a study of several, all of them.
        evaluator: What trains the study's trials.
    """
    scale, own = candidate.scale, problem.scale
    if candidate.origin != IMPORTED:
        return problem.default_scale if scale is None else _trained(scale, evaluator)
    if problem.scales:
        return _known_again(scale, problem)
    if scale is None or own is None or scale.tokens is None or own.tokens is None:
        return scale
    beyond = dataclasses.replace(own, tokens=own.tokens + abs(scale.tokens - own.tokens))
    same = _trained(beyond, evaluator).tokens == own.tokens
    return dataclasses.replace(scale, tokens=own.tokens) if same else scale


def _known_again(scale: Scale | None, problem: Problem) -> Scale | None:
    """The one of several scales that an imported run is of, as far as what is known of it tells; else what is known."""
    if scale is None:
        return None
    found = counted_as(scale, [each.scale for each in problem.scales], problem.scale)
    return scale if found is None else found


def _trained(scale: Scale, evaluator: Evaluator | None) -> Scale:
    """The scale that an evaluator really trains where ``scale`` is wanted."""
    return traits(evaluator, EvaluatorTraits).trained_scale(scale)


def of_experts(experts: ExpertsSpec, own: Scale | None, evaluator: Evaluator | None) -> Scale | None:
    """The scale that experts are really trained at where it is another than the study's own; None where it is the same.

    Args:
        experts: Parameters and tokens of experts, where those are not the trials'.
        own: The study's own scale.
        evaluator: What trains them.
    """
    wanted = _wanted(experts, own)
    scale = None if wanted is None else _trained(wanted, evaluator)
    return None if scale == own else scale


def _wanted(experts: ExpertsSpec, own: Scale | None) -> Scale | None:
    """The scale that experts are to have; None where it is the study's own."""
    if own is None or (experts.params is None and experts.tokens is None):
        return None
    scale = Scale(
        own.params if experts.params is None else experts.params,
        own.tokens if experts.tokens is None else experts.tokens,
    )
    return None if scale == own else scale


def expert_faults(experts: ExpertsSpec, own: Scale | None, evaluator: Evaluator | None) -> list[Fault]:
    """What keeps experts from having a scale of their own.

    Args:
        experts: Parameters and tokens of experts.
        own: The study's own scale.
        evaluator: What would train them.
    """
    found = []
    if experts.tokens is not None and (own is None or own.tokens is None):
        what = "the evaluator does not say on how many tokens it trains, so experts cannot have others; leave it out"
        found.append(Fault("experts.tokens", what))
    if experts.params is not None and (own is None or own.params is None):
        what = "the evaluator does not say how many parameters it trains, so experts cannot have others; leave it out"
        found.append(Fault("experts.params", what))
    scale = _wanted(experts, own)
    if not found and scale is not None:
        found += _untrainable("experts", scale, evaluator)
    return found


def candidate_faults(candidate: Candidate, problem: Problem, evaluator: Evaluator | None) -> list[Fault]:
    """What keeps a candidate from being trained at the scale that it names, so that a trial would say what is not true.

    Args:
        candidate: What a strategy proposed.
        problem: The study's own scale, at which the evaluator trains whatever it can do beside; of a study of several,
            those that are trained, and no others.
        evaluator: What would train it; None where results are told from outside, by somebody who read the scale.
    """
    if problem.scales:
        return _untrained(candidate.scale, problem)
    if candidate.scale is None or candidate.scale == problem.scale:
        return []
    return _untrainable("scale", candidate.scale, evaluator)


def _untrained(scale: Scale | None, problem: Problem) -> list[Fault]:
    """What keeps trials of a scale, or of none, from being asked for in a study of several."""
    trained = [each for each in problem.scales if each.trained]
    if not trained:
        what = "no scale of the study is trained ('train: false' of all), so that no trial can be asked for"
        return [Fault("scales", f"{what}; have one trained, or only import runs, predict and recommend")]
    if scale is None or any(each.scale == scale for each in trained):
        return []
    known = "; ".join(f"{each.name}: {each.scale}" for each in trained)
    return [Fault("scale", f"{scale} is none of the scales that are trained ({known})")]


def _untrainable(where: str, scale: Scale, evaluator: Evaluator | None) -> list[Fault]:
    """Faults, each placed under ``where``, that keep an evaluator from training at a scale that is not the study's."""
    if evaluator is None:
        return []
    if isinstance(evaluator, ScaledEvaluator):
        return [Fault(child(where, fault.where), fault.what) for fault in evaluator.scale_faults(scale)]
    what = f"{type(evaluator).__name__} takes no scale from a trial (it has no method 'scale_faults')"
    return [Fault(where, f"{what}; leave the scale out, or take an evaluator that can, as proxy does")]


def warn_of_others(problem: Problem, history: History, added: Sequence[Scale | None]) -> None:
    """Log what becomes of runs of other scales: what a study knows of one scale says little of another.

    Args:
        problem: The study's own scale, or all of them where it has several.
        history: The record before the runs are added to it.
        added: Scale of each run that is added.
    """
    own = problem.scale
    if problem.scales:
        names = [each.scale for each in problem.scales]
        others = [scale for scale in added if counted_as(scale, names, own) is None]
        whose = "that the study names not, or of which too little is known to tell which it is"
    elif own is not None:
        others = [scale for scale in added if not comparable(scale, own)]
        whose = f"than the study's ({own})"
    else:
        if any(added):
            _warn_of_several((*added, *(record.trial.scale for record in history.completed)))
        return
    if others:
        logger.warning(
            "%d runs are of another scale (%s) %s: they are recorded, and nothing is learnt from them",
            len(others),
            "; ".join(sorted({str(scale) for scale in others})),
            whose,
        )


def warn_of_mixed(own: Scale | None, history: History) -> None:
    """Log where a study without a scale of its own has runs of several, which it learns from as if they were one.

    Args:
        own: The study's own scale; where it is known, runs of others are not learnt from.
        history: The record as it is when a run of the study begins.
    """
    if own is None:
        _warn_of_several([record.trial.scale for record in (*history.completed, *history.pending)])


def warn_of_new(own: Scale | None, history: History, trial: Trial) -> None:
    """Log where a trial is the first of its scale in a study without one of its own that has runs of others.

    Args:
        own: The study's own scale.
        history: The record before the trial.
        trial: What was just asked for.
    """
    there = {record.trial.scale for record in (*history.completed, *history.pending)}
    if own is None and trial.scale is not None and trial.scale not in there:
        _warn_of_several([trial.scale, *there])


def _warn_of_several(found: Iterable[Scale | None]) -> None:
    known = sorted({str(scale) for scale in found if scale is not None})
    if len(known) > 1:
        logger.warning(
            "the runs are of several scales (%s), which are learnt from as if they were one, since the study has no "
            "scale of its own",
            "; ".join(known),
        )
