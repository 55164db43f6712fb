"""Does the recommendation hold? Paired differences on fresh seeds.

The recommendation, the uniform and the natural mixture are trained on the same seeds, none of which the search
has seen. The difference on one seed is free of what the seed does to all mixtures alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from bomix.trial import CONFIRM, Candidate, Record, Weights, same_mixture

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.study import Study

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
        """``holds`` where the whole interval is below zero, ``does not hold`` where the mean is above."""
        if self.mean > 0:
            return "does not hold"
        return "holds" if self.interval[1] < 0 else "undecided"


def confirming_trials(study: Study, seeds: int) -> list[Record]:
    """The confirming trials of the present recommendation, ended or not; new ones are recorded as pending.

    Args:
        study: At least one trial has completed.
        seeds: Fresh seeds; every mixture is trained on the same ones.
    """
    mixtures = [study.recommend().weights, *study.problem.anchors().values()]
    found = {}
    for replicate in range(seeds):
        for weights in mixtures:
            record = confirming_trial(study, weights, replicate)
            found[record.trial.id] = record
    return list(found.values())


def confirming_trial(study: Study, weights: Weights, replicate: int) -> Record:
    """The confirming trial of a mixture; recorded as pending where it is new.

    Args:
        study: Where it is recorded.
        weights: The mixture.
        replicate: Which fresh seed, from 0; equal numbers mean equal seeds, whatever the mixture.
    """
    seed = study.spec.seed + SEED_OFFSET + replicate
    for record in study.history.records:
        trial = record.trial
        if (trial.origin, trial.seed) == (CONFIRM, seed) and same_mixture(trial.weights, weights):
            return record
    return study.enqueue(Candidate(weights, CONFIRM), seed=seed)


def compare(problem: Problem, history: History, weights: Weights) -> tuple[Comparison, ...]:
    """Compare a mixture with the references on every seed on which both were confirmed.

    Args:
        problem: Its objective is what is compared.
        history: The record.
        weights: The recommendation.

    Returns:
        One comparison per reference that has such seeds.
    """
    best = _confirmed(problem, history, weights)
    comparisons = []
    for name, reference in problem.anchors().items():
        if same_mixture(reference, weights):
            continue  # the recommendation itself
        losses = _confirmed(problem, history, reference)
        differences = tuple(best[seed] - losses[seed] for seed in sorted(best.keys() & losses.keys()))
        if differences:
            comparisons.append(_comparison(name, differences))
    return tuple(comparisons)


def _confirmed(problem: Problem, history: History, weights: Weights) -> Mapping[int, float]:
    """Seed to objective of the confirming trials of a mixture; those without all its metrics compare with nothing."""
    found = {
        record.trial.seed: problem.value(record.result.losses)
        for record in history.completed
        if record.trial.origin == CONFIRM and same_mixture(record.trial.weights, weights)
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
