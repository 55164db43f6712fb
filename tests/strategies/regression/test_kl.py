from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

import bomix
from bomix.config.build import build, plain
from bomix.errors import FaultsError
from bomix.history import History
from bomix.objectives.weighted import Mean
from bomix.optimization import convex
from bomix.optimization.relative_entropy import KLPenalty
from bomix.problem import Metric, Problem
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies.regression.kl import KLProposer
from bomix.strategies.regression.law import Law
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.regression.specs import Boosting
from bomix.trial import Record, Result, Trial


def capped(prior, lower, upper):
    """The mixture of least divergence from a prior: its multiple, cut at the bounds."""

    def weights(factor):
        return np.clip(factor * prior, lower, upper)

    return weights(brentq(lambda factor: weights(factor).sum() - 1.0, 0.0, 1e9, xtol=1e-15, rtol=1e-14))


def exponentials(d, m, seed):
    """The mean of exponential laws, metric by metric best served by another domain."""
    rng = np.random.default_rng(seed)
    rates = 0.5 * rng.normal(size=(m, d))
    rates[np.arange(m), np.arange(m) % d] -= rng.uniform(2.0, 12.0, m)
    scales, slopes = torch.as_tensor(rng.uniform(0.5, 2.5, m)), torch.as_tensor(rates)
    return lambda X: (scales * torch.exp(X @ slopes.T)).mean(dim=-1)


def flat(problem, n=8):
    """A record in which no mixture matters."""
    points = problem.space.sobol(n, seed=1)
    result = Result(dict.fromkeys(problem.metric_names, 2.0))
    trials = [Trial(index, problem.space.to_weights(point), 0, "sobol") for index, point in enumerate(points)]
    return History(tuple(Record(trial, result) for trial in trials))


@pytest.mark.parametrize("strength", [1e-3, 1.0, 1e5])
def test_without_losses_the_capped_prior_is_best(strength) -> None:
    rng = np.random.default_rng(0)
    for d in (2, 7, 100):
        prior, lower = rng.dirichlet(np.ones(d)), np.full(d, 0.1 / d)
        upper = np.full(d, max(2.0 / d, 0.6 if d == 2 else 0.0))
        found = convex.minimise(lambda X: 0.0 * X.sum(dim=-1), lower, upper, penalty=KLPenalty(prior, strength))
        np.testing.assert_allclose(found.point, capped(prior, lower, upper), atol=1e-12)


