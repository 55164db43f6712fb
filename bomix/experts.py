"""Experts: trials on one domain alone, whose view of every token tells of mixtures that were never trained.

They come before all other trials where anything in the strategy needs them, or the study asks for them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bomix import config
from bomix.errors import DataError, Fault
from bomix.io import scored_tokens
from bomix.io.scored_tokens import ARTIFACT
from bomix.trial import EXPERT, EXPERTS, OTHER_EXPERT, Candidate, Result, Trial, same_mixture

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.spec import StudySpec


def need_experts(part: Any) -> bool:
    """Whether a spec, or any spec in its fields, declares ``needs_experts``."""
    return declares(part, "needs_experts")


def declares(part: Any, what: str) -> bool:
    """Whether a spec, or any spec in its fields, has an attribute ``what`` that is true."""
    values = (value for _, value in config.parts(part) if not isinstance(value, type))
    return any(getattr(value, what, False) for value in values)


def wanted(spec: StudySpec) -> bool:
    """Whether a study trains experts before anything else."""
    return spec.experts.train == "always" or (spec.experts.train == "auto" and need_experts(spec.strategy))


def missing(problem: Problem, history: History) -> list[str]:
    """Domains whose expert has not come back, nor is on its way."""
    there = {*history.experts, *_pending(problem, history)}
    return [name for name in problem.space.domains if name not in there]


def waiting(problem: Problem, history: History) -> list[str]:
    """Domains whose expert is on its way."""
    return [name for name in _pending(problem, history) if name not in history.experts]


def next_expert(problem: Problem, history: History, *, apart: bool) -> Candidate | None:
    """The expert to train next; None where each domain has one or has it on its way.

    Args:
        problem: The domains; their bounds do not count.
        history: What was tried.
        apart: Whether experts are of another scale than the trials, so that nothing is learnt from their losses.
    """
    names = missing(problem, history)
    return Candidate(vertex(problem, names[0]), OTHER_EXPERT if apart else EXPERT) if names else None


def result_faults(trial: Trial, result: Result, problem: Problem, history: History) -> list[Fault]:
    """What keeps the result of an expert from serving: what cannot be used must not be recorded as there.

    Args:
        trial: The expert's.
        result: What it came back with, paths of artifacts absolute.
        problem: The metrics.
        history: The experts that are there.
    """
    if trial.origin not in EXPERTS:
        return []
    where = f"artifacts.{ARTIFACT}"
    if ARTIFACT not in result.artifacts:
        what = "missing; an expert's result names the folder with its probabilities of every validation token"
        return [Fault(where, f"{what} (see bomix.io.scored_tokens)")]
    try:
        found = scored_tokens.read(Path(result.artifacts[ARTIFACT]))
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
    return scored_tokens.read_index(Path(record.result.artifacts[ARTIFACT]))


def vertex(problem: Problem, name: str) -> dict[str, float]:
    """All of the weight on one domain."""
    return {domain: float(domain == name) for domain in problem.space.domains}


def spec_faults(spec: StudySpec) -> list[Fault]:
    """What keeps a study from having the experts that it needs."""
    if not wanted(spec):
        if spec.experts.train == "never" and need_experts(spec.strategy):
            what = "the strategy needs experts, which 'never' forbids; take 'auto', or another strategy or mean"
            return [Fault("experts.train", what)]
        return []
    found, count = evaluator_faults(spec), len(spec.domains)
    if declares(spec.strategy, "needs_models") and getattr(spec.evaluator, "save_model", True) is False:
        what = "the strategy averages the experts' parameters, and no model is kept; set it to experts"
        found.append(Fault("evaluator.save_model", what))
    if spec.experts.counted and spec.budget.trials < count:
        what = f"{spec.budget.trials} trials are fewer than the experts of {count} domains, which count"
        found.append(Fault("budget.trials", f"{what}; raise it, or set experts.counted to false"))
    return found


def evaluator_faults(spec: StudySpec) -> list[Fault]:
    """What keeps the evaluator from training experts."""
    if getattr(spec.evaluator, "scores_tokens", True):
        return []
    what = f"{type(spec.evaluator).__name__} keeps no probabilities of tokens, which experts are for"
    return [Fault("evaluator", f"{what}; take another evaluator, strategy or mean")]


def _pending(problem: Problem, history: History) -> list[str]:
    on_the_way = [r.trial.weights for r in history.pending if r.trial.origin in EXPERTS]
    return [
        name
        for name in problem.space.domains
        if any(same_mixture(weights, vertex(problem, name)) for weights in on_the_way)
    ]
