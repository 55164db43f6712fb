"""Experts: trials on one domain alone, whose view of every token tells of mixtures that were never trained.

They come before all other trials where anything in the strategy needs them, or the study asks for them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bomix.errors import DataError, Fault, StudyError
from bomix.io.artifacts import scored_tokens
from bomix.scale import comparable
from bomix.space.weights import same_mixture
from bomix.trial import EXPERT, SCORED_TOKENS, Candidate, Result, Status, Trial

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.scale import Scale


def missing(problem: Problem, history: History) -> list[str]:
    """Domains without an expert that has completed or is pending."""
    there = {*history.experts, *_pending(problem, history)}
    return [name for name in problem.space.domains if name not in there]


def waiting(problem: Problem, history: History) -> list[str]:
    """Domains whose expert is pending and has not completed."""
    return [name for name in _pending(problem, history) if name not in history.experts]


def next_expert(problem: Problem, history: History, *, scale: Scale | None) -> Candidate | None:
    """The expert to train next; None where each domain has one that has completed or is pending.

    Args:
        problem: The domains; their bounds do not count.
        history: The trials so far.
        scale: The scale of the expert where it is another than the study's own, so that nothing is learnt from its
            losses; None for the study's own.
    """
    names = missing(problem, history)
    return Candidate(vertex(problem, names[0]), EXPERT, scale) if names else None


def refuse_others(problem: Problem, history: History, *, scale: Scale | None) -> None:
    """Raise StudyError where experts are there, or pending, that are of another scale than the study asks for.

    What experts of two sizes make of the same tokens cannot be put together, and experts that were trained cost as much
    as trials: neither are old ones taken for new ones nor are they silently trained again.

    Args:
        problem: The domains and the study's own scale.
        history: The trials so far.
        scale: The scale of experts where it is another than the study's own; None for the study's own.
    """
    wanted = problem.default_scale if scale is None else scale
    serving = set(history.experts.values())
    found = [
        record.trial
        for record in history.records
        if record.trial.id in serving or (record.trial.origin == EXPERT and record.status is Status.PENDING)
    ]
    others = [trial for trial in found if not comparable(trial.scale, wanted)]
    if others:
        numbers = ", ".join(str(trial.id) for trial in others)
        named = "; ".join(sorted({str(trial.scale) for trial in others}))
        raise StudyError(
            f"the experts of trials {numbers} are of {named}, and the study file asks for {wanted} ('experts'); set "
            "experts.params and experts.tokens back, or start a study in a new folder"
        )


def result_faults(trial: Trial, result: Result, problem: Problem, history: History) -> list[Fault]:
    """What keeps the result of an expert from serving: what cannot be used must not be recorded as there.

    Args:
        trial: The trial that ended; one that is no expert has no such faults.
        result: What the trial came back with, paths of artifacts absolute.
        problem: The metrics, each of which needs tokens in the artifact.
        history: The trials so far; the artifact must fit those of their experts.
    """
    if trial.origin != EXPERT:
        return []
    where = f"artifacts.{SCORED_TOKENS}"
    if SCORED_TOKENS not in result.artifacts:
        what = "missing; an expert's result names the folder with its probabilities of every validation token"
        return [Fault(where, f"{what} (see bomix.io.artifacts.scored_tokens)")]
    try:
        found = scored_tokens.read(Path(result.artifacts[SCORED_TOKENS]))
        others = [(domain, _index(history, number)) for domain, number in history.experts.items()]
    except DataError as error:
        return [Fault(where, str(error))]
    if lacking := [name for name in problem.metric_names if name not in found.sets]:
        return [Fault(where, f"{found.folder} holds no tokens of {', '.join(lacking)}; score them, too")]
    for domain, other in others:
        if other.tokenizer != found.tokenizer:
            return [Fault(where, f"{found.folder} is of another tokenizer than the expert of '{domain}'; use the same")]
        unlike = [name for name in problem.metric_names if other.entries[name]["tokens"] != found.sets[name].tokens]
        if unlike:
            what = f"{found.folder} scores other tokens of {', '.join(unlike)} than the expert of '{domain}'"
            return [Fault(where, f"{what}; score the same validation sets")]
    return []


def _index(history: History, number: int) -> scored_tokens.Index:
    """What an expert that is there holds; its arrays were looked at when it was told."""
    record = next(record for record in history.records if record.trial.id == number)
    return scored_tokens.read_index(Path(record.result.artifacts[SCORED_TOKENS]))


def vertex(problem: Problem, name: str) -> dict[str, float]:
    """All of the weight on one domain."""
    return {domain: float(domain == name) for domain in problem.space.domains}


def _pending(problem: Problem, history: History) -> list[str]:
    pending = [r.trial.weights for r in history.pending if r.trial.origin == EXPERT]
    return [
        name
        for name in problem.space.domains
        if any(same_mixture(weights, vertex(problem, name)) for weights in pending)
    ]
