"""Which mixture to run at which scale next: small runs say where the best may be, larger ones whether it is there."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from bomix.acquisition.improvement import LogEI
from bomix.contracts.acquisition import Acquisition
from bomix.contracts.objective import ObjectiveTraits
from bomix.contracts.strategy import Strategy
from bomix.contracts.surrogate import Surrogate, SurrogateTraits
from bomix.contracts.traits import traits
from bomix.errors import Fault, FitError, count_faults
from bomix.posterior.belief import believe
from bomix.posterior.scales_alone import better_alone
from bomix.posterior.seeds import AskSeeds
from bomix.space.weights import is_among
from bomix.strategies.at_target import AtTarget
from bomix.strategies.bayesian.affordable import fitting, usable
from bomix.strategies.bayesian.allowance import Allowance, count_runs, missing_anchor
from bomix.strategies.bayesian.search import most_promising
from bomix.strategies.bayesian.target_alone import ask_alone
from bomix.strategies.checks import need_faults, part_faults
from bomix.strategies.design_first import MIN_COMPLETED, design_size
from bomix.strategies.designs import Sobol
from bomix.surrogates.scales.spec import MultiScale
from bomix.trial import EXPERT, Candidate, Status

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.acquisition.cost_aware import Contest
    from bomix.history import History
    from bomix.posterior.belief import Belief
    from bomix.problem import Problem, StudyScale
    from bomix.scale import Scale
    from bomix.space.polytope import Array
    from bomix.surrogates.models.scales import MultiScaleModel

logger = logging.getLogger(__name__)

CONTENDERS = 24
"""Mixtures among which a run is chosen: those that may be the best, and the one of the highest acquisition value."""
COMPETING = 192
"""Mixtures of the whole space that compete for a place among them: across three scales a prediction of 13 metrics takes
half a millisecond, and as many again lie about the best ones tried."""

MOST = 4
"""Runs of one mixture at one scale: the noise of their mean is half that of a run, and more of them say hardly more."""

HELPS = 0.65
"""Share of what is believed at the target, by left-out runs of it, that the model across scales must have for smaller
ones to be asked for: behind four runs of it it was 0.57 to 0.86 where ranks agree at 0.8, and 0.13 to 0.59 where they
agree at 0.3 (7 domains, tuning seeds 0, 1, 3 and 0, 2, 3)."""
TOLD = 3
"""Runs of the target that say whether smaller scales mislead, by closed forms until left-out runs can tell: where ranks
agree at 0.3 all of them say so from three on (7 domains, tuning seed 0), and waiting for as many as a design has spends
these where nothing is good."""


@dataclass(frozen=True)
class CostAware:
    """A design at the cheapest scale, then the mixture and the scale whose run is worth most for its cost.

    In a study of several scales. After the design runs are chosen among the mixtures that may be the best at the
    target, each at every scale that is trained and no dearer than the target, by what they tell of the target per unit
    of cost. Where left-out runs of the target are predicted better without the smaller scales, none of these is asked
    for. In a study of one scale it proposes what ``auto`` does.

    Attributes:
        surrogate: Model across scales; None takes those that ``auto`` asks and predicts with.
        acquisition: Acquisition function, at the target, whose maximiser is one of the mixtures to choose from; None
            takes the one that ``auto`` takes in a study of one scale.
        rule: What a run is worth: the ``knowledge`` gradient, max-value ``entropy``, ``log_ei`` times what the run
            tells of the mixture, or the ``spread`` that it takes from the contenders.
        design: Strategy that proposes the first trials.
        n_init: Runs of the cheapest scale in the design, anchors and imported runs counted; None takes two more than
            there are domains, at least 5 and at most 32, and up to three times as many where these cost less than half
            a run of the target.
        anchors: Whether a run of each anchor at every larger scale comes next.
        spaced: Whether the first runs of a larger scale, as many as the usual design has, lie far from each other among
            the mixtures that look good, or over the whole space where smaller scales do not help; without, the rule
            chooses theirs, too.
        alone: Whether the target alone is asked for where smaller scales do not help to predict it.
        guard: What says so: the ``share`` that left-out runs give to the model across scales, once there are four of
            the target, and then for good; or ``closed`` forms, asked anew at every run.
        stack: Share of its cost that a run of the cheapest scale really costs, as many are trained as one; 1 for all.
    """

    surrogate: Surrogate | None = None
    acquisition: Acquisition | None = None
    rule: Literal["knowledge", "entropy", "log_ei", "spread"] = "knowledge"
    design: Strategy = Sobol()
    n_init: int | None = None
    anchors: bool = False
    spaced: bool = True
    alone: bool = True
    guard: Literal["share", "closed"] = "share"
    stack: float = 1.0

    def faults(self) -> list[Fault]:
        """What is wrong with the fields, and what cannot work together."""
        parts = self.acquisition or LogEI(), self.surrogate or MultiScale()
        found = [*count_faults(n_init=self.n_init), *need_faults(*parts)]
        if not 0.0 < self.stack <= 1.0:
            found.append(Fault("stack", f"stack is {self.stack:g}; give a share of the cost above 0, at most 1"))
        if not traits(self.surrogate or MultiScale(), SurrogateTraits).across_scales:
            name = type(self.surrogate).__name__
            found.append(Fault("surrogate", f"{name} learns from one scale; take 'multi_scale'"))
        return found

    def problem_faults(self, problem: Problem) -> list[Fault]:
        """What does not fit the study: its objective, what the design needs."""
        found = part_faults(
            self.acquisition or LogEI(), self.surrogate or MultiScale(), self.design, problem, self.n_init
        )
        if len(usable(problem)) > 1 and traits(problem.objective, ObjectiveTraits).is_trade_off:
            what = "a trade-off has no one value that a run could tell of; take another strategy, or objective"
            found.append(Fault("objective", what))
        return found

    def predicting(self, problem: Problem) -> Surrogate:
        """The surrogate of predictions and recommendations: across scales where there are several."""
        return (self.surrogate if problem.scales else None) or AtTarget().predicting(problem)

    def offers(self, problem: Problem) -> tuple[StudyScale, ...]:
        """The scales that it may ask for."""
        return usable(problem)

    def ended(self, problem: Problem, history: History) -> str | None:
        """Why no scale may have another run though one would fit into what is left of the stated cost, in words."""
        return self._allowance.ended(problem, history)

    def settled(self, problem: Problem, history: History) -> bool:
        """Whether the next trial is one of the design in any case."""
        scales = usable(problem)
        if len(scales) < 2:
            return AtTarget().settled(problem, history)
        return self._allowance.in_design(problem, history)

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures, one after the other, the earlier ones pending."""
        scales = usable(problem)
        if len(scales) < 2:
            return AtTarget().ask(problem, history, q, seed=seed)
        found: list[Candidate] = []
        for _ in range(q):
            candidate = self._next(problem, history, scales, seed)
            found.append(candidate)
            history = history.with_pending([candidate])
        return found

    @property
    def _allowance(self) -> Allowance:
        """How many runs each scale may have."""
        return Allowance(self.n_init, self.stack)

    def _next(self, problem: Problem, history: History, scales: tuple[StudyScale, ...], seed: int) -> Candidate:
        """The next candidate: of the design, an anchor of a larger scale, or what is worth most."""
        if self._allowance.in_design(problem, history):
            return self._designed(problem, history, scales[0].scale, seed)
        fit = fitting(problem, history)
        fits = tuple(each for each, can in zip(scales, fit, strict=True) if can)
        larger = [each for each in fits if each is not scales[0]]
        if self.anchors and (anchor := missing_anchor(problem, history, larger)) is not None:
            return anchor
        back = [record for record in history.informative if record.trial.origin != EXPERT]
        if len(back) >= MIN_COMPLETED:
            from bomix.numerics.determinism import deterministic

            try:
                with deterministic():
                    return self._chosen(problem, history, scales, seed)
            except FitError as error:
                logger.warning("%s; going on with the design", error)
                can = self._allowance.open(problem, history)
                fits = tuple(each for each, may in zip(scales, can, strict=True) if may) or fits
        return self._designed(problem, history, fits[0].scale, seed)

    def _designed(self, problem: Problem, history: History, scale: Scale, seed: int) -> Candidate:
        """The next of the design at a scale."""
        (candidate,) = self.design.ask(problem, history.of_scale(scale), 1, seed=seed)
        return replace(candidate, scale=scale)

    def _chosen(self, problem: Problem, history: History, scales: tuple[StudyScale, ...], seed: int) -> Candidate:
        """The mixture and the scale that are worth most for their cost."""
        import torch

        from bomix.acquisition.cost_aware import best_choice
        from bomix.strategies.bayesian.spaced import next_spaced
        from bomix.surrogates.models.scales import MultiScaleModel

        can = self._allowance.open(problem, history)
        fit = torch.tensor(can if any(can) else fitting(problem, history))
        dearest = int(fit.nonzero().max())
        at_target = self.alone and bool(fit[-1]) and scales[-1].scale == problem.scale
        if at_target and history.target_alone:
            return self._alone(problem, history, seed)
        belief = believe(problem, history, self._asking(problem), seed=seed)
        if not isinstance(belief.model, MultiScaleModel):
            own = replace(problem, scales=())
            (candidate,) = AtTarget().ask(own, history.of_scale(problem.scale), 1, seed=seed)
            return replace(candidate, scale=scales[dearest].scale)
        seeds = AskSeeds.of(seed, history.n_asked)
        misled = at_target and self._misled(belief, belief.model, problem, history, seed)
        if misled and self.guard == "share" and belief.model.share is not None:
            return self._alone(problem, history, seed)
        X = self._contenders(belief, history, seeds)
        contest, free = contest_of(belief, X, history, [each.scale for each in scales])
        free &= fit.unsqueeze(-1)
        if misled:
            free[:-1] = False
        found = best_choice(contest, self.rule, self._allowance.costs(problem), free, seed=seeds.acquisition)
        if found is None:
            return replace(self._designed(problem, history, scales[dearest].scale, seed), origin="cost_aware")
        point, number = found
        weights, scale = X[point], scales[number].scale
        if self.spaced and number and count_runs(history, scale) < design_size(None, problem):
            if misled:
                return replace(self._designed(problem, history, scale, seed), origin="cost_aware")
            weights = next_spaced(belief, history, scale, seed=seeds.search)
        return Candidate(problem.space.to_weights(weights), "cost_aware", scale)

    def _alone(self, problem: Problem, history: History, seed: int) -> Candidate:
        """What the search of the target alone proposes."""
        strategy = AtTarget(acquisition=self.acquisition, design=self.design)
        return ask_alone(strategy, problem, history, seed=seed)

    def _misled(self, belief: Belief, model: MultiScaleModel, problem: Problem, history: History, seed: int) -> bool:
        """Whether smaller scales mislead: the target is predicted as well or better from its own runs alone."""
        if model.share is not None and self.guard != "closed":
            return model.share < HELPS
        own = AtTarget().chosen(replace(problem, scales=())).surrogate
        return better_alone(belief, history, own, least=TOLD, seed=seed)

    def _asking(self, problem: Problem) -> Surrogate:
        """The surrogate of asks."""
        return self.surrogate or AtTarget().chosen(problem).surrogate

    def _contenders(self, belief: Belief, history: History, seeds: AskSeeds) -> Array:
        """Mixtures to choose from, ``p x d``: the maximiser of the acquisition function first."""
        from bomix.acquisition.contenders import support

        space = belief.problem.space
        waiting = space.to_arrays([record.trial.weights for record in history.pending])
        busy = np.concatenate([belief.busy, *([waiting] if len(waiting) else [])])
        everywhere = replace(belief, busy=busy)
        acquisition = self.acquisition or AtTarget().chosen(belief.problem).acquisition
        best, _ = most_promising(everywhere, acquisition, self._asking(belief.problem), seeds=seeds, rough=True)
        tried, count = belief.X_inside, CONTENDERS - 1
        others = support(belief.model, belief.aggregate, tried, count, seed=seeds.subspace, wide=COMPETING)
        snapped = space.snap(space.project(others.numpy()))
        return np.concatenate([best[None], [row for row in snapped if not is_among(row, best[None])]])

    def description(self, problem: Problem) -> str:
        """One line on what it will do."""
        scales = usable(problem)
        if len(scales) < 2:
            return AtTarget().description(problem)
        names = ", ".join(each.name for each in scales)
        size = self._allowance.first_runs(problem)
        return f"{size} runs of {scales[0].name}, then what is worth most for its cost among {names}"


