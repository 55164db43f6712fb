from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import brentq, minimize

from bomix.laws.convexity import is_convex
from bomix.laws.fit import FittedLaw
from bomix.laws.forms import LAWS
from bomix.optimization import convex
from bomix.optimization.minimize import minimise
from bomix.problem import Metric, Problem
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies.regression.law import Law
from bomix.strategies.regression.next_best import NEXT_DISTANCE
from bomix.testing.known import SCALES, STEEP
from bomix.trial import Record, Result, Trial
from tests.known.world import law as truth

SUM = {"type": "eq", "fun": lambda w: w.sum() - 1.0}


def named(d, **bounds):
    names = [f"d{index:03d}" for index in range(d)]
    return MixtureSpace(names, **{key: dict.fromkeys(names, value) for key, value in bounds.items()})


def drawn(form, d, seed):
    """A law of ``d`` metrics with parameters drawn from its prior, every metric with a domain of its own."""
    law, own = LAWS[form], torch.arange(d)
    centre, spread = law.prior(d, own)
    generator = torch.Generator().manual_seed(seed)
    flat = centre + 0.5 * spread * torch.randn(centre.shape, generator=generator, dtype=torch.float64)
    if form == "additive":
        flat[:, 1 : 1 + d] = -flat[:, 1 : 1 + d].abs()
    if form == "bimix":
        flat[:, 1] = flat[:, 1].abs()
    one = torch.ones(d, dtype=torch.float64)
    return FittedLaw(law, own, one, one, flat, one)


def best_by_slsqp(function, space, starts=6):
    """The least value that another solver finds from several starts."""

    def value(w):
        X = torch.as_tensor(w)[None].requires_grad_()
        found = function(X)
        (gradient,) = torch.autograd.grad(found.sum(), X)
        return found.item(), gradient[0].numpy()

    rng = np.random.default_rng(0)
    options = {"ftol": 1e-14, "maxiter": 500}
    return min(
        minimize(value, start, jac=True, bounds=space.bounds.T, constraints=SUM, options=options).fun
        for start in space.sample(starts, rng)
    )


def filled(k, t, upper):
    """Minimiser of ``sum_j k_j exp(-t_j w_j)``: every weight is filled to the same slope, or its bounds hold."""

    def weights(slope):
        return np.clip(np.log(k * t / slope) / t, 0.0, upper)

    return weights(brentq(lambda slope: weights(slope).sum() - 1.0, 1e-12, (k * t).max() - 1e-12, xtol=1e-16))


@pytest.mark.parametrize("cap", [1.0, 0.3])
@pytest.mark.parametrize("d", [2, 7, 100])
def test_one_exponential_per_domain_is_filled_to_equal_slopes(d, cap) -> None:
    rng = np.random.default_rng(d)
    k, t = rng.uniform(0.5, 2.5, d), rng.uniform(1.0, 12.0, d)
    space = named(d, upper=max(cap, 0.6 if d == 2 else 0.0))
    scales, rates = torch.as_tensor(k), torch.as_tensor(t)
    found = minimise(lambda X: (scales * torch.exp(-rates * X)).sum(dim=-1), space, shape="convex", seed=0)
    np.testing.assert_allclose(found.point, filled(k, t, space.upper_array), atol=1e-9)
    assert found.residual < 1e-12
    assert abs(found.gap) < 1e-12


@pytest.mark.parametrize("form", sorted(set(LAWS) - {"log_epochs"}))
@pytest.mark.parametrize(
    "bounds", [{}, {"upper": 0.35}, {"lower": 0.02, "upper": 0.5}], ids=["simplex", "caps", "caps and floors"]
)
def test_the_minimum_of_every_law_is_that_of_another_solver_or_lower(form, bounds) -> None:
    d = 6
    law, space = drawn(form, d, seed=3), named(d, **bounds)
    assert is_convex(law, [1.0] * d, d)

    def function(X):
        return law(X).sum(dim=-1)

    found = minimise(function, space, shape="convex", seed=0)
    space.check(space.to_weights(found.point), tolerance=1e-12)
    assert found.residual < 1e-8
    assert found.gap < 1e-8
    assert found.value <= best_by_slsqp(function, space) + 1e-10


