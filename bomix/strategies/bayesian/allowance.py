"""How many runs each scale of a study may have: those of a design, and by costs and counts those behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bomix.space.weights import same_mixture
from bomix.strategies import design_first
from bomix.strategies.bayesian.affordable import fitting, kept, left, usable, within
from bomix.trial import CONFIRM, EXPERT, IMPORTED, Candidate, Status

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem, StudyScale
    from bomix.scale import Scale

DESIGNS = 3
"""Designs of the cheapest scale that are run before anything is chosen, as long as they cost little ..."""
LITTLE = 0.5
"""... which is this many runs of the target: small runs that are that cheap are better run than thought about."""


@dataclass(frozen=True)
class Allowance:
    """The bounds of a search over scales.

    Attributes:
        n_init: Runs of the cheapest scale in the design; None for the usual number, see
            :class:`~bomix.strategies.bayesian.cost_aware.CostAware`.
        stack: Share of its cost that a run of the cheapest scale really costs.
    """

    n_init: int | None
    stack: float

    def ended(self, problem: Problem, history: History) -> str | None:
        """Why no scale may have another run though one would fit into what is left of the stated cost, in words."""
        scales = usable(problem)
        if len(scales) < 2 or self.in_design(problem, history) or any(self.open(problem, history)):
            return None
        rest = left(problem, history)
        asked = [history.counted_as(record) for record in history.asked if record.status is not Status.FAILED]
        fit = [each for each in scales if each.cost <= rest]
        dear = next((each for each in scales if each.cost > rest), None)
        if dear is None or not fit:
            return None
        had = " and ".join(f"{asked.count(each.scale)} of {each.name}" for each in fit)
        return (
            f"{rest:.3g} is left of a cost of {problem.cost:g}, into which no run of {dear.name} fits, which costs "
            f"{dear.cost:g}; {had} are as many as are worth it beside {asked.count(dear.scale)} of {dear.name}; raise "
            f"budget.cost for more"
        )

    def in_design(self, problem: Problem, history: History) -> bool:
        """Whether runs of the cheapest scale come first: as many as a design has, and as the stated cost has room."""
        few = count_runs(history, usable(problem)[0].scale) < self.design_size(problem)
        return few and fitting(problem, history)[0]

    def open(self, problem: Problem, history: History) -> list[bool]:
        """Which scales may have another run behind the design: none where the search is over."""
        first, design = self.design_size(problem), design_first.design_size(None, problem)
        return within(problem, history, self.costs(problem), design=design, first=first)

    def costs(self, problem: Problem) -> list[float]:
        """What a run of each scale costs, those of the cheapest trained as one."""
        return [each.cost * (self.stack if number == 0 else 1.0) for number, each in enumerate(usable(problem))]

    def design_size(self, problem: Problem) -> int:
        """Runs of the cheapest scale that come first."""
        usual = design_first.design_size(self.n_init, problem)
        if self.n_init is not None:
            return usual
        scales = usable(problem)
        cheap = int(LITTLE * scales[-1].cost / (scales[0].cost * self.stack))
        return max(usual, min(DESIGNS * usual, cheap))

    def first_runs(self, problem: Problem) -> int:
        """The same, as far as the stated cost has room for them."""
        size = self.design_size(problem)
        if problem.cost is None:
            return size
        return min(size, int(max(0.0, problem.cost - kept(problem)) / usable(problem)[0].cost))


def count_runs(history: History, scale: Scale) -> int:
    """Runs of a scale that count towards a design: those that came back or may still."""
    return sum(
        record.status in {Status.COMPLETED, Status.PENDING}
        and record.trial.origin not in {CONFIRM, EXPERT}
        and record.trial.reweighting is None
        and history.counted_as(record) == scale
        for record in history.records
    )


def missing_anchor(problem: Problem, history: History, scales: Sequence[StudyScale]) -> Candidate | None:
    """An anchor that a larger scale, of which nothing was imported, has no run of."""
    for each in scales:
        runs = [record for record in history.records if history.counted_as(record) == each.scale]
        if any(record.trial.origin == IMPORTED for record in runs):
            continue
        for name, weights in problem.anchors().items():
            if not any(same_mixture(record.trial.weights, weights) for record in runs):
                return Candidate(weights, name, each.scale)
    return None
