"""Where the first runs of a larger scale go: far from each other, among the mixtures that look good.

Runs that each promise most lie together, and say little of how the larger scale differs elsewhere; those of a design
over the whole space are mostly spent where the smaller scales already say that nothing is to be had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from bomix.optimization.multistart import Search, optimize
from bomix.optimization.start_points import around

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.posterior.belief import Belief
    from bomix.scale import Scale
    from bomix.space.polytope import Array

_EVEN = 768
"""Mixtures, even over the space, among which good ones are sought: one prediction of means each."""
_WIDTHS = (0.05, 0.15, 0.3)
"""Widths of the clouds about the best mixture that join them: of many domains none that is even lies near it."""
_PER_WIDTH = 64
"""Mixtures of each cloud: a fifth of all that are looked at."""
_GOOD = 0.05
"""Share of these that counts as good, by their posterior mean: some fifty mixtures, whatever the objective's unit."""
_SEARCH = Search(raw=64, starts=4, iterations=20, polished=1)
"""How the best mixture is sought: by means alone, as a recommendation is."""


def next_spaced(belief: Belief, history: History, scale: Scale, *, seed: int) -> Array:
    """The good mixture that is furthest from all runs of a scale, ``d`` weights; the best one where it has no run.

    Distances are those of the roots of weights, in which losses change most evenly.

    Args:
        belief: The belief about the target.
        history: The record; runs that are pending or failed count, too.
        scale: The scale of which a run is asked for.
        seed: Seed of the mixtures that are looked at.
    """
    space = belief.problem.space
    best = optimize(belief.negated_mean, space, seed=seed, near=belief.ranked(), search=_SEARCH)
    runs = space.to_arrays([each.trial.weights for each in history.records if history.counted_as(each) == scale])
    if not len(runs):
        return best
    clouds = around(best[None], space, np.repeat(_WIDTHS, _PER_WIDTH), np.random.default_rng(seed))
    field = space.snap(np.concatenate([space.sobol(_EVEN, seed=seed), best[None], clouds]))
    with torch.no_grad():
        mean = belief.mean(torch.as_tensor(field)).numpy()
    good = field[np.argsort(mean, kind="stable")[: round(_GOOD * len(field))]]
    gaps = np.sqrt(good)[:, None] - np.sqrt(runs)
    return np.asarray(good[np.square(gaps).sum(axis=-1).min(axis=-1).argmax()])
