"""Does the recommendation hold? Paired differences on fresh seeds.

The recommendation, the uniform and the natural mixture are trained on the same seeds. The difference on one seed is
free of what the seed does to all mixtures alike.

Confirmations come in rounds. A round is about the mixture that the record without it recommends, so that the mixture
stays what it is while the runs come in, and asking for the same round again finds it done. Its seeds are fresh: no
run that had a say in that mixture was trained on them. Afterwards its runs are observations like others, which the
next ask and the next recommendation learn from; the next trial of the search that comes back ends the round, and the
next round has seeds of its own. In a study of several scales a round is of the scale of the trials that name none:
where that becomes another one, since the target does, confirmations begin anew.

A seed on which a run failed compares with nothing. The next time the round is asked for, a fresh seed takes its place
for all mixtures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from bomix.space.weights import Weights, same_mixture
from bomix.trial import CONFIRM, Candidate, Status

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem

SEED_OFFSET = 1_000_000
"""Confirming seeds start here above the study's, far from those of the search."""

Verdict = Literal["holds", "undecided", "does not hold"]


@dataclass(frozen=True)
class Comparison:
    """The recommendation against one reference mixture.

    Attributes:
        reference: ``uniform`` or ``natural``.
        differences: Objective of the recommendation minus that of the reference, one per seed; negative is better.
        mean: Their mean, nats per token.
        interval: 95 % interval of the mean by Student's t; infinite with a single seed.
    """

    reference: str
    differences: tuple[float, ...]
    mean: float
    interval: tuple[float, float]

    @property
    def verdict(self) -> Verdict:
        """``holds`` where the whole interval is below zero, ``does not hold`` where the whole interval is above."""
        low, high = self.interval
        if high < 0:
            return "holds"
        return "does not hold" if low > 0 else "undecided"


def confirming_candidates(
    problem: Problem, history: History, weights: Weights, *, seed: int, seeds: int
) -> tuple[tuple[Candidate, int], ...]:
    """The runs of the present round of confirmations: candidates, each with its seed, trained before or not.

    Seeds on which a run failed are left out, and fresh ones take their place.

    Args:
        problem: Its anchors are the references.
        history: The record.
        weights: The mixture that the round is about.
        seed: The study's.
        seeds: On how many seeds each mixture is wanted.

    Returns:
        Seed by seed the mixture and the references.
    """
    kept = sorted(_seeds_of(history, weights) - failed_seeds(history))[:seeds]
    fresh = fresh_seed(seed, history)
    mixtures = (weights, *problem.anchors().values())
    return tuple(
        (Candidate(mixture, CONFIRM), number)
        for number in (*kept, *range(fresh, fresh + seeds - len(kept)))
        for mixture in mixtures
    )


def fresh_seed(study_seed: int, history: History) -> int:
    """The first seed that no confirming trial was trained on."""
    taken = [record.trial.seed for record in history.records if record.trial.origin == CONFIRM]
    return max(taken, default=study_seed + SEED_OFFSET - 1) + 1


def failed_seeds(history: History) -> set[int]:
    """The seeds of the present round of confirmations on which a run failed."""
    return {record.trial.seed for record in history.confirming if record.status is Status.FAILED}


def compare(problem: Problem, history: History, weights: Weights) -> tuple[Comparison, ...]:
    """Compare a mixture with the references on every seed of the present round on which both were confirmed.

    Args:
        problem: Its objective is what is compared.
        history: The record.
        weights: The mixture that the round is about.

    Returns:
        One comparison per reference that has such seeds.
    """
    seeds = _seeds_of(history, weights)
    best = _confirmed(problem, history, weights, seeds)
    comparisons = []
    for name, reference in problem.anchors().items():
        if same_mixture(reference, weights):
            continue  # the recommendation itself
        losses = _confirmed(problem, history, reference, seeds)
        differences = tuple(best[seed] - losses[seed] for seed in sorted(best.keys() & losses.keys()))
        if differences:
            comparisons.append(_comparison(name, differences))
    return tuple(comparisons)


def _seeds_of(history: History, weights: Weights) -> set[int]:
    """The seeds of a mixture in the present round of confirmations."""
    return {record.trial.seed for record in history.confirming if same_mixture(record.trial.weights, weights)}


def _confirmed(problem: Problem, history: History, weights: Weights, seeds: set[int]) -> Mapping[int, float]:
    """Seed to objective of the confirming trials of a mixture; those without all its metrics compare with nothing."""
    found = {
        record.trial.seed: problem.value(record.result.losses)
        for record in history.completed
        if history.confirms(record) and record.trial.seed in seeds and same_mixture(record.trial.weights, weights)
    }
    return {seed: objective for seed, objective in found.items() if not math.isnan(objective)}


def _comparison(name: str, differences: tuple[float, ...]) -> Comparison:
    from scipy.stats import t

    mean = float(np.mean(differences))
    half = math.inf
    if len(differences) > 1:
        error = float(np.std(differences, ddof=1)) / math.sqrt(len(differences))
        half = float(t.ppf(0.975, len(differences) - 1)) * error
    return Comparison(name, differences, mean, (mean - half, mean + half))
