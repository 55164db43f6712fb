"""What is said of the recommended mixture, against closed forms and planted truths."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import numpy as np
import pytest
import torch

from bomix.config.budget import BudgetSpec
from bomix.config.sections import DomainSpec, RecommendationSpec
from bomix.errors import FaultsError
from bomix.history import History
from bomix.objectives.pareto import Pareto
from bomix.objectives.robust import Guardrail, Worst
from bomix.objectives.weighted import Mean
from bomix.optimization.level_set import LevelSet, near_optimal
from bomix.posterior.belief import believe
from bomix.posterior.explored import tried
from bomix.posterior.predict import Estimate
from bomix.recommendation.caveats import ALONE
from bomix.recommendation.decision import decide
from bomix.recommendation.extrapolation import unexplored
from bomix.recommendation.nearly_as_good import near_optimal_ranges
from bomix.recommendation.prediction_check import predicted_against_observed
from bomix.recommendation.recommend import recommend
from bomix.space.mixture_space import MixtureSpace
from bomix.space.weights import same_mixture
from bomix.strategies.baselines.simple import Uniform
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.designs import Sobol
from bomix.study.study import Study
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.models.joint import JointModel
from bomix.trial import EXPERT, IMPORTED, Record, Result, Trial

pytestmark = pytest.mark.usefixtures("short_chains")

FAST = GP(draws=0)


class Stiff(JointModel):
    """Another model without its gradients."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.num_outputs = inner, inner.num_outputs

    num_outputs = 0

    def moments(self, X, noise=False):
        with torch.no_grad():
            return self.inner.moments(X, noise)


@dataclasses.dataclass(frozen=True)
class Blind:
    """Declares that it has no gradients."""

    differentiable: ClassVar[bool] = False

    def fit(self, data, *, context, seed):
        return Stiff(FAST.fit(data, context=context, seed=seed))


def names(d: int) -> list[str]:
    return [f"d{index:02d}" for index in range(d)]


@pytest.mark.parametrize("d", [3, 7, 20])
def test_the_ranges_of_a_quadratic_are_those_of_its_ellipsoid(d):
    root = np.random.default_rng(d).normal(size=(d, d))
    H, space, slack = root @ root.T / d + 0.3 * np.eye(d), MixtureSpace(names(d)), 2e-4
    centre, T = torch.full((d,), 1.0 / d, dtype=torch.float64), torch.as_tensor(H)
    bowl = LevelSet(
        lambda X: 2 + 0.5 * ((X - centre) @ T * (X - centre)).sum(-1), space, centre.numpy(), 2 + slack, slack
    )
    lower, upper = near_optimal(bowl, seed=0)
    plane = np.linalg.svd(np.ones((1, d)))[2][1:].T  # mixtures move in the plane where sums stay one
    half = np.sqrt(2 * slack * np.diag(plane @ np.linalg.inv(plane.T @ H @ plane) @ plane.T))
    np.testing.assert_allclose(upper - 1 / d, half, rtol=0.01)
    np.testing.assert_allclose(1 / d - lower, half, rtol=0.01)
    rough = near_optimal(bowl, seed=0, gradients=False)
    assert (rough[1] <= 1 / d + half * (1 + 1e-9)).all()
    assert (rough[1] > 1 / d + 0.4 * half).all()


def test_ranges_keep_to_the_bounds_and_a_level_set_of_one_point_is_that_point():
    space = MixtureSpace(names(3), upper={"d00": 0.5})
    flat = LevelSet(lambda X: X.sum(-1) * 0.0 + 1.0, space, space.uniform(), 1.5, 0.5)
    lower, upper = near_optimal(flat, seed=0)
    np.testing.assert_allclose(upper, [0.5, 1.0, 1.0], atol=1e-9)
    np.testing.assert_allclose(lower, 0.0, atol=1e-9)
    point = near_optimal(dataclasses.replace(flat, level=1.0, slack=0.0), seed=0)
    np.testing.assert_array_equal(point, [space.uniform()] * 2)