@pytest.mark.parametrize("strength", [1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("d", [7, 100])
def test_the_minimum_meets_the_conditions_of_optimality(d, strength) -> None:
    rng = np.random.default_rng(d)
    prior, lower, upper = rng.dirichlet(np.ones(d)), np.zeros(d), np.full(d, 4.0 / d)
    function = exponentials(d, d // 2, d)
    found = convex.minimise(function, lower, upper, penalty=KLPenalty(prior, strength))
    assert found.residual < 1e-12
    assert abs(found.gap) < 1e-12
    _, slope, _ = convex.derivatives(function, found.point)
    with np.errstate(divide="ignore"):
        whole = slope + strength * (np.log(found.point / prior) + 1.0)
    free = (found.point > 1e-6) & (found.point < upper)
    price = whole[free].mean()
    np.testing.assert_allclose(whole[free], price, atol=1e-8)
    assert (whole[found.point == upper] <= price + 1e-8).all()


def test_no_neighbour_is_better() -> None:
    d, strength = 12, 0.05
    rng = np.random.default_rng(5)
    prior, lower, upper = rng.dirichlet(np.ones(d)), np.zeros(d), np.full(d, 0.3)
    function, penalty = exponentials(d, 8, 5), KLPenalty(rng.dirichlet(np.ones(d)), strength)
    found = convex.minimise(function, lower, upper, penalty=dataclasses.replace(penalty, prior=prior))
    others = MixtureSpace([f"d{i:02d}" for i in range(d)], upper={f"d{i:02d}": 0.3 for i in range(d)}).sample(500, rng)
    for step in (1.0, 0.1, 1e-3):
        near = found.point + step * (others - found.point)
        losses = function(torch.as_tensor(near)).numpy()
        values = losses + strength * (near * np.log(np.maximum(near, 1e-300) / prior)).sum(axis=1)
        assert (values >= found.value - 1e-14).all()


def test_a_strong_penalty_asks_for_the_natural_mixture(world) -> None:
    made = world()
    (candidate,) = KLProposer(strength=1e6, n_init=4).ask(made.problem, made.history(12), 1, seed=0)
    shares = np.array([1.0, 2.0, 4.0, 8.0]) / 15.0
    np.testing.assert_allclose(made.problem.space.to_array(candidate.weights), shares, atol=1e-5)


def test_where_no_mixture_matters_the_capped_natural_mixture_is_asked_for(world) -> None:
    problem = world(upper={"web": 0.3}).problem
    (candidate,) = KLProposer(n_init=4).ask(problem, flat(problem), 1, seed=0)
    prior = np.array([1.0, 2.0, 4.0, 8.0]) / 15.0
    expected = capped(prior, problem.space.lower_array, problem.space.upper_array)
    np.testing.assert_allclose(problem.space.to_array(candidate.weights), expected, atol=1e-9)


def test_without_tokens_the_prior_is_uniform(world) -> None:
    problem = world(natural=False).problem
    np.testing.assert_allclose(KLProposer().shares(problem), 0.25)


def test_without_a_pull_it_is_the_law(world) -> None:
    made = world()
    history = made.history(12)
    kl = KLProposer(strength=0.0, prior="uniform", n_init=4).ask(made.problem, history, 1, seed=0)[0]
    law = Law(n_init=4).ask(made.problem, history, 1, seed=0)[0]
    assert kl.weights == pytest.approx(law.weights, abs=1e-9)


def test_weights_whose_prior_is_zero_stay_at_their_lower_bound(world) -> None:
    made = world(lower={"maths": 0.05})
    strategy = KLProposer(prior={"web": 3.0, "code": 1.0}, n_init=4)
    for candidate in strategy.ask(made.problem, made.history(12), 3, seed=0):
        assert candidate.weights["books"] == 0.0
        assert candidate.weights["maths"] == 0.05


def test_a_prior_that_cannot_fill_a_mixture_is_refused(world) -> None:
    made = world(upper={"web": 0.4, "code": 0.3})
    strategy = KLProposer(prior={"web": 1.0, "code": 1.0}, n_init=4)
    (fault,) = strategy.problem_faults(made.problem)
    assert "books, maths" in fault.what
    with pytest.raises(FaultsError, match="books, maths"):
        strategy.ask(made.problem, made.history(12), 1, seed=0)


def test_the_price_of_a_pull_is_monotone(world) -> None:
    made = world()
    history, prior = made.history(16), np.array([1.0, 2.0, 4.0, 8.0]) / 15.0
    far = []
    for strength in (0.001, 0.03, 1.0):
        (candidate,) = KLProposer(strength=strength, n_init=4).ask(made.problem, history, 1, seed=0)
        point = made.problem.space.to_array(candidate.weights)
        far.append(float((point[point > 0] * np.log(point[point > 0] / prior[point > 0])).sum()))
    assert far == sorted(far, reverse=True)


def test_a_gaussian_process_serves_as_well() -> None:
    names = ("a", "b")
    problem = Problem(MixtureSpace(names), (Metric("m"),), Mean(), {"a": 1.0, "b": 1.0})
    points = np.linspace(0.0, 1.0, 9)
    trials = [Trial(i, {"a": x, "b": 1.0 - x}, 0, "sobol") for i, x in enumerate(points)]
    history = History(tuple(Record(t, Result({"m": 2.0 * (t.weights["a"] - 0.9) ** 2})) for t in trials))
    strategy = KLProposer(strength=1.0, surrogate=GP(draws=0, restarts=1), n_init=2)
    (candidate,) = strategy.ask(problem, history, 1, seed=0)
    best = brentq(lambda x: 4.0 * (x - 0.9) + np.log(x / (1.0 - x)), 0.01, 0.99)
    assert candidate.weights["a"] == pytest.approx(best, abs=0.01)


def test_faults_name_the_field_and_the_cure() -> None:
    spec = KLProposer(strength=-1.0, prior={"web": -2.0}, surrogate=Boosting(), n_init=-1)
    faults = {fault.where: fault.what for fault in spec.faults()}
    assert set(faults) == {"strength", "prior.web", "surrogate", "n_init"}
    assert "blackbox" in faults["surrogate"]
    assert [fault.where for fault in KLProposer(prior={"web": 0.0}).faults()] == ["prior"]


@pytest.mark.parametrize("prior", ["uniform", {"web": 1.0, "code": 2.0}])
def test_a_study_file_holds_every_prior(prior) -> None:
    spec, faults = build(KLProposer, {"strength": 0.1, "prior": prior})
    assert not faults
    assert spec.prior == prior
    assert build(KLProposer, plain(spec))[0] == spec


def test_a_prior_of_domains_is_one_mixture_for_both_phases():
    problem = bomix.Study(["code", "web"], ["loss"], phases={"anneal": 0.25}).problem
    spec = KLProposer(prior={"code": 0.4, "web": 0.6})
    assert spec.prior_faults(problem) == []
    np.testing.assert_allclose(spec.shares(problem), [0.1, 0.15, 0.3, 0.45])  # anneal:code, anneal:web, pretrain: ...
    of_weights = KLProposer(prior={"anneal:web": 0.25, "pretrain:code": 0.75})
    np.testing.assert_allclose(of_weights.shares(problem), [0.0, 0.25, 0.75, 0.0])
    (fault,) = KLProposer(prior={"code": 0.4, "wob": 0.6}).prior_faults(problem)
    assert str(fault) == "prior.wob: unknown domain 'wob'; did you mean 'web'?"
