"""One more run of a leader, or a new mixture: closed forms, and who wins where."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from bomix.history import History
from bomix.objectives.weighted import Mean
from bomix.posterior.belief import believe
from bomix.problem import Metric, Problem
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies.bayesian.replication import expected_fall, knowledge_gradients, leader_to_repeat
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.models.joint import JointModel
from bomix.surrogates.regression.specs import EmpiricalMean
from bomix.trial import Record, Result, Trial
from tests.known.world import World

FAST = GP(draws=0)


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_the_expected_fall_is_the_integral(n):
    rng, z = np.random.default_rng(n), np.linspace(-9, 9, 100_001)
    density = np.exp(-0.5 * z**2) / np.exp(-0.5 * z**2).sum()
    for _ in range(10):
        mean, shift = rng.normal(size=n), rng.normal(size=n)
        integral = mean.min() - ((mean[:, None] + shift[:, None] * z).min(axis=0) * density).sum()
        assert expected_fall(mean, shift) == pytest.approx(integral, abs=1e-6)


def test_what_moves_all_means_alike_is_worth_nothing():
    assert expected_fall(np.array([1.0, 2.0, 1.0]), np.full(3, 0.7)) == 0.0
    assert expected_fall(np.zeros(2), np.array([1.0, -1.0])) == pytest.approx(np.sqrt(2 / np.pi))


def history_of(here, points, losses):
    space, names = here.problem.space, here.problem.metric_names
    return History(
        tuple(
            Record(Trial(i, space.to_weights(w), 0, "sobol"), Result(dict(zip(names, row, strict=True))))
            for i, (w, row) in enumerate(zip(points, losses, strict=True))
        )
    )


def proposed(here, history, seed):
    (candidate,) = Bayesian(surrogate=FAST, n_init=2, raw=64, starts=4).ask(here.problem, history, 1, seed=seed)
    return here.problem.space.to_array(candidate.weights)


class Known(JointModel):
    """A flat loss of which less is known at some mixtures than at all others; runs are noisy."""

    num_outputs = 1

    def __init__(self, unsure, sd, elsewhere, noise):
        super().__init__()
        self.unsure, self.sds, self.noise = torch.as_tensor(unsure), (sd, elsewhere), noise

    def moments(self, X, noise=False):
        here = torch.cdist(X, self.unsure.expand(*X.shape[:-2], *self.unsure.shape)).amin(-1) < 1e-6
        variance = torch.where(here, self.sds[0], self.sds[1]) ** 2 + (self.noise**2 if noise else 0.0)
        return torch.full((*X.shape[:-1], 1), 3.0, dtype=torch.float64), torch.diag_embed(variance.double())


@pytest.mark.parametrize(
    ("leaders", "elsewhere", "noise", "again"),
    [
        (0.1, 0.02, 0.2, True),  # the leaders are blurred by noise, the new mixture is known
        (0.1, 0.3, 0.2, False),  # the new mixture is not known
        (1e-4, 0.01, 1e-4, False),  # without noise what was run is known
        (1e-4, 1e-4, 0.2, False),  # nothing is left to know
    ],
)
def test_a_leader_is_run_again_where_that_teaches_more(world, leaders, elsewhere, noise, again):
    here = dataclasses.replace(world(), problem=dataclasses.replace(world().problem, metrics=(Metric("m0"),)))
    points = here.problem.space.sobol(5, seed=0)
    history = history_of(here, points, np.full((5, 1), 3.0))
    belief = dataclasses.replace(
        believe(here.problem, history, EmpiricalMean(), seed=0), model=Known(points, leaders, elsewhere, noise)
    )
    found = leader_to_repeat(belief, np.array([1.0, 0.0, 0.0, 0.0]), history=history)
    assert (found is not None) is again
    assert not again or np.abs(points - found).max(axis=1).min() < 1e-12


def test_on_a_flat_and_noisy_problem_tried_mixtures_are_run_again():
    space, repeated = MixtureSpace(("code", "maths", "web")), 0
    here = World(Problem(space, (Metric("m0"), Metric("m1"), Metric("m2")), Mean()))
    for seed in range(6):
        rng = np.random.default_rng(seed)
        points = np.repeat(np.concatenate([np.eye(3), space.sobol(6, seed=seed)]), 6, axis=0)
        history = history_of(here, points, 3.0 + 0.2 * rng.normal(size=(len(points), 3)))
        belief, candidate = believe(here.problem, history, FAST, seed=seed), proposed(here, history, seed)
        leader = leader_to_repeat(belief, candidate, history=history)
        repeated += np.abs(points - (candidate if leader is None else leader)).max(axis=1).min() < 1e-9
    assert repeated >= 2, repeated


@pytest.mark.parametrize("seed", range(3))
def test_without_noise_nothing_is_run_twice(world, seed):
    here = world()
    points = here.problem.space.sobol(12, seed=seed)
    history = history_of(here, points, here.law(points))
    belief = believe(here.problem, history, FAST, seed=seed)
    candidate = proposed(here, history, seed)
    assert leader_to_repeat(belief, candidate, history=history) is None
    worth = knowledge_gradients(belief, np.concatenate([belief.ranked()[:3], candidate[None]]))
    assert worth[-1] > worth[:-1].max()


def test_leaders_that_are_pending_are_passed_over(world):
    here = world()
    rng, points = np.random.default_rng(0), here.problem.space.sobol(6, seed=0)
    history = history_of(here, points, 3.0 + 0.2 * rng.normal(size=(6, 3)))
    waiting = [Record(Trial(10 + i, r.trial.weights, 1, "repeat")) for i, r in enumerate(history.records)]
    held = History((*history.records, *waiting))
    belief = believe(here.problem, held, FAST, seed=0)
    assert leader_to_repeat(belief, here.problem.space.uniform(), history=held) is None
