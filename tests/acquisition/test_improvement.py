from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from botorch.acquisition.analytic import LogExpectedImprovement, UpperConfidenceBound
from botorch.acquisition.logei import qLogExpectedImprovement
from botorch.acquisition.objective import ScalarizedPosteriorTransform
from botorch.sampling.normal import SobolQMCNormalSampler

from bomix.acquisition.improvement import UCB, LogEI
from bomix.contracts.acquisition import objective_faults
from bomix.objectives.pareto import Pareto
from bomix.objectives.weighted import Mean, WeightedMean
from bomix.posterior.objective import ModelObjective
from bomix.problem import Metric
from bomix.surrogates.data.dataset import fit_context, to_dataset
from bomix.surrogates.gp.spec import GP

pytestmark = pytest.mark.usefixtures("short_chains")


@pytest.fixture
def fitted(world):
    here = world(objective=WeightedMean({"m0": 0.2, "m1": 0.5, "m2": 0.3}))
    history = here.history(10)
    data = to_dataset(here.problem, history)
    return here, data, GP().fit(data, context=fit_context(here.problem, history), seed=0)


def test_log_ei_is_botorchs_with_the_best_posterior_mean_as_incumbent(fitted):
    here, data, model = fitted
    transform = ScalarizedPosteriorTransform(torch.tensor([-0.2, -0.5, -0.3], dtype=torch.float64))
    best_f = max(model.posterior(row[None], posterior_transform=transform).mean.squeeze() for row in data.X).detach()
    X = torch.as_tensor(here.problem.space.sobol(20, seed=2)).unsqueeze(1)
    ours = LogEI().build(model, ModelObjective.of(here.problem), X_observed=data.X, X_pending=None, seed=0)
    by_hand = LogExpectedImprovement(model, best_f, posterior_transform=transform)
    torch.testing.assert_close(ours(X), by_hand(X))
    measured = (-data.Y @ torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)).max().item()
    assert best_f.item() != pytest.approx(measured, abs=1e-6)


def test_expected_improvement_is_that_of_samples_of_the_joint_posterior(fitted):
    here, data, model = fitted
    X = torch.as_tensor(here.problem.space.sobol(5, seed=2)).unsqueeze(1)
    acquisition = LogEI().build(model, ModelObjective.of(here.problem), X_observed=data.X, X_pending=None, seed=0)
    with torch.no_grad():
        sampler = SobolQMCNormalSampler(torch.Size([2**14]), seed=1)
        losses = sampler(model.posterior(X)).squeeze(-2)
        best = ModelObjective.of(here.problem).mean(model, data.X).min()
        objective = losses @ torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
        expected = (best - objective).clamp_min(0.0).mean(dim=0)
        torch.testing.assert_close(acquisition(X).exp(), expected, rtol=0.03, atol=1e-6)


def test_pending_mixtures_enter_as_in_botorch_and_are_not_worth_a_second_trial(fitted):
    here, data, model = fitted
    aggregate, space = ModelObjective.of(here.problem), here.problem.space
    pool = torch.as_tensor(space.sobol(64, seed=2)).unsqueeze(1)
    free = LogEI().build(model, aggregate, X_observed=data.X, X_pending=None, seed=0)
    favourite = pool[free(pool).argmax()]
    ours = LogEI(samples=64).build(model, aggregate, X_observed=data.X, X_pending=favourite, seed=7)
    by_hand = qLogExpectedImprovement(
        model,
        -aggregate.mean(model, data.X).min(),
        SobolQMCNormalSampler(torch.Size([64]), seed=7),
        posterior_transform=ScalarizedPosteriorTransform(-torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)),
        X_pending=favourite,
    )
    with torch.no_grad():
        torch.testing.assert_close(ours(pool), by_hand(pool))
        assert ours(favourite[None]) < ours(pool).max() - 1e-3


def test_ucb_is_mean_and_deviation(fitted):
    here, data, model = fitted
    aggregate = ModelObjective.of(here.problem)
    X = torch.as_tensor(here.problem.space.sobol(6, seed=2)).unsqueeze(1)
    ours = UCB(beta=2.0).build(model, aggregate, X_observed=data.X, X_pending=None, seed=0)
    posterior = model.posterior(X, posterior_transform=aggregate.transform())
    torch.testing.assert_close(ours(X), -posterior.mean.flatten() + (2.0 * posterior.variance.flatten()).sqrt())
    assert isinstance(ours, UpperConfidenceBound)
    pending = UCB(beta=2.0).build(model, aggregate, X_observed=data.X, X_pending=data.X[:2], seed=0)
    assert pending(X).isfinite().all()


def test_a_metric_of_direction_max_turns_its_sign(world):
    problem = world(objective=WeightedMean({"m0": 1.0, "m1": 3.0})).problem
    problem = replace(problem, metrics=(Metric("m0"), Metric("m1", direction="max"), Metric("m2")))
    assert ModelObjective.of(problem).coefficients == pytest.approx((0.25, -0.75, 0.0))


def test_fields_that_cannot_be_are_faults():
    assert LogEI().faults() == UCB().faults() == []
    assert [f.where for f in UCB(beta=-1.0, samples=0).faults()] == ["beta", "samples"]


@pytest.mark.parametrize(
    ("declared", "serves"),
    [({}, (True, False)), ({"of_fronts": True}, (False, True)), ({"also_fronts": True}, (True, True))],
)
def test_what_an_acquisition_of_ones_own_serves_is_what_it_declares(declared, serves):
    own = type("Own", (), {"origin": "own", "build": lambda self: None, **declared})()
    objectives = (Mean(), Pareto({"a": ("x",), "b": ("y",)}))
    assert tuple(not objective_faults(own, objective) for objective in objectives) == serves
