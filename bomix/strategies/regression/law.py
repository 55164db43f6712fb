"""Fit a mixing law to every metric, and propose the mixture that minimises the objective of the fitted laws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bomix.contracts.strategy import Strategy
from bomix.contracts.surrogate import Surrogate
from bomix.errors import Fault, count_faults
from bomix.laws.own_domain import own_faults, own_form
from bomix.posterior.belief import Belief, believe
from bomix.posterior.expected import on_arrays, predicted
from bomix.posterior.seeds import RegressionSeeds
from bomix.space.phased import PhasedSpace
from bomix.strategies.checks import design_faults
from bomix.strategies.design_first import design_goes_on, design_size, take
from bomix.strategies.designs import Sobol
from bomix.strategies.regression.next_best import NEGLIGIBLE, Found, fresh
from bomix.surrogates.laws.spec import LawName, LawRegression
from bomix.trial import Candidate

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.optimization.minimize import Shape
    from bomix.problem import Problem


@dataclass(frozen=True)
class Law:
    """A design first, then the minimiser of the fitted laws over the space.

    Where the objective is a weighted sum and every term of the laws is convex the minimum is exact
    (:mod:`bomix.laws.convexity` says when that is so for each form; for losses it is the rule); else the best of many
    starts is taken. A law believes in its own extrapolations, so that its minimiser likes to leave out domains: caps
    hold it, or the strategy ``kl``.

    Attributes:
        form: The formula; see :mod:`bomix.laws.forms`.
        n_init: Trials of the design, anchors and imported runs counted; None takes two more than there are domains, at
            least 5 and at most 32, or 2 where experts of all domains come first.
        design: Strategy that proposes them.
        starts: Starts of the law's fit, per metric.
        own: Metric to its own domain, where their names differ.
    """

    form: LawName = "effective_power"
    n_init: int | None = None
    design: Strategy = Sobol()
    starts: int = 8
    own: Mapping[str, str] | None = None

    @property
    def surrogate(self) -> Surrogate:
        """The surrogate of the fitted laws, their uncertainty included."""
        return LawRegression(form=self.form, starts=self.starts, own=self.own)

    @property
    def own_alone(self) -> str | None:
        """``form`` where the law sees the weight of a metric's own domain alone."""
        return own_form(self.form)

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return [*count_faults(n_init=self.n_init), *count_faults(1, starts=self.starts)]

    def problem_faults(self, problem: Problem) -> list[Fault]:
        """What the design needs and the problem does not know."""
        own = own_faults(self.own, problem.space.domains, problem.metric_names)
        return own + design_faults(self.design, problem, self.n_init)

    def settled(self, problem: Problem, history: History) -> bool:
        """Whether the next trial is one of the design in any case."""
        return design_goes_on(problem, history, design=self.design, size=design_size(self.n_init, problem, self.design))

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures; see :class:`bomix.contracts.strategy.Strategy`."""
        size = design_size(self.n_init, problem, self.design)

        def choose(problem: Problem, history: History) -> Candidate:
            seeds = RegressionSeeds.of(seed, history.n_asked)
            found = self._minimise(problem, history, seed, seeds.search)
            return Candidate(problem.space.to_weights(fresh(found, problem, history, seed=seeds.directions)), "law")

        return take(problem, history, q, design=self.design, size=size, choose=choose, seed=seed)

    def _minimise(self, problem: Problem, history: History, seed: int, search_seed: int) -> Found:
        from bomix.optimization.minimize import minimise
        from bomix.surrogates.laws.whole_runs import OfWholeRuns

        belief = believe(problem, history, self.surrogate, seed=seed)
        function, space, near = predicted(belief), problem.space, belief.data.X.numpy()
        if isinstance(space, PhasedSpace) and isinstance(belief.model, OfWholeRuns):
            # All pairs of one aggregate are alike to the law: the tied one is asked for.
            space, near = space.tied, near @ space.phases.sums @ space.phases.spread
        found = minimise(function, space, shape=shape_of(belief), seed=search_seed, near=near)
        return Found(problem.space.snap(found.point, threshold=NEGLIGIBLE), on_arrays(function), problem.space)


def shape_of(belief: Belief) -> Shape:
    """What is known of the shape of the objective at the posterior means, as a function of the weights."""
    from bomix.laws.convexity import is_convex
    from bomix.surrogates.laws.uncertainty import LaplaceLaw
    from bomix.surrogates.laws.whole_runs import OfWholeRuns

    model, coefficients, d = belief.model, belief.aggregate.coefficients, belief.problem.space.dimension
    if coefficients is None:
        return "kinked"
    if isinstance(model, OfWholeRuns):
        model, d = model.model, belief.problem.domain_count
    # A simpler surrogate may have stepped in.
    if isinstance(model, LaplaceLaw) and is_convex(model.best, coefficients, d):
        return "convex"
    return "smooth"