@pytest.mark.parametrize("gradients", [True, False])
def test_ranges_hold_no_weight_that_little_is_not_allowed(gradients):
    space = MixtureSpace(names(4), at_least=dict.fromkeys(names(4), 0.2))
    best = np.array([0.0, 0.3, 0.3, 0.4])
    flat = LevelSet(lambda X: ((X - torch.as_tensor(best)) ** 2).sum(-1), space, best, 0.09, 0.09)
    lower, upper = near_optimal(flat, seed=0, gradients=gradients)
    for bound in (lower, upper):
        assert ((bound == 0.0) | (bound >= 0.2 - 1e-12)).all()
    assert upper[0] >= 0.2
    assert lower[1] >= 0.2


def test_the_probability_to_be_above_zero_is_gaussian():
    assert Estimate(1.0, 1.0).positive == pytest.approx(0.841344746)
    assert Estimate(-1.959963985, 1.0).positive == pytest.approx(0.025)
    assert [Estimate(mean, 0.0).positive for mean in (-1.0, 0.0, 1.0)] == [0.0, 0.5, 1.0]


def test_the_best_of_the_space_stands_beside_the_best_trial(world):
    here = world()
    history = here.history(14)
    best = recommend(here.problem, history, FAST, seed=0)
    assert best.source == "space"
    assert best.weights == best.of_space.weights
    assert best.of_trials.weights in [record.trial.weights for record in history.records]
    assert best.loss <= best.of_trials.objective.mean
    for name, chance in best.beats.items():
        assert 0.0 < chance <= 1.0
        assert chance == best.margins[name].positive
    for name, (low, high) in best.ranges.items():
        assert low <= best.weights[name] <= high
    assert best.confirmed is best.change is best.feasible is None
    assert best.front == ()


def test_the_less_is_known_of_the_minimum_the_farther_a_weight_may_move(world):
    here = world()
    history = here.history(14)
    decision = decide(here.problem, history, FAST, seed=0)
    minimum = recommend(here.problem, history, FAST, seed=0).of_space.objective
    sure, vague = (near_optimal_ranges(decision, minimum.stretched(by), FAST, seed=0) for by in (1.0, 3.0))
    for name in here.problem.space.domains:
        assert vague[name][0] <= sure[name][0] + 1e-6
        assert sure[name][1] <= vague[name][1] + 1e-6
    assert sum(high - low for low, high in sure.values()) < sum(high - low for low, high in vague.values())


def test_a_surrogate_without_gradients_recommends_too(world):
    here = world()
    best = recommend(here.problem, here.history(14), Blind(), seed=0)
    here.problem.space.check(best.weights)
    assert best.loss <= best.of_trials.objective.mean
    assert all(low <= best.of_space.weights[name] <= high for name, (low, high) in best.ranges.items())


def test_shrinking_and_smoothing_are_convex_and_keep_the_bounds(world):
    here = world(upper={"web": 0.3}, at_least={"code": 0.2})
    history, space = here.history(10), here.problem.space
    plain = decide(here.problem, history, FAST, seed=0).point
    anchors = {name: space.to_array(weights) for name, weights in here.problem.anchors().items()}
    smooth = decide(here.problem, history, FAST, seed=0, options=RecommendationSpec(smooth=0.01)).point
    expected = space.snap(0.99 * plain + 0.01 * anchors["uniform"], threshold=0.0)
    np.testing.assert_allclose(smooth, expected, atol=1e-12)
    full = decide(here.problem, history, FAST, seed=0, options=RecommendationSpec(shrink=1.0)).point
    np.testing.assert_allclose(full, anchors["natural"], atol=1e-9)
    for point in (smooth, full):
        space.check(space.to_weights(point))
        assert point[1] == 0.0 or point[1] >= 0.2 - 1e-9


def test_options_that_are_no_shares_are_refused():
    faults = RecommendationSpec(shrink=1.5, smooth=-0.1, last=-1).faults()
    assert [fault.where for fault in faults] == ["shrink", "smooth", "last"]
    with pytest.raises(FaultsError, match=r"budget\.improvement.*no surrogate"):
        Study(domains=["a", "b"], metrics=["x"], strategy=Sobol(), budget=BudgetSpec(improvement=0.01))


