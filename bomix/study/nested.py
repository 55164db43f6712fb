"""Studies in which nodes of the domains' tree are searched as one domain: what is searched, and back to all domains.

The record, the evaluator and exports know all domains; strategies, surrogates and the page see closed nodes in their
place, by :attr:`bomix.problem.Problem.searched` and :func:`searched_history`. So a study of 200 domains in twelve
closed nodes is one of twelve domains for everything that searches, and no part of it has to know.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bomix.config.tree_spec import inside_of, without_tokens
from bomix.contracts.strategy import StrategyTraits
from bomix.contracts.traits import traits
from bomix.errors import Fault, StudyError
from bomix.history import History
from bomix.space.nested import KEEPS, Nested, nested_space
from bomix.space.tree import closed, shares_inside
from bomix.trial import Record, Result

if TYPE_CHECKING:
    from bomix.config.spec import StudySpec
    from bomix.problem import Problem
    from bomix.recommendation.recommend import Choice, Recommendation
    from bomix.space.mixture_space import MixtureSpace
    from bomix.space.weights import Weights

logger = logging.getLogger(__name__)

OTHER_SHARES = "the shares inside of closed nodes are others than the tree says"
"""Why a run counts for nothing while nodes are closed; it counts again once they are open."""
_SHOWN = 5  # Nodes, and trials, that a sentence names.


def nested_of(
    spec: StudySpec,
    space: MixtureSpace,
    tokens: Mapping[str, float],
    natural: Mapping[str, float] | None,
    run_tokens: float | None,
    *,
    uncapped: MixtureSpace | None = None,
) -> tuple[Nested | None, list[Fault]]:
    """What a study searches where nodes are closed, or all that keeps them from being; None where all are free.

    Args:
        spec: The study file, whose tree says which nodes are closed.
        space: The mixtures of all domains.
        tokens: Tokens of the domains that are known.
        natural: Natural share of each domain; None where unknown.
        run_tokens: Tokens of the run that is decided about; None where unknown.
        uncapped: The mixtures of all domains without caps by tokens; None where there are none.
    """
    inside = inside_of(spec.tree)
    fixed = closed(space.domains, inside)
    if not fixed:
        return None, []
    faults = without_tokens(spec.tree, space.domains, tokens) + _misfits(spec)
    if faults:
        return None, faults
    shares = {node: shares_inside(node, below, inside, tokens, inside[node]) for node, below in fixed.items()}
    taken = {name for below in fixed.values() for name in below}
    shares |= {name: {name: 1.0} for name in space.domains if name not in taken}
    shares = {name: shares[name] for name in sorted(shares)}
    known: dict[str, Any] = {"natural": natural, "run_tokens": run_tokens, "most": spec.negligible}
    searched, faults = nested_space(space, shares, **known)
    free = None if uncapped is None else nested_space(uncapped, shares, **known)[0]
    return None if searched is None else Nested(shares, searched, free), faults


def _misfits(spec: StudySpec) -> list[Fault]:
    """Strategies whose runs have mixtures of their own, which know nothing of fixed shares."""
    own = traits(spec.strategy, StrategyTraits)
    if own.pool is not None:
        what = "a pool names mixtures of all domains, which need not keep shares that are fixed"
        return [Fault("tree", f"{what}; leave the key out, or 'strategy.pool'")]
    if own.needs_reweighting:
        what = "runs that reweight the domains move the shares inside of nodes, too"
        return [Fault("tree", f"{what}; leave the key out, or take another strategy")]
    return []


def tell_opened(earlier: Mapping[str, Any] | None, spec: StudySpec, *, before: bool) -> bool:
    """Whether the tree is another one than when the study was last resolved; once there are trials that is logged.

    Args:
        earlier: What ``resolved.json`` holds; None where there is none.
        spec: The study file as it is now.
        before: Whether trials were asked for before.
    """
    if earlier is None or not isinstance(kept := earlier.get("spec"), Mapping):
        return False
    given = kept.get("tree") or {}
    old = {node: keys.get("inside", "free") for node, keys in given.items() if isinstance(keys, Mapping)}
    now = inside_of(spec.tree)
    changed = [
        f"'{node}' is {now.get(node, 'free')} inside, and was {old.get(node, 'free')}"
        for node in sorted({*old, *now})
        if now.get(node, "free") != old.get(node, "free")
    ]
    if changed and before:
        logger.warning("the tree has changed: %s; runs count where they keep the shares of it", "; ".join(changed))
    return bool(changed)


def searched_history(nested: Nested, history: History, earlier: tuple[History, History] | None = None) -> History:
    """The record in terms of what is searched; runs that do not keep fixed shares count for nothing.

    Their numbers stay taken, as those of withdrawn ones, so that designs go on behind them.

    Args:
        nested: What is searched.
        history: The record.
        earlier: Another record and what was made of it: records that are the same are not gone through again.
    """
    pairs = () if earlier is None else zip(*(each.all_records for each in earlier), strict=True)
    known = {id(before): after for before, after in pairs}
    records = tuple(known.get(id(record)) or _summed(nested, record) for record in history.all_records)
    return dataclasses.replace(history, records=records, withdrawn=())


def others(problem: Problem, history: History) -> list[Record]:
    """The completed runs that do not keep the fixed shares."""
    nested = problem.nested
    if nested is None:
        return []
    return [record for record in history.completed if nested.departure(_seen(record)) > KEEPS]


def require_runs(problem: Problem, history: History) -> None:
    """Raise StudyError where runs are there, and none keeps the fixed shares."""
    if left := others(problem, history):
        if len(left) == len(history.completed):
            raise StudyError(
                f"{len(left)} trials came back, and of none can be learnt: {OTHER_SHARES} "
                f"({_named(problem)}); let nodes be free (inside: free), or run trials of this tree"
            )
        logger.warning("%s", said(problem, left))


def sentences(problem: Problem, history: History) -> list[str]:
    """What a study whose nodes are closed searches, and which runs it does not learn from, a line each."""
    nested = problem.nested
    if nested is None:
        return []
    count = f"{len(nested.shares)} weights are searched in place of {len(nested.of)}"
    lines = [f"tree: {count}; the shares inside of {_named(problem)} are fixed"]
    left = others(problem, history)
    return [*lines, *([f"warning: {said(problem, left)}"] if left else [])]


def said(problem: Problem, left: Sequence[Record]) -> str:
    """That runs are left out, in a sentence."""
    shown = ", ".join(str(record.trial.id) for record in left[:_SHOWN]) + (", ..." if len(left) > _SHOWN else "")
    return (
        f"{len(left)} runs (trials {shown}) are not learnt from while nodes are closed ({_named(problem)}): "
        f"more than {100 * KEEPS:.0f} % of their tokens lie elsewhere inside of them; 'inside: free' brings them back"
    )


def recommended(problem: Problem, best: Recommendation) -> Recommendation:
    """A recommendation of what is searched in the weights of all domains."""
    nested = problem.nested
    if nested is None:
        return best
    ranges = {
        name: (share * best.ranges[node][0], share * best.ranges[node][1])
        for node, inside in nested.shares.items()
        for name, share in inside.items()
        if node in best.ranges
    }
    capped = () if best.uncapped is None else best.uncapped.binding
    binding = tuple(name for node in capped for name in nested.capped(node, problem.space))
    return _with(best, problem, nested.spread, ranges, binding)


def of_searched(problem: Problem, best: Recommendation) -> Recommendation:
    """A recommendation in the weights of all domains as one of what is searched: the inverse of :func:`recommended`."""
    nested = problem.nested
    if nested is None:
        return best
    ranges = {}
    if best.ranges:
        low, high = (nested.sums({name: ends[end] for name, ends in best.ranges.items()}) for end in (0, 1))
        ranges = {node: (low[node], high[node]) for node in low}
    capped = () if best.uncapped is None else best.uncapped.binding
    return _with(best, problem.searched, nested.sums, ranges, tuple(dict.fromkeys(nested.of[name] for name in capped)))


def _with(
    best: Recommendation,
    problem: Problem,
    of: Callable[[Weights], Weights],
    ranges: Mapping[str, tuple[float, float]],
    binding: tuple[str, ...],
) -> Recommendation:
    """A recommendation in other weights.

    Args:
        best: The recommendation.
        problem: The problem that the other weights are of.
        of: A mixture in the other weights.
        ranges: How far each of them may move.
        binding: Which of them caps hold back.
    """
    from bomix.recommendation.repetition import effective_tokens

    def choice(each: Choice | None) -> Choice | None:
        return None if each is None else dataclasses.replace(each, weights=of(each.weights))

    weights, free = of(best.weights), best.uncapped
    if free is not None:
        without = of(free.weights)
        passes = problem.epochs(without) or {}
        free = dataclasses.replace(free, weights=without, epochs=passes, binding=binding)
    return dataclasses.replace(
        best,
        weights=weights,
        epochs=problem.epochs(weights),
        effective=None if best.effective is None else effective_tokens(problem, weights),
        uncapped=free,
        of_space=choice(best.of_space),
        of_trials=choice(best.of_trials),
        confirmed=choice(best.confirmed),
        ranges=ranges,
        front=tuple(dataclasses.replace(each, weights=of(each.weights)) for each in best.front),
    )


def spread(problem: Problem, weights: Weights) -> Weights:
    """A mixture of what is searched as one of all domains."""
    return weights if problem.nested is None else problem.nested.spread(weights)


def to_predict(problem: Problem, mixtures: Sequence[Weights]) -> list[Weights]:
    """Mixtures of all domains as what is searched; that some do not keep the fixed shares is logged."""
    nested = problem.nested
    if nested is None:
        return [*mixtures]
    if far := [number for number, each in enumerate(mixtures) if nested.departure(each) > KEEPS]:
        what = "have other shares inside of closed nodes (%s) than the tree says, and are predicted as if they had not"
        logger.warning(f"%d of %d mixtures {what}", len(far), len(mixtures), _named(problem))
    return [nested.sums(each) for each in mixtures]


def summed(problem: Problem, weights: Weights) -> Weights:
    """A mixture of all domains as one of what is searched; what it is inside of closed nodes is lost."""
    return weights if problem.nested is None else problem.nested.sums(weights)


def _named(problem: Problem) -> str:
    """The closed nodes, the first few by name."""
    names = [] if problem.nested is None else [f"'{node}'" for node in problem.nested.closed]
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _summed(nested: Nested, record: Record) -> Record:
    """A record with the weights of what is searched, withdrawn where it does not keep the fixed shares."""
    outcome, withdrawn = record.outcome, record.withdrawn
    if withdrawn is None and nested.departure(_seen(record)) > KEEPS:
        withdrawn = OTHER_SHARES
    if isinstance(outcome, Result):
        drawn = outcome.realized
        outcome = dataclasses.replace(outcome, realized=None if drawn is None else nested.sums(drawn), epochs=None)
    trial = dataclasses.replace(record.trial, weights=nested.sums(record.trial.weights))
    return dataclasses.replace(record, trial=trial, outcome=outcome, withdrawn=withdrawn)


def _seen(record: Record) -> Weights:
    """The mixture of a run: the realised one where it is known."""
    drawn = record.outcome.realized if isinstance(record.outcome, Result) else None
    return record.trial.weights if drawn is None else drawn