def contest_of(belief: Belief, X: Array, history: History, scales: Sequence[Scale]) -> tuple[Contest, Tensor]:
    """The belief at ``p x d`` mixtures once all pending runs have come back, and which runs may be made, ``s x p``.

    What is pending or failed at a scale is not run there again, and nothing more than :data:`MOST` times.

    Args:
        belief: The belief across scales.
        X: The mixtures.
        history: The record.
        scales: Scales at which runs are thought of.
    """
    import torch

    from bomix.acquisition.cost_aware import Contest
    from bomix.surrogates.models.scales import MultiScaleModel

    assert isinstance(belief.model, MultiScaleModel)
    space, p = belief.problem.space, len(X)
    runs, waiting = torch.zeros(len(scales), p, dtype=torch.int), []
    for record in history.records:
        scale = history.counted_as(record)
        if scale not in scales:
            continue
        number, point = scales.index(scale), space.to_array(record.trial.weights)
        again = 1 if record.status is Status.COMPLETED else MOST
        runs[number] += again * torch.tensor([is_among(row, point[None]) for row in X])
        if record.status is Status.PENDING:
            waiting.append((number, point))
    points = torch.as_tensor(np.concatenate([X, *(point[None] for _, point in waiting)]))
    contest = Contest.of(belief.model, belief.aggregate, points, scales)
    for place, (number, _) in enumerate(waiting):
        contest = contest.after(p + place, number)
    return contest.first(p), runs < MOST