def test_the_gap_is_what_the_last_trials_brought_beyond_what_was_predicted_without_them(world):
    here = world()
    history = here.history(16)
    honest = predicted_against_observed(here.problem, history, FAST, seed=0, last=4)
    assert honest.trials == (12, 13, 14, 15)
    assert abs(honest.z) < 3
    assert honest.mean == pytest.approx(np.mean(honest.observed) - np.mean(honest.predicted))
    worse = [
        dataclasses.replace(r, outcome=Result({name: loss + 0.2 for name, loss in r.result.losses.items()}))
        for r in history.records[-4:]
    ]
    shifted = predicted_against_observed(here.problem, History((*history.records[:-4], *worse)), FAST, seed=0, last=4)
    assert shifted.predicted == honest.predicted  # the refit has not seen them
    assert shifted.mean == pytest.approx(honest.mean + 0.2)
    assert shifted.z > 3
    assert predicted_against_observed(here.problem, here.history(5), FAST, seed=0, last=4) is None
    assert predicted_against_observed(here.problem, history, FAST, seed=0, last=0) is None


def test_an_optimum_beyond_what_was_tried_is_warned_of(world):
    here = world()
    space, rng = here.problem.space, np.random.default_rng(0)
    # All trials keep to a corner where the first domain has little, and more of it would be better.
    points = space.project(np.array([0.02, 0.3, 0.3, 0.38]) + 0.02 * rng.normal(size=(10, 4)))
    records = [
        Record(Trial(i, space.to_weights(w), 0, "sobol"), here.result(w, noise=0.001, rng=rng))
        for i, w in enumerate(points)
    ]
    best = recommend(here.problem, History(tuple(records)), FAST, seed=0)
    said = " ".join(best.warnings)
    assert "beyond the weights of all trials" in said
    assert "the nearest trial is" in said


def test_an_optimum_among_what_was_tried_is_not_warned_of(world):
    here = world()
    space, rng, history = here.problem.space, np.random.default_rng(0), here.history(16)
    point = decide(here.problem, history, FAST, seed=0).point
    around = np.concatenate([point[None], space.project(point + 0.03 * rng.normal(size=(6, 4))), np.eye(4)])
    more = [
        Record(Trial(20 + i, space.to_weights(w), 0, "log_ei"), here.result(w, noise=0.01, rng=rng))
        for i, w in enumerate(around)
    ]
    explored = History((*history.records, *more))
    belief, points = believe(here.problem, explored, FAST, seed=0), tried(space, explored)
    assert unexplored(belief, points, point, 0.0) == []
    assert "less is known there" in unexplored(belief, points, point, 9.0)[0]


def test_experts_of_single_domains_explore_no_mixtures(world):
    here = world()
    space, history, rng = here.problem.space, here.history(8), np.random.default_rng(0)
    experts = [
        Record(Trial(20 + i, space.to_weights(w), 0, EXPERT), here.result(w, noise=0.01, rng=rng))
        for i, w in enumerate(np.eye(4))
    ]
    both = History((*history.records, *experts))
    far = space.to_array({"books": 0.97, "code": 0.01, "maths": 0.01, "web": 0.01})
    belief = believe(here.problem, both, FAST, seed=0)
    assert tried(space, both).tolist() == tried(space, history).tolist()
    assert "books 0.970 (tried" in unexplored(belief, tried(space, both), far, 0.0)[0]
    alone = History(tuple(experts))
    (said,) = unexplored(believe(here.problem, alone, FAST, seed=0), tried(space, alone), far, 0.0)
    assert said == "no mixture has been tried, only experts of single domains"


