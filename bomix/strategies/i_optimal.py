"""A design that predicts well on average over the space: I-optimal for a chosen map of features.

References:
    [Scheffe1958] Experiments with mixtures: products of weights as features.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from bomix.errors import Fault, count_faults
from bomix.optimization.exchange import exchange
from bomix.space.weights import is_among, same_mixture
from bomix.strategies.design_features import FeatureMap, Features
from bomix.strategies.design_first import design_size
from bomix.strategies.designs import Sobol
from bomix.strategies.listed import Listing, listed_faults, listed_runs, missing_runs
from bomix.trial import IMPORTED, Candidate

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.space.mixture_space import MixtureSpace
    from bomix.space.polytope import Array

I_OPTIMAL = "i_optimal"
"""Origin of the mixtures that are exchanged for."""

_SAMPLE = 2048
"""Mixtures, uniform over the space, on which variances are averaged: the mean is known to a few per cent."""
_WORK = 2**24
"""Candidates times squared features: so many multiplications are a few hundredths of a second for each row."""
_CANDIDATES = (256, 1536)
"""Fewest and most candidates whatever the work, corners among them."""
_SPARSE = (0.1, 0.5)
"""Concentrations per domain of the candidates that lie near faces, where uniform mixtures of many domains never do."""


@dataclass(frozen=True)
class IOptimal(Listing):
    """What is listed, then the mixtures from which a linear model of some features predicts best on average.

    The model is one of ``features``; the mean variance of its predictions is taken over mixtures uniform on the space,
    bounds and constraints kept. Candidates, of a pool its mixtures, are exchanged until no exchange lowers it. Runs
    that were imported and what is listed count as given. The design is that of the study's seed, and handed out in an
    order in which each mixture takes most of the variance that is left; once it is over, another one follows that takes
    it as given.

    Attributes:
        features: What the model is linear in: the weights (``linear``), also their products (``quadratic``, after
            [Scheffe1958]_), their logarithms (``log``), or what passes over a domain give and harm (``epochs``, where
            tokens are known).
        trials: Trials that are chosen together, those that are listed included; None takes as many as designs have.
        anchors: Whether the uniform and the natural mixture come first.
        replicates: Runs of the natural mixture, each on a seed of its own, see ``sobol``.
        deletions: Whether the natural mixture without each domain follows, see ``sobol``.
    """

    features: FeatureMap = "log"
    trials: int | None = None
    anchors: bool = True
    replicates: int = 1
    deletions: bool = False

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return count_faults(1, trials=self.trials) + listed_faults(self.replicates)

    def problem_faults(self, problem: Problem) -> list[Fault]:
        """Features of epochs in a study that knows no tokens; fewer trials than are listed."""
        found = []
        if self.features == "epochs" and problem.phases is not None:
            what = "epochs are counted of one mixture for the whole run, and this study has a mixture for each phase"
            found.append(Fault("features", f"{what}; take 'log', or leave 'phases' out"))
        elif self.features == "epochs" and not problem.passes:
            what = "how often a run reads each domain is unknown; give every domain 'tokens' and the study a 'target'"
            found.append(Fault("features", f"{what}, or take 'log'"))
        elif self.features == "epochs" and problem.phases is not None:
            what = "epochs are those of one mixture for the whole run, and the study is about two phases"
            found.append(Fault("features", f"{what}; take 'log'"))
        listed = len(self._listed(problem))
        if self.trials is not None and self.trials < listed:
            what = f"trials is {self.trials}, and {listed} runs are listed before any is chosen"
            found.append(Fault("trials", f"{what}; give more, or leave 'deletions' or 'replicates' out"))
        return found

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures; see :class:`bomix.contracts.strategy.Strategy`."""
        missing = missing_runs(
            problem, history, anchors=self.anchors, replicates=self.replicates, deletions=self.deletions
        )
        found = [Candidate(weights, origin) for origin, weights in missing[:q]]
        space, tried = problem.space, [record.trial for record in history.tried]
        given = [trial.weights for trial in tried if trial.origin == IMPORTED]
        rows = space.to_arrays([*given, *(weights for _, weights in self._listed(problem))])
        size = self.trials or design_size(None, problem, self)
        count, busy = max(1, size - len(self._listed(problem))), [*(trial.weights for trial in tried)]
        while len(found) < q:
            block = self._block(problem, rows, count, seed)
            named = [space.to_weights(row) for row in block]
            new = [each for each in named if not any(same_mixture(each, other) for other in busy)]
            found += [Candidate(weights, I_OPTIMAL) for weights in new[: q - len(found)]]
            if not len(block):  # a pool, or a space, of which all is taken
                beyond = history.with_pending(found)
                return found + Sobol(anchors=False).ask(problem, beyond, q - len(found), seed=seed)
            rows = np.concatenate([rows, block])
        return found

    def _listed(self, problem: Problem) -> list[tuple[str, dict[str, float]]]:
        """All that comes before what is chosen."""
        runs = listed_runs(problem, anchors=self.anchors, replicates=self.replicates, deletions=self.deletions)
        return [(origin, dict(weights)) for origin, weights in runs]

    def _block(self, problem: Problem, rows: Array, count: int, seed: int) -> Array:
        """The next mixtures where ``g x d`` are given, ``n x d``, the most telling first; none where none is left."""
        passes = tuple(problem.passes.get(name, 0.0) for name in problem.space.domains)
        natural = problem.anchors().get("natural", problem.anchors()["uniform"])
        middle = tuple(problem.space.to_array(natural).tolist())
        given = tuple(map(tuple, rows.tolist()))
        return _chosen(problem.space, self.features, passes, middle, problem.pool, given, count, seed)


@lru_cache(maxsize=32)
def _chosen(
    space: MixtureSpace,
    name: FeatureMap,
    passes: tuple[float, ...],
    natural: tuple[float, ...],
    pool: tuple[tuple[float, ...], ...],
    given: tuple[tuple[float, ...], ...],
    count: int,
    seed: int,
) -> Array:
    """The exchanged mixtures, ``n x d``; the same at every ask of a study, so that they are looked for once."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, len(given)]))
    features = Features(name, space.sample(_SAMPLE, rng), np.array(passes))
    rows = np.array(given).reshape(-1, space.dimension)
    points = np.array(pool) if pool else candidates(space, np.array(natural), len(features.precision), rng)
    points = np.array([point for point in points if not is_among(point, rows)]).reshape(-1, space.dimension)
    if not len(points):
        return points
    found = exchange(features(points), features.moments, features.precision, features(rows), count)
    return np.asarray(points[found.rows])


def candidates(space: MixtureSpace, natural: Array, width: int, rng: np.random.Generator) -> Array:
    """Mixtures to choose from, ``n x d``: uniform ones, sparse ones, those about the natural mixture, and corners.

    Args:
        space: The space, whose bounds and constraints they keep.
        natural: ``d`` weights of the natural mixture.
        width: Number of features: with more of them fewer candidates are compared.
        rng: Source of the draws.
    """
    d = space.dimension
    third = int(np.clip(_WORK // width**2, *_CANDIDATES)) // 3
    sparse = np.concatenate([rng.dirichlet(np.full(d, each), third // 2) for each in _SPARSE])
    about = rng.dirichlet(np.maximum(natural, 1e-3) * d, third)  # a share of zero is no parameter of a Dirichlet
    drawn = np.concatenate([sparse, about, np.eye(d)])
    points = space.snap(np.concatenate([space.sample(third, rng), space.project(drawn)]))
    return np.unique(points, axis=0)
