"""Whether a study needs experts, and what keeps it from having them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bomix.config.components import parts
from bomix.contracts.evaluator import EvaluatorTraits
from bomix.contracts.traits import ComponentTraits, traits
from bomix.errors import Fault

if TYPE_CHECKING:
    from bomix.contracts.evaluator import Evaluator
    from bomix.contracts.strategy import Strategy


def need_experts(part: Any) -> bool:
    """Whether a spec, or any spec in its fields, declares ``needs_experts``."""
    return any(each.needs_experts for each in _declared(part))


def need_models(part: Any) -> bool:
    """Whether a spec, or any spec in its fields, declares ``needs_models``."""
    return any(each.needs_models for each in _declared(part))


def _declared(part: Any) -> Iterator[ComponentTraits]:
    """What a spec and every spec in its fields declare."""
    return (traits(value, ComponentTraits) for _, value in parts(part) if not isinstance(value, type))


def wanted(train: str, strategy: Strategy) -> bool:
    """Whether a study trains experts before anything else.

    Args:
        train: ``auto``, ``always`` or ``never``.
        strategy: The strategy, whose parts say whether they need experts.
    """
    return train == "always" or (train == "auto" and need_experts(strategy))


def expert_faults(
    train: str, *, strategy: Strategy, evaluator: Evaluator | None, domains: int, trials: int | None
) -> list[Fault]:
    """What keeps a study from having the experts that it needs.

    Args:
        train: ``auto``, ``always`` or ``never``.
        strategy: The strategy, whose parts say whether they need experts.
        evaluator: What would train them.
        domains: Number of domains, each with an expert.
        trials: Trials of the budget that experts count against; None where they do not.
    """
    if not wanted(train, strategy):
        if train == "never" and need_experts(strategy):
            what = "the strategy needs experts, which 'never' forbids; take 'auto', or another strategy or mean"
            return [Fault("experts.train", what)]
        return []
    found = evaluator_faults(evaluator)
    if need_models(strategy) and traits(evaluator, EvaluatorTraits).save_model is False:
        what = "the strategy averages the experts' parameters, and no model is kept; set it to experts"
        found.append(Fault("evaluator.save_model", what))
    if trials is not None and trials < domains:
        what = f"{trials} trials are fewer than the experts of {domains} domains, which count"
        found.append(Fault("budget.trials", f"{what}; raise it, or set experts.counted to false"))
    return found


def evaluator_faults(evaluator: Evaluator | None) -> list[Fault]:
    """What keeps an evaluator from training experts."""
    if traits(evaluator, EvaluatorTraits).scores_tokens:
        return []
    what = f"{type(evaluator).__name__} keeps no probabilities of tokens, which experts are for"
    return [Fault("evaluator", f"{what}; take another evaluator, strategy or mean")]