def test_a_trial_that_has_too_little_of_a_domain_is_not_recommended(world):
    here = world(at_least=dict.fromkeys(("books", "code", "maths", "web"), 0.4))
    space, rng = here.problem.space, np.random.default_rng(0)
    mixtures = [[0.34, 0.24, 0.27, 0.15], [0.6, 0.4, 0.0, 0.0], [0.0, 0.5, 0.0, 0.5], [0.2, 0.2, 0.2, 0.4]]
    records = [
        Record(Trial(i, space.to_weights(w), 0, IMPORTED), here.result(np.array(w), noise=0.0, rng=rng))
        for i, w in enumerate(mixtures)
    ]
    found = decide(here.problem, History(tuple(records)), FAST, seed=0)
    for point in (found.point, found.of_space, found.of_trials):
        assert ((point == 0.0) | (point >= 0.4)).all()


def test_the_chance_to_keep_a_guardrail_is_counted_over_draws(world):
    loose, tight = (
        world(objective=Guardrail(reference={f"m{i}": 2.0 + excess for i in range(3)})) for excess in (9.0, -9.0)
    )
    for here, expected in ((loose, 1.0), (tight, 0.0)):
        best = recommend(here.problem, here.history(6), FAST, seed=0, options=RecommendationSpec(last=0))
        assert best.feasible == expected


def test_the_front_of_two_groups_is_not_dominated_and_reaches_both_ends(world):
    here = world(objective=Pareto({"first": ("m0",), "others": ("m1", "m2")}))
    best = recommend(here.problem, here.history(14), FAST, seed=0)
    values = np.array([list(point.groups.values()) for point in best.front])
    assert list(best.front[0].groups) == ["first", "others"]
    assert len(values) >= 5
    assert (np.diff(values[:, 0]) > 0).all()
    assert (np.diff(values[:, 1]) < 0).all()
    for point in best.front:
        here.problem.space.check(point.weights)
    truth = here.law(here.problem.space.sobol(2048, seed=3))
    ends = np.array([truth[:, 0].min(), truth[:, 1:].mean(axis=-1).min()])
    assert (values.min(axis=0) < ends + 0.05).all()


def test_a_metric_that_counts_and_was_never_measured_is_warned_of(world):
    def warnings(**options):
        here = world(**options)
        records = [
            dataclasses.replace(r, outcome=Result({**r.result.losses, "m1": math.nan})) for r in here.history(8).records
        ]
        return recommend(here.problem, History(tuple(records)), FAST, seed=0).warnings

    assert "no trial has measured metric 'm1'" in warnings()[0]
    assert not any("m1" in warning for warning in warnings(objective=Mean(("m0", "m2"))))


def test_of_one_mixture_one_thing_is_said():
    rng = np.random.default_rng(1)
    study = Study(
        {"code": DomainSpec(tokens=1e6), "web": DomainSpec(tokens=3e6)},
        ["a", "b"],
        objective=Worst(),
        strategy=Bayesian(surrogate=GP(draws=0, restarts=1)),
    )
    for code in (0.5, 0.25, 0.1, 0.9, 0.7):
        losses = 2.0 + (code - 0.25) ** 2 + 0.01 * rng.normal(size=2)
        study.add({"code": code, "web": 1.0 - code}, dict(zip("ab", losses.tolist(), strict=True)))
    best = study.recommend()
    assert same_mixture(best.of_trials.weights, study.problem.natural)
    assert best.of_trials.objective == best.references["natural"]
    assert best.of_space.objective == best.objective or best.weights != best.of_space.weights


def test_runs_of_one_mixture_say_nothing_of_how_flat_the_optimum_is():
    study = Study(["code", "web"], ["loss"], strategy=Uniform())
    for loss in (2.0, 2.1, 1.9):
        study.tell(study.ask(), {"loss": loss})
    best = study.recommend()
    assert ALONE in best.warnings
    assert best.ranges == {}
    study.add({"code": 0.7, "web": 0.3}, {"loss": 2.3})
    best = study.recommend()
    assert ALONE not in best.warnings
    assert set(best.ranges) == {"code", "web"}


def test_a_space_of_one_mixture_has_no_others_to_know_of():
    only = {"code": DomainSpec(lower=0.5, upper=0.5), "web": DomainSpec(lower=0.5, upper=0.5)}
    study = Study(only, ["loss"], strategy=Uniform())
    study.tell(study.ask(), {"loss": 2.0})
    assert ALONE not in study.recommend().warnings
