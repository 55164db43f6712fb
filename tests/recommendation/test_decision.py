"""What is recommended is not believed to be worse than what stands beside it; what was confirmed stays."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from bomix.config.sections import RecommendationSpec
from bomix.history import History
from bomix.objectives.robust import Excess, Worst
from bomix.objectives.weighted import Mean, WeightedMean
from bomix.posterior.belief import believe
from bomix.posterior.predict import Estimate, difference
from bomix.recommendation import decision
from bomix.recommendation.confirmation import SEED_OFFSET
from bomix.recommendation.decision import CLEARLY_BETTER, Decision, as_tensor, decide
from bomix.recommendation.recommend import recommend
from bomix.space.weights import same_mixture
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.models.joint import JointModel
from bomix.trial import CONFIRM, Record, Trial

pytestmark = pytest.mark.usefixtures("short_chains")

FAST = GP(draws=0)
ROUNDING = 1e-9
"""Of a posterior mean, nats per token."""
OBJECTIVES = {"mean": Mean(), "weighted": WeightedMean({"m0": 1.0, "m2": 3.0})}


def gain(found: Decision, point: np.ndarray) -> Estimate:
    """By how much a mixture is expected to be better than the recommendation."""
    return difference(found.belief.aggregate.posterior(found.belief.model, as_tensor([found.point, point])), 0, 1)


def confirmed(here, history: History, *, noise: float, seeds: int, rng: np.random.Generator) -> list[History]:
    """The record before a round of confirmations and after each of its runs."""
    weights = decision.to_confirm(here.problem, history, FAST, seed=0)
    states = [history]
    for seed in range(seeds):
        shift = noise * rng.normal()  # what a seed does to all mixtures alike
        for mixture in (weights, *here.problem.anchors().values()):
            trial = Trial(states[-1].next_id, mixture, SEED_OFFSET + seed, CONFIRM)
            result = here.result(here.problem.space.to_array(mixture), noise=noise, rng=rng)
            losses = {name: loss + shift for name, loss in result.losses.items()}
            record = Record(trial, dataclasses.replace(result, losses=losses))
            states.append(states[-1].with_record(record))
    return states


@pytest.mark.parametrize(
    ("objective", "trials", "noise", "seed"),
    [("mean", 3, 0.3, 0), ("mean", 4, 0.5, 1), ("mean", 8, 0.3, 0), ("weighted", 4, 0.5, 0), ("weighted", 4, 0.1, 1)],
)
def test_nothing_beside_the_recommendation_is_believed_to_be_better(world, objective, trials, noise, seed):
    here = world(objective=OBJECTIVES[objective], upper={"web": 0.6})
    anchors = [here.problem.space.to_array(weights) for weights in here.problem.anchors().values()]
    states = confirmed(
        here, here.history(trials, noise=noise, seed=seed), noise=noise, seeds=1, rng=np.random.default_rng(seed)
    )
    for history in (states[0], states[1], states[-1]):
        found = decide(here.problem, history, FAST, seed=0)
        for point in anchors if found.confirmed is None else (*anchors, found.confirmed):
            assert gain(found, point).mean <= ROUNDING
        for point in (found.of_space, found.of_trials):
            more = gain(found, point)
            kept = found.confirmed is not None and more.positive <= CLEARLY_BETTER
            assert more.mean <= ROUNDING or kept or (point is found.of_space and is_vague(found))


def is_vague(found):
    """Whether the minimiser is not lower than what is recommended once each has its standard deviation on top."""
    mean, variance = found.belief.aggregate.spread(found.belief.model, as_tensor([found.point, found.of_space]))
    guess = mean + decision.CAUTIOUS * variance.sqrt()
    return found.confirmed is None and found.source in ("trials", "anchors") and guess[1] >= guess[0]


def test_a_minimum_of_which_little_is_known_gives_way_to_what_is_known(world):
    here = world()
    found = decide(here.problem, here.history(4, noise=0.3, seed=0), FAST, seed=0)
    belief, known = found.belief, here.problem.space.to_array(here.problem.anchors()["uniform"])
    mean, variance = belief.aggregate.spread(belief.model, as_tensor([known, found.of_space]))
    guess = mean + variance.sqrt()
    assert mean[1] < mean[0]
    chosen = decision._ventured(belief, found.of_space, known)
    assert np.array_equal(chosen, found.of_space if guess[1] < guess[0] else known)
    assert np.array_equal(decision._ventured(belief, known, found.of_space), found.of_space)


@pytest.mark.parametrize("seed", range(2))
def test_a_round_is_about_one_mixture_and_that_stays_where_its_runs_are_as_expected(world, seed):
    here = world()
    before = here.history(16, seed=seed)
    states = confirmed(here, before, noise=0.003, seeds=2, rng=np.random.default_rng(seed))
    wanted = decision.to_confirm(here.problem, before, FAST, seed=0)
    for history in (states[1], states[-1]):
        assert same_mixture(decision.to_confirm(here.problem, history, FAST, seed=0), wanted)
        found = decide(here.problem, history, FAST, seed=0)
        assert found.source == "confirmed"
        assert same_mixture(here.problem.space.to_weights(found.point), wanted)


def test_an_anchor_that_nobody_tried_is_recommended_where_nothing_else_is_expected_to_be_better(world, monkeypatch):
    here = world()
    space = here.problem.space
    corner = space.to_array({"books": 0.0, "code": 0.0, "maths": 0.0, "web": 1.0})
    monkeypatch.setattr(decision, "minimiser", lambda *given, **options: corner)
    # Losses rise from the uniform mixture to all sides; trials have more of one or of two domains.
    here = dataclasses.replace(here, law=lambda w: 2.0 + ((w - 0.25) ** 2).sum() * np.ones(3))
    points = [np.full(4, 0.1) + 0.3 * (first + second) for first in np.eye(4) for second in np.eye(4)]
    rng = np.random.default_rng(0)
    records = [
        Record(Trial(i, space.to_weights(w), 0, "sobol"), here.result(w, noise=0.001, rng=rng))
        for i, w in enumerate(points)
    ]
    found = decide(here.problem, History(tuple(records)), FAST, seed=0)
    assert found.source == "anchors"
    np.testing.assert_allclose(found.point, space.uniform())


def test_less_than_even_odds_against_an_anchor_are_said_first(world):
    here = world()
    history = here.history(14)
    plain = recommend(here.problem, history, FAST, seed=0)
    assert plain.against_odds == ()
    # The natural mixture has four times as much of the last domain as of the others, which is far too much.
    shrunk = recommend(here.problem, history, FAST, seed=0, options=RecommendationSpec(shrink=0.9))
    (said,) = shrunk.against_odds
    assert shrunk.warnings[0] == said
    assert shrunk.beats["uniform"] < 0.5
    assert f"expected to be {-shrunk.margins['uniform'].mean:.4f} worse" in said
    entirely = recommend(here.problem, history, FAST, seed=0, options=RecommendationSpec(shrink=1.0))
    assert (entirely.source, entirely.beats["natural"]) == ("anchors", 0.5)
    assert entirely.against_odds[0].startswith("less than even odds against uniform")


def test_the_minimiser_sought_by_means_alone_is_the_same(world, monkeypatch):
    here = world()
    history = here.history(16, noise=0.02, seed=0)
    whole = decide(here.problem, history, FAST, seed=0).of_space
    monkeypatch.setattr(decision, "MANY_LOSSES", 0)
    np.testing.assert_allclose(decide(here.problem, history, FAST, seed=0).of_space, whole, atol=1e-4)


class Exponentials(JointModel):
    """Three losses ``c_j + exp(-t_j w_j)``, known but for rounding."""

    num_outputs = 3
    floors = torch.tensor([2.0, 2.2, 1.9], dtype=torch.float64)
    rates = torch.tensor([4.0, 3.0, 8.0], dtype=torch.float64)

    def moments(self, X, noise=False):
        size = 3 * X.shape[-2]
        covariance = 1e-12 * torch.eye(size, dtype=torch.float64)
        return self.floors + torch.exp(-self.rates * X[..., :3]), covariance.expand(*X.shape[:-2], size, size)


@pytest.mark.parametrize("excess", [False, True], ids=["worst", "excess"])
def test_the_lowest_maximum_of_known_losses_is_found_at_its_kink(world, excess):
    floors, rates = Exponentials.floors.numpy(), Exponentials.rates.numpy()
    references = np.full(3, 0.0) if not excess else floors + np.exp(-rates / 4.0)
    names = ("m0", "m1", "m2")
    objective = Excess(reference=dict(zip(names, references, strict=True))) if excess else Worst()
    here = world(objective=objective)
    model = Exponentials()
    belief = dataclasses.replace(believe(here.problem, here.history(8), FAST, seed=0), model=model)
    found = decision.minimiser(belief, FAST, here.problem.space, seed=0)

    # All losses are equal there, and the domain without a metric has no weight: w_j = -log(t + ref_j - c_j) / t_j.
    def shares(height):
        return np.clip(-np.log(np.clip(height + references - floors, 1e-12, 1.0)) / rates, 0.0, 1.0)

    height = brentq(lambda t: shares(t).sum() - 1.0, (floors - references).max() + 1e-9, 5.0)
    value = float((floors + np.exp(-rates * found[:3]) - references).max())
    assert value == pytest.approx(height, abs=5e-4)
    assert found == pytest.approx(np.append(shares(height), 0.0), abs=0.01)
