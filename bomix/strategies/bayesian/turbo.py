"""Bayesian optimisation inside trust regions, for many domains [Eriksson2019]_.

References:
    [Eriksson2019] Scalable global optimization via local Bayesian optimization.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bomix.acquisition.improvement import LogEI
from bomix.contracts.acquisition import Acquisition, AcquisitionTraits
from bomix.contracts.strategy import Strategy
from bomix.contracts.surrogate import Surrogate
from bomix.contracts.traits import traits
from bomix.errors import Fault, count_faults
from bomix.objectives.reference import resolved
from bomix.posterior.belief import believe, learns_across
from bomix.posterior.seeds import AskSeeds
from bomix.strategies.bayesian.reference_runs import reference_again
from bomix.strategies.bayesian.search import most_promising, not_pending
from bomix.strategies.bayesian.trust_region import NEW, Region, Rules, fold
from bomix.strategies.checks import need_faults, part_faults
from bomix.strategies.design_first import design_goes_on, design_size, take
from bomix.strategies.designs import Sobol
from bomix.surrogates.gp.spec import GP
from bomix.trial import CONFIRM, Candidate, Status

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.posterior.belief import Belief
    from bomix.problem import Problem
    from bomix.space.mixture_space import MixtureSpace
    from bomix.space.polytope import Array

ORIGIN = "turbo"


@dataclass(frozen=True)
class Turbo:
    """A design, then the maximiser of an acquisition function inside a trust region around the best trial.

    Of several regions the one that promises most proposes. The surrogate learns from all trials, wherever they lie.

    Attributes:
        surrogate: Model of every metric.
        acquisition: Acquisition function.
        design: Strategy that proposes the first trials; they are dealt out to the regions.
        n_init: Trials of the design, anchors and imported runs counted; None takes two more than there are domains, at
            least 5 and at most 32, or 2 where experts of all domains come first.
        regions: Number of regions that are kept at once.
        length: Side of a region at its start; 1 reaches as far from the square root of a weight as the root of the
            average weight.
        shortest: Side below which a region starts anew, with ``restart`` trials spread over the space.
        longest: Side that it does not exceed.
        successes: Trials in a row that must be better for the side to double.
        failures: Trials in a row that must not be for it to halve; None takes as many as there are domains, at least
            4 and at most 20.
        restart: Trials of the design with which a region starts anew.
        gain: Least improvement of a success over the best, as a share of the design's standard deviation.
    """

    surrogate: Surrogate = GP()
    acquisition: Acquisition = LogEI()
    design: Strategy = Sobol()
    n_init: int | None = None
    regions: int = 1
    length: float = 0.8
    shortest: float = 0.05
    longest: float = 1.6
    successes: int = 3
    failures: int | None = None
    restart: int = 4
    gain: float = 0.01

    def faults(self) -> list[Fault]:
        """What is wrong with the fields, and what cannot work together."""
        counts = {"regions": self.regions, "successes": self.successes, "failures": self.failures}
        found = [*count_faults(n_init=self.n_init, restart=self.restart), *count_faults(1, **counts)]
        if not 0.0 < self.shortest <= self.length <= self.longest:
            sides = f"{self.shortest:g}, {self.length:g}, {self.longest:g}"
            found.append(
                Fault("length", f"shortest, length and longest are {sides}; give 0 < shortest <= length <= longest")
            )
        if not 0.0 <= self.gain < 1.0:
            found.append(Fault("gain", f"gain is {self.gain:g}; give a share from 0, below 1"))
        if self.regions > 1 and traits(self.acquisition, AcquisitionTraits).joint:
            what = f"'{self.acquisition.origin}' draws one function for all mixtures, regions are searched one by one"
            found.append(Fault("regions", f"{what}; take 1, or another acquisition"))
        return found + need_faults(self.acquisition, self.surrogate)

    def problem_faults(self, problem: Problem) -> list[Fault]:
        """What does not fit the study: its objective, what the design needs."""
        return part_faults(self.acquisition, self.surrogate, self.design, problem, self.n_init)

    def state(self, problem: Problem, history: History) -> tuple[Region, ...]:
        """The regions that follow from the record."""
        trials = list(_trials(resolved(problem, history), history))
        design = [value for origin, _, value in trials if not origin.startswith(ORIGIN) and not math.isnan(value)]
        gain = self.gain * float(np.std(design)) if design else 0.0
        failures = self.failures or min(max(4, problem.space.dimension), 20)
        rules = Rules(self.length, self.shortest, self.longest, self.successes, failures, self.restart, gain)
        return fold(trials, origin=ORIGIN, count=self.regions, rules=rules)

    def settled(self, problem: Problem, history: History) -> bool:
        """Whether the next trial is one of the design in any case."""
        size, across = design_size(self.n_init, problem, self.design), learns_across(self.surrogate, history)
        return design_goes_on(problem, history, design=self.design, size=size, across=across)

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures, one after the other, the earlier ones pending."""

        def choose(problem: Problem, history: History) -> Candidate:
            from bomix.optimization.multistart import value_at

            regions = self.state(problem, history)
            if (anew := _starting(regions, history)) is not None:
                (candidate,) = Sobol(anchors=False).ask(problem, history, 1, seed=seed)
                return Candidate(candidate.weights, f"{ORIGIN}_{anew}{NEW}")
            if (reference := reference_again(problem, history)) is not None:
                return reference
            belief = believe(problem, history, self.surrogate, seed=seed)
            seeds = AskSeeds.of(seed, history.n_asked)
            offers = [
                most_promising(belief, self.acquisition, self.surrogate, seeds=seeds, space=_part(region, belief))
                for region in regions
            ]
            index = int(np.argmax([value_at(function, point) for point, function in offers]))
            # What is snapped onto the bounds of the whole space may be pending already.
            point = not_pending(problem.space.snap(offers[index][0]), belief, seed=seeds.search)
            return Candidate(problem.space.to_weights(point), f"{ORIGIN}_{index}")

        size = design_size(self.n_init, problem, self.design)
        across = learns_across(self.surrogate, history)
        return take(problem, history, q, design=self.design, size=size, choose=choose, seed=seed, across=across)


def _part(region: Region, belief: Belief) -> MixtureSpace:
    """The box around the trial of a region with the lowest posterior mean, never the luckiest measurement."""
    import torch

    space = belief.problem.space
    if not region.trials:
        return space
    trials = torch.tensor(region.trials, dtype=torch.float64)
    return region.within(space, np.asarray(region.trials[int(belief.mean(trials).argmin())]))


def _trials(problem: Problem, history: History) -> Iterator[tuple[str, Array, float]]:
    """Origin, weights and objective of what has ended, NaN where it failed; confirmations judge no region."""
    for record in history.tried:
        if record.trial.origin != CONFIRM and record.status is not Status.PENDING:
            value = problem.value(record.result.losses) if record.status is Status.COMPLETED else math.nan
            yield record.trial.origin, problem.space.to_array(record.trial.weights), value


def _starting(regions: tuple[Region, ...], history: History) -> int | None:
    """The first region that starts anew and needs more trials for it than are pending; None where none does."""
    for index, region in enumerate(regions):
        pending = sum(record.trial.origin == f"{ORIGIN}_{index}{NEW}" for record in history.pending)
        if region.starting > pending:
            return index
    return None
