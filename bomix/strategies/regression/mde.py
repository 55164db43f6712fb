"""Mixtures of data experts as they are: one expert for each domain, and no further run [Belenki2025]_.

What a model of a mixture makes of a token is taken to be the weighted mean of what the experts make of it. The
objective of these losses is minimised over the space; where it is convex the minimum is the global one, and how sure
that is stands in the log.

References:
    [Belenki2025] Optimizing pre-training data mixtures with mixtures of data expert models.
"""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from bomix.contracts.mean import Mean, MeanTraits
from bomix.contracts.objective import ObjectiveTraits
from bomix.contracts.surrogate import Surrogate
from bomix.contracts.traits import traits
from bomix.errors import Fault, StudyError, count_faults
from bomix.objectives.reference import missing_reference, resolved, with_reference
from bomix.posterior.expected import on_arrays
from bomix.posterior.seeds import draw_seeds
from bomix.strategies.regression.next_best import NEGLIGIBLE, Found, fresh
from bomix.surrogates.means.experts import MDE as PerToken
from bomix.trial import Candidate

if TYPE_CHECKING:
    from collections.abc import Callable

    from botorch.utils.datasets import SupervisedDataset

    from bomix.contracts.context import FitContext
    from bomix.history import History
    from bomix.optimization.convex import Minimum
    from bomix.optimization.interior_point import Function
    from bomix.problem import Problem
    from bomix.space.polytope import Array

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MDE:
    """The minimiser of the objective of the losses that experts predict.

    A weighted sum of losses that are convex in the weights is solved to global optimality; another objective, a metric
    of which more is better, or another variant is searched from many starts. Further asks, and one whose minimiser was
    tried before, take the next best mixture that differs.

    Attributes:
        mean: The variant.
        starts: Starts of the search where the objective is not known to be convex.
    """

    mean: Mean = PerToken()
    starts: int = 12

    needs_experts: ClassVar[bool] = True

    @property
    def surrogate(self) -> Surrogate:
        """A surrogate of the same losses, with an uncertainty from how far they are off the runs."""
        from bomix.config import registry

        made: Surrogate = registry.resolve("surrogate", "mde")(mean=self.mean)
        return made

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        found = count_faults(1, starts=self.starts)
        if not traits(self.mean, MeanTraits).needs_experts:
            name = type(self.mean).__name__
            found.append(Fault("mean", f"{name} learns from runs, not from experts; take 'mde', or the strategy 'law'"))
        return found

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures, one after the other; see :class:`bomix.contracts.strategy.Strategy`.

        Raises:
            StudyError: Some domain has no expert.
            FitError: The experts cannot be read, or do not fit together.
        """
        from bomix.numerics.determinism import deterministic

        candidates: list[Candidate] = []
        if q == 0:
            return candidates
        with deterministic():
            solution = self._solved(problem, history, seed)
            for _ in range(q):
                (direction,) = draw_seeds(seed, history.n_asked, 1)
                point = fresh(solution.found, problem, history, seed=direction)
                candidates.append(Candidate(problem.space.to_weights(point), "mde"))
                solution.log_proposal(problem.space.to_array(candidates[-1].weights))
                history = history.with_pending(candidates[-1:])
        return candidates

    def _solved(self, problem: Problem, history: History, seed: int) -> _Solution:
        from bomix.surrogates.data.dataset import fit_context, to_dataset

        problem = resolved(problem, history)
        context = fit_context(problem, history)
        _require_experts(context)
        data = to_dataset(problem, history)
        # The same search at every ask: what is asked for does not change what experts say.
        fit_seed, search_seed = draw_seeds(seed, 0, 2)
        space, (quick, convex) = problem.space, _objective(self.mean, problem, data, context, fit_seed)
        exact = quick
        if convex:
            from bomix.optimization import branch_and_bound

            if (
                traits(self.mean, MeanTraits).compress is not None
            ):  # few tokens guide the search, all certify the minimum
                whole: Any = dataclasses.replace(self.mean, compress=None)  # type: ignore[type-var]
                exact, _ = _objective(whole, problem, data, context, fit_seed)
            minimum = branch_and_bound.minimise(exact, space, like=quick)
        else:
            gradients = traits(self.mean, MeanTraits).differentiable
            minimum = _searched(quick, problem, starts=self.starts, seed=search_seed, gradients=gradients)
        found = Found(space.snap(minimum.point, threshold=NEGLIGIBLE), on_arrays(quick), space)
        return _Solution(found, on_arrays(exact), minimum.value - minimum.gap)


class _Solution(NamedTuple):
    """The minimiser, the exact objective, and a lower bound of it.

    Attributes:
        found: The minimiser.
        values: The objective, all tokens counted: ``n x d`` weights to ``n``.
        bound: Lower bound of the objective over the space; minus infinity where none is known.
    """

    found: Found
    values: Callable[[Array], Array]
    bound: float

    def log_proposal(self, point: Array) -> None:
        """Log the objective at ``d`` weights that are proposed, and how much lower the minimum may be."""
        value = float(self.values(point[None])[0])
        if np.isfinite(self.bound):
            text = (
                "the experts predict an objective of %.6f, and no mixture within the bounds is lower by more than %.1e"
            )
            logger.info(text, value, max(0.0, value - self.bound))
        else:
            logger.info("the experts predict an objective of %.6f, from a search of many starts", value)


def _require_experts(context: FitContext) -> None:
    """Raise StudyError unless every domain has an expert."""
    if without := [name for name in context.domains if name not in context.experts]:
        raise StudyError(
            f"the strategy 'mde' needs an expert of every domain, and {', '.join(without)} "
            f"{'has' if len(without) == 1 else 'have'} none that has come back; train them with `bomix experts`, or "
            "take another strategy"
        )


def _objective(
    mean: Mean, problem: Problem, data: SupervisedDataset, context: FitContext, seed: int
) -> tuple[Function, bool]:
    """The objective of the losses that are predicted, and whether it is known to be convex.

    Where it compares with a run that is not there yet, it compares with what is predicted for that run. A variant whose
    losses are convex functions of the weights says so, metric by metric, along with its prediction.

    Returns:
        ``n x d`` weights to ``n``, lower is better; and whether it is a sum of convex losses.
    """
    import torch

    from bomix.posterior.objective import ModelObjective

    feature = mean.feature(data, context=context, seed=seed)
    predict = feature.predict
    if (anchor := missing_reference(problem)) is not None:
        anchors = problem.anchors()
        weights = anchors.get(anchor, anchors["uniform"])
        with torch.no_grad():
            values = predict(torch.as_tensor(problem.space.to_array(weights))[None])[0].numpy()
        signed = dict(zip(problem.metric_names, (values * problem.signs).tolist(), strict=True))
        problem = dataclasses.replace(problem, objective=with_reference(problem.objective, signed))
    aggregate = ModelObjective.of(problem)
    return lambda X: aggregate(predict(X)), aggregate.is_convex(feature.convex)


def _searched(function: Function, problem: Problem, *, starts: int, seed: int, gradients: bool) -> Minimum:
    """The best minimum from many starts; its gap is infinite, as nothing bounds the global minimum."""
    from bomix.optimization import bundle, sequential_quadratic
    from bomix.optimization.convex import Minimum
    from bomix.optimization.faces import face_of
    from bomix.optimization.multistart import Search, optimize

    space = problem.space
    negated: Any = lambda X: -function(X.squeeze(-2))  # noqa: E731
    if not gradients:  # each value is an inference of its own
        search = Search(raw=32, starts=min(4, starts), iterations=8)
        return Minimum(optimize(negated, space, seed=seed, gradients=False, search=search), np.nan, np.nan, np.inf)
    search = Search(raw=min(512, 32 * starts), starts=starts, iterations=60, polished=3)
    point = optimize(negated, space, seed=seed, search=search)
    lower, upper = face_of(space, point)
    if traits(problem.objective, ObjectiveTraits).coefficients(problem.metric_names) is None:
        point = bundle.minimise(function, lower, upper, point)
    return sequential_quadratic.minimise(function, lower, upper, start=point)._replace(gap=np.inf)
