from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from bomix.optimization.multistart import Search, best_of, optimize
from bomix.space.mixture_space import MixtureSpace
from bomix.space.weights import SAME_MIXTURE, is_among


class Quadratic(torch.nn.Module):
    """``-|w - centre|^2``, scaled by axis."""

    def __init__(self, centre, axes=None):
        super().__init__()
        self.centre = torch.as_tensor(centre)
        self.axes = torch.ones_like(self.centre) if axes is None else torch.as_tensor(axes)

    def forward(self, X):
        return -(self.axes * (X.squeeze(-2) - self.centre).square()).sum(dim=-1)


class Ripples(torch.nn.Module):
    """Many local optima."""

    def forward(self, X):
        w = X.squeeze(-2)
        return torch.cos(9.0 * w).sum(dim=-1) + (w * torch.arange(w.shape[-1])).sum(dim=-1)


@pytest.mark.parametrize("d", [2, 5, 30])
def test_the_optimum_of_a_quadratic_is_its_projection(d):
    rng = np.random.default_rng(d)
    names = [f"d{i:02d}" for i in range(d)]
    space = MixtureSpace(names, upper={names[0]: 0.3}, lower={names[1]: 0.02})
    centre = rng.normal(size=d) * 0.4
    found = optimize(Quadratic(centre), space, seed=0)
    np.testing.assert_allclose(found, space.snap(space.project(centre)), atol=1e-4)


def test_faces_and_vertices_are_reached_exactly():
    space = MixtureSpace(tuple("abcd"))
    np.testing.assert_array_equal(optimize(Quadratic([2.0, 0.0, 0.0, 0.0]), space, seed=0), [1.0, 0.0, 0.0, 0.0])
    face = optimize(Quadratic([0.5, 0.7, -0.6, -0.6], [1.0, 50.0, 3.0, 1.0]), space, seed=0)
    assert (face[2:] == 0.0).all()


@pytest.mark.parametrize("d", [3, 6])
def test_it_beats_a_dense_search(d):
    space = MixtureSpace([f"d{i}" for i in range(d)], upper={"d0": 0.6})
    dense = torch.as_tensor(space.sobol(2**14, seed=1)).unsqueeze(1)
    best = Ripples()(dense).max().item()
    found = optimize(Ripples(), space, seed=0)
    assert Ripples()(torch.as_tensor(found)[None, None]).item() >= best - 1e-6


def test_it_agrees_with_slsqp_on_a_skewed_quadratic():
    rng = np.random.default_rng(0)
    space, centre, axes = (
        MixtureSpace([f"d{i}" for i in range(8)]),
        rng.normal(size=8) * 0.2,
        10.0 ** rng.uniform(0, 3, 8),
    )
    found = optimize(Quadratic(centre, axes), space, seed=0)
    exact = minimize(
        lambda w: (axes * (w - centre) ** 2).sum(),
        space.uniform(),
        method="SLSQP",
        bounds=space.bounds.T,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert (axes * (found - centre) ** 2).sum() <= exact.fun * (1 + 1e-3)


def test_candidates_are_feasible_new_and_the_same_every_time():
    names = [f"d{i}" for i in range(6)]
    space = MixtureSpace(names, lower={"d1": 0.05}, upper={"d0": 0.2}, at_least={"d3": 0.1})
    avoid = np.empty((0, 6))
    for _ in range(4):
        found = optimize(Ripples(), space, seed=3, avoid=avoid, near=avoid)
        np.testing.assert_array_equal(found, optimize(Ripples(), space, seed=3, avoid=avoid, near=avoid))
        assert abs(found.sum() - 1.0) <= 1e-9
        assert (found >= space.lower_array - 1e-9).all()
        assert (found <= space.upper_array + 1e-9).all()
        assert found[3] == 0.0 or found[3] >= 0.1 - 1e-9
        assert not is_among(found, avoid)
        avoid = np.concatenate([avoid, found[None]])


def test_a_space_of_one_point_gives_it_again():
    space = MixtureSpace(("a", "b"), lower={"a": 0.25}, upper={"a": 0.25})
    only = np.array([[0.25, 0.75]])
    found = optimize(Ripples(), space, seed=0, avoid=only, search=Search(raw=8, starts=2))
    np.testing.assert_allclose(found, only[0], atol=SAME_MIXTURE)


def test_a_weight_leaves_its_cap_and_reaches_it():
    space = MixtureSpace(tuple("abcd"), upper={"a": 0.3, "b": 0.4}, lower={"d": 0.1})
    for centre in ([0.9, 0.2, 0.0, 0.1], [0.1, 0.9, 0.9, -1.0], [-0.5, 0.45, 0.3, 0.2]):
        found = optimize(Quadratic(centre), space, seed=0, near=space.project(np.array([[1.0, 1.0, 0.0, 0.0]])))
        np.testing.assert_allclose(found, space.project(centre), atol=1e-4)
        assert found.sum() == pytest.approx(1.0, abs=1e-9)


def test_the_map_pulls_gradients_back_as_autograd_would():
    from bomix.optimization.simplex_map import SimplexMap

    space = MixtureSpace(tuple("abcde"), upper={"a": 0.2}, lower={"e": 0.1})
    mapping, rng = SimplexMap(space), np.random.default_rng(0)
    z = torch.as_tensor(rng.normal(size=(6, 5)))
    z[0, 0] = 5.0  # far above its cap
    gradient = torch.as_tensor(rng.normal(size=(6, 5)))
    at = mapping(z)
    np.testing.assert_allclose(at.weights.sum(-1), 1.0, atol=1e-12)
    assert at.capped[0, 0]
    pulled = mapping.unconstrained_gradient(z, at, gradient)
    for i in range(5):
        step = torch.zeros_like(z)
        step[:, i] = 1e-6
        change = ((mapping(z + step).weights - mapping(z - step).weights) * gradient).sum(-1) / 2e-6
        torch.testing.assert_close(pulled[:, i], change, atol=1e-6, rtol=1e-5)


def test_without_gradients_it_finds_nearly_the_same():
    space, centre = MixtureSpace(tuple("abcde")), [0.3, 0.5, -0.2, 0.1, 0.2]
    found = optimize(Quadratic(centre), space, seed=0, gradients=False)
    np.testing.assert_allclose(found, space.project(centre), atol=0.01)


def test_the_best_of_a_pool_is_one_of_it_and_not_a_busy_one():
    pool = MixtureSpace(tuple("abc")).sobol(50, seed=0)
    quadratic = Quadratic([0.2, 0.3, 0.5])
    order = np.argsort(((pool - [0.2, 0.3, 0.5]) ** 2).sum(-1))
    np.testing.assert_array_equal(best_of(quadratic, pool), pool[order[0]])
    np.testing.assert_array_equal(best_of(quadratic, pool, avoid=pool[order[:2]]), pool[order[2]])
