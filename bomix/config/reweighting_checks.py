"""Whether a study asks for runs that reweight the domains while they train, and what keeps it from having them.

The last of the runs that such a strategy takes is one of the mixture that it found: before it, nothing is known of what
that is worth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bomix.config.components import parts
from bomix.contracts.evaluator import ReweightingEvaluator
from bomix.contracts.strategy import StrategyTraits
from bomix.contracts.traits import ComponentTraits, traits
from bomix.errors import Fault

if TYPE_CHECKING:
    from bomix.contracts.evaluator import Evaluator
    from bomix.contracts.strategy import Strategy


def need_reweighting(part: Any) -> bool:
    """Whether a spec, or any spec in its fields, declares ``needs_reweighting``."""
    return any(traits(value, ComponentTraits).needs_reweighting for _, value in parts(part))


def reweighting_faults(strategy: Strategy, evaluator: Evaluator | None) -> list[Fault]:
    """What keeps a study from having the runs that its strategy asks for.

    Args:
        strategy: The strategy; without a need of such runs there is no fault.
        evaluator: What would train them; None where people do, who are told the rule.
    """
    if evaluator is None or isinstance(evaluator, ReweightingEvaluator) or not need_reweighting(strategy):
        return []
    what = f"{type(evaluator).__name__} cannot reweight the domains while it trains, which the strategy asks for"
    return [Fault("evaluator", f"{what}; take 'proxy', or another strategy")]


def too_few_trials(strategy: Strategy, trials: int | None, where: str = "budget.trials") -> list[Fault]:
    """A budget, or a step, that ends before a strategy's mixture is found and measured.

    Args:
        strategy: The strategy, which says how many trials it takes.
        trials: Trials that are left to it; None for no limit.
        where: The key that says so.
    """
    least = traits(strategy, StrategyTraits).least_trials
    if least == 1 or trials is None or trials >= least:  # experts may be all that is trained
        return []
    kind = type(strategy).__name__
    what = f"{kind} takes {least} trials until its mixture is found and measured once, and there are {trials}"
    return [Fault(where, f"{what}; raise it, or take fewer rounds or another strategy")]
