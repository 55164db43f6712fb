"""How often the mixture that an objective compares with is run."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bomix.objectives.robust import Excess, Worst
from bomix.strategies.bayesian.embedded import Embedded
from bomix.strategies.bayesian.reference_runs import reference_again
from bomix.strategies.bayesian.turbo import Turbo
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.surrogates.gp.spec import GP
from bomix.trial import Record, Result, Trial

pytestmark = pytest.mark.usefixtures("short_chains")

FAST = GP(draws=0, restarts=1)


def history_of(here, n, *, noise, uniform=1):
    """A record of ``n`` runs, the first ones of the uniform mixture."""
    history, rng, space = here.history(n - uniform, noise=noise), np.random.default_rng(3), here.problem.space
    for _ in range(uniform):
        result = here.result(space.uniform(), noise=noise, rng=rng)
        history = history.with_record(
            Record(Trial(history.next_id, space.to_weights(space.uniform()), 0, "uniform"), result)
        )
    return history


def again(here, history):
    return reference_again(here.problem, history)


def test_of_n_noisy_runs_the_root_of_n_are_of_the_reference(world):
    here = world(objective=Excess())
    for n, uniform in ((9, 1), (9, 2), (16, 3)):
        candidate = again(here, history_of(here, n, noise=0.05, uniform=uniform))
        assert candidate.origin == "uniform"
        assert list(candidate.weights.values()) == pytest.approx([0.25] * 4)
    for n, uniform in ((9, 3), (15, 3), (8, 2)):
        assert again(here, history_of(here, n, noise=0.05, uniform=uniform)) is None


def test_where_two_runs_agree_or_nothing_is_compared_none_is_repeated(world):
    for noise, repeated in ((0.0, False), (1e-4, False), (0.05, True)):
        for n, uniform in ((4, 1), (16, 2), (16, 3)):
            found = again(world(objective=Excess()), history_of(world(), n, noise=noise, uniform=uniform))
            assert (found is not None) == (repeated or uniform == 1)
    for objective in (Worst(), None, Excess(reference={"m0": 3.0, "m1": 3.0, "m2": 3.0})):
        assert again(world(objective=objective), history_of(world(), 16, noise=0.05)) is None


def test_pending_and_failed_runs_of_it_count(world):
    here = world(objective=Excess())
    history = history_of(here, 9, noise=0.05, uniform=1)
    weights = here.problem.space.to_weights(here.problem.space.uniform())
    for trial_id in (20, 21):
        assert again(here, history) is not None
        history = history.with_record(Record(Trial(trial_id, weights, 0, "uniform"), None))
    assert again(here, history) is None


@pytest.mark.parametrize("kind", [Bayesian, Turbo, Embedded])
def test_a_batch_brings_the_share_and_then_goes_on(world, kind):
    here = world(objective=Excess())
    history = history_of(here, 9, noise=0.05, uniform=1)
    strategy = kind(surrogate=FAST, n_init=5)
    candidates = strategy.ask(here.problem, history, 4, seed=0)
    repeats = [candidate.origin == "uniform" for candidate in candidates]
    assert repeats == [True, True, False, False]
    assert sum(repeats) + 1 == math.isqrt(9 + sum(repeats))


def test_an_anchor_moved_by_a_cap_is_run_where_it_lies(world):
    here = world(objective=Excess(), upper={"web": 0.1})
    history = history_of(here, 9, noise=0.05)
    candidate = again(here, history)
    assert candidate is not None
    assert candidate.weights["web"] == pytest.approx(0.1)
    assert isinstance(history.records[0].result, Result)
