"""Bayesian optimisation: a design first, then the mixture that the surrogate finds most worth trying."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bomix.errors import Fault, FitError
from bomix.protocols import Acquisition, Surrogate
from bomix.strategies.acquisition import LogEI
from bomix.strategies.belief import believe, draw_seeds
from bomix.strategies.design import Sobol
from bomix.surrogates.gp import GP
from bomix.trial import CONFIRM, Candidate

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.polytope import Array
    from bomix.problem import Problem

MIN_COMPLETED = 2

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bayesian:
    """Anchors, a Sobol design, then the maximiser of an acquisition function over the space.

    Attributes:
        surrogate: Model of every metric.
        acquisition: What makes a mixture worth trying.
        n_init: Trials of the design, anchors and imported runs counted; None takes two more than there are
            domains, at least 5 and at most 32.
        anchors: Whether the design begins with the uniform and the natural mixture.
        raw: Points of the space that are scored to find starts.
        starts: Starts of the search for the best mixture.
    """

    surrogate: Surrogate = GP()
    acquisition: Acquisition = LogEI()
    n_init: int | None = None
    anchors: bool = True
    raw: int = 128
    starts: int = 8

    def faults(self) -> list[Fault]:
        """What is wrong with the fields, and what cannot work together."""
        found = [
            Fault(name, f"{name} is {value}; give at least {least}")
            for name, value, least in (("n_init", self.n_init, 0), ("raw", self.raw, 1), ("starts", self.starts, 1))
            if value is not None and value < least
        ]
        needs = (("needs_gradients", "differentiable"), ("needs_fantasies", "fantasizes"))
        for need, gift in needs:
            if getattr(self.acquisition, need, False) and not getattr(self.surrogate, gift, False):
                found.append(
                    Fault(
                        "acquisition",
                        f"{type(self.acquisition).__name__} {need.replace('_', ' ')}, and surrogate "
                        f"{type(self.surrogate).__name__} is not declared '{gift}'; change one of them",
                    )
                )
        return found

    def design_size(self, d: int) -> int:
        """Trials of the design for ``d`` domains."""
        return self.n_init if self.n_init is not None else min(max(5, d + 2), 32)

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures, one after the other, the earlier ones pending; see :class:`protocols.Strategy`."""
        candidates: list[Candidate] = []
        for _ in range(q):
            candidate = self._ask_one(problem, history, seed)
            history = history.with_pending([candidate])
            candidates.append(candidate)
        return candidates

    def _ask_one(self, problem: Problem, history: History, seed: int) -> Candidate:
        """The next candidate."""
        completed, pending = len(history.observations), len([r for r in history.pending if r.trial.origin != CONFIRM])
        if completed < MIN_COMPLETED or completed + pending < self.design_size(problem.space.dimension):
            return Sobol(self.anchors).ask(problem, history, 1, seed=seed)[0]
        try:
            point = self._best(problem, history, seed)
        except FitError as error:
            logger.warning("%s; going on with the design", error)
            return Sobol(self.anchors).ask(problem, history, 1, seed=seed)[0]
        return Candidate(problem.space.to_weights(point), self.acquisition.origin)

    def _best(self, problem: Problem, history: History, seed: int) -> Array:
        """The ``d`` weights that maximise the acquisition function."""
        from bomix.surrogates.determinism import deterministic

        with deterministic():
            return self._searched(problem, history, seed)

    def _searched(self, problem: Problem, history: History, seed: int) -> Array:
        from bomix.strategies.candidates import Search, optimize

        _, build_seed, search_seed = draw_seeds(seed, history.n_asked, 3)
        belief = believe(problem, history, self.surrogate, seed=seed)
        acquisition = self.acquisition.build(
            belief.model, belief.aggregate, X_observed=belief.data.X, X_pending=belief.X_pending, seed=build_seed
        )
        search = Search(raw=self.raw, starts=self.starts)
        return optimize(
            acquisition, problem.space, seed=search_seed, near=belief.ranked(), avoid=belief.busy, search=search
        )
