"""Experts: trials on one domain alone, whose view of every token tells of mixtures that were never trained.

They come before all other trials where anything in the strategy needs them, or the study asks for them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bomix.errors import Fault, StudyError
from bomix.io.scored_tokens import ARTIFACT
from bomix.trial import EXPERT, EXPERTS, OTHER_EXPERT, Candidate, Status, same_mixture

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.spec import StudySpec

_ATTEMPTS = 3


def need_experts(part: Any) -> bool:
    """Whether a spec, or any spec in its fields, declares ``needs_experts``."""
    if isinstance(part, type):
        return False
    if getattr(part, "needs_experts", False):
        return True
    if isinstance(part, Mapping):
        return any(need_experts(value) for value in part.values())
    if isinstance(part, (tuple, list)):
        return any(need_experts(value) for value in part)
    if dataclasses.is_dataclass(part):
        return any(need_experts(getattr(part, field.name)) for field in dataclasses.fields(part))
    return False


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

    Raises:
        StudyError: The experts of a domain keep failing, or keep no record of tokens.
    """
    for name in missing(problem, history):
        weights = vertex(problem, name)
        tried = [
            record
            for record in history.records
            if record.trial.origin in EXPERTS and same_mixture(record.trial.weights, weights)
        ]
        silent = [record.trial.id for record in tried if record.status is Status.COMPLETED]
        if silent or len(tried) >= _ATTEMPTS:
            how = f"came back without the artifact '{ARTIFACT}' (trial {silent[0]})" if silent else "failed"
            raise StudyError(
                f"{'the expert' if silent else f'{len(tried)} experts'} of domain '{name}' {how}; mend the training in "
                "a new study, or take a strategy and a surrogate that need no experts"
            )
        return Candidate(weights, OTHER_EXPERT if apart else EXPERT)
    return None


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