@pytest.mark.parametrize("form", sorted(LAWS))
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_is_called_convex_lies_below_its_chords(form, sign) -> None:
    d = 5
    rng = np.random.default_rng(1)
    ends = torch.as_tensor(rng.dirichlet(np.full(d, 0.5), size=(2, 200)))
    law, coefficients = LAWS[form], rng.uniform(0.1, 1.0, d) * sign
    centre, spread = law.prior(d, torch.arange(d))
    for seed in range(20):
        noise = torch.randn(centre.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        one = torch.ones(d, dtype=torch.float64)
        fitted = FittedLaw(law, torch.arange(d), one, one, centre + 2.0 * spread * noise, one)
        if is_convex(fitted, coefficients.tolist(), d):
            value = fitted(torch.cat([ends, ends.mean(dim=0, keepdim=True)])) @ torch.as_tensor(coefficients)
            assert (value[2] <= value[:2].mean(dim=0) + 1e-9 * value.abs().max()).all()


@pytest.mark.parametrize("form", sorted(set(LAWS) - {"bimix", "additive"}))
def test_the_negative_of_a_convex_law_is_not_called_convex(form) -> None:
    assert not is_convex(drawn(form, 4, seed=0), [1.0, 1.0, -1.0, 1.0], 4)


def test_a_concave_function_ends_at_its_best_vertex() -> None:
    scales = torch.tensor([1.0, 3.0, 2.0, 2.9], dtype=torch.float64)
    found = minimise(lambda X: -(scales * X.square()).sum(dim=-1), named(4), shape="smooth", seed=0)
    np.testing.assert_array_equal(found.point, [0.0, 1.0, 0.0, 0.0])


@pytest.mark.parametrize(("d", "m"), [(3, 2), (8, 8)])
def test_the_worst_of_several_losses_is_that_of_a_solver_that_knows_them_apart(d, m) -> None:
    rng = np.random.default_rng(d)
    rates = 0.5 * rng.normal(size=(m, d))
    rates[np.arange(m), np.arange(m) % d] -= rng.uniform(2.0, 12.0, m)
    scales, slopes = torch.as_tensor(rng.uniform(0.5, 2.5, m)), torch.as_tensor(rates)
    each = scales.numpy()

    def apart(z):
        return z[-1] - each * np.exp(rates @ z[:-1])

    def apart_jacobian(z):
        return np.hstack([-(each * np.exp(rates @ z[:-1]))[:, None] * rates, np.ones((m, 1))])

    known = minimize(
        lambda z: z[-1],
        np.append(np.full(d, 1.0 / d), 3.0),
        jac=lambda z: np.eye(d + 1)[-1],
        bounds=[(0.0, 1.0)] * d + [(None, None)],
        constraints=[
            {"type": "eq", "fun": lambda z: z[:-1].sum() - 1.0},
            {"type": "ineq", "fun": apart, "jac": apart_jacobian},
        ],
        options={"ftol": 1e-13, "maxiter": 500},
    ).fun
    found = minimise(lambda X: (scales * torch.exp(X @ slopes.T)).amax(dim=-1), named(d), shape="kinked", seed=0)
    assert found.value == pytest.approx(known, abs=1e-6)


@pytest.mark.parametrize("space", [named(1), named(4, upper=0.25), named(3, lower=1.0 / 3.0)])
def test_a_space_of_one_point_has_one_minimum(space) -> None:
    found = convex.minimise(lambda X: X.square().sum(dim=-1), space.lower_array, space.upper_array)
    np.testing.assert_allclose(found.point, 1.0 / space.dimension, atol=1e-15)


def test_zero_or_at_least_holds_at_the_minimum() -> None:
    names = ("a", "b", "c")
    space = MixtureSpace(names, at_least={"a": 0.2, "b": 0.2})
    target = torch.tensor([0.15, 0.04, 0.81], dtype=torch.float64)
    found = minimise(lambda X: (X - target).square().sum(dim=-1), space, shape="convex", seed=0)
    np.testing.assert_allclose(found.point, [0.2, 0.0, 0.8], atol=1e-12)


def test_the_strategy_finds_the_optimum_of_a_law_that_it_knows(world) -> None:
    made = world()
    candidate = Law(form="exponential", n_init=4).ask(made.problem, made.history(24, noise=0.0), 1, seed=0)[0]
    known = best_by_slsqp(lambda X: _truth(X).mean(dim=-1), made.problem.space)
    assert truth(made.problem.space.to_array(candidate.weights)).mean() == pytest.approx(known, abs=1e-4)
    assert candidate.origin == "law"


def test_an_accuracy_is_maximised(world) -> None:
    made = world()
    problem = Problem(made.problem.space, (Metric("m0", "share", "max"),), made.problem.objective)
    space = problem.space
    points = space.sobol(20, seed=2)
    history = _record(space, points, {"m0": 1.0 - 0.5 * np.exp(-5.0 * points[:, 1])})
    weights = Law(form="exponential", n_init=4).ask(problem, history, 1, seed=0)[0].weights
    assert weights["code"] > 0.99


def test_what_is_pending_is_passed_over_for_the_next_best_mixture(world) -> None:
    made = world()
    asked = Law(n_init=4).ask(made.problem, made.history(12), 3, seed=0)
    points = made.problem.space.to_arrays([candidate.weights for candidate in asked])
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(points[i] - points[j]).max() >= 0.5 * NEXT_DISTANCE
    assert np.abs(points[0] - points[1:]).max() < 0.1


def test_a_constant_metric_is_no_obstacle(world) -> None:
    made = world()
    points = made.problem.space.sobol(8, seed=1)
    history = _record(made.problem.space, points, {f"m{index}": np.full(8, 2.0) for index in range(3)})
    (candidate,) = Law(n_init=4).ask(made.problem, history, 1, seed=0)
    made.problem.space.check(candidate.weights, tolerance=1e-9)


def test_faults_name_the_field() -> None:
    assert {fault.where for fault in Law(n_init=-1, starts=0).faults()} == {"n_init", "starts"}


def _truth(X):

    return 2.0 + torch.as_tensor(SCALES) * torch.exp(X @ torch.as_tensor(STEEP).T)


def _record(space, points, losses):
    from bomix.history import History

    return History(
        tuple(
            Record(
                Trial(index, space.to_weights(point), 0, "sobol"),
                Result({name: float(values[index]) for name, values in losses.items()}),
            )
            for index, point in enumerate(points)
        )
    )
