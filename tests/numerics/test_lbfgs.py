from __future__ import annotations

import itertools

import numpy as np
import torch
from scipy.optimize import minimize as scipy_minimize
from scipy.optimize import rosen, rosen_der

from bomix.numerics.lbfgs import minimize


def rosenbrock(points, _):
    rows = points.numpy()
    values = np.array([rosen(row) for row in rows])
    return torch.as_tensor(values), torch.as_tensor(np.array([rosen_der(row) for row in rows]))


def test_each_problem_of_a_batch_reaches_its_own_minimum():
    starts = torch.as_tensor(np.random.default_rng(0).normal(size=(6, 4)))
    end = minimize(rosenbrock, starts, max_evaluations=400, tolerance=1e-8)
    for start, x, value in zip(starts, end.x, end.value, strict=True):
        alone = scipy_minimize(rosen, start.numpy(), jac=rosen_der, method="L-BFGS-B", options={"ftol": 1e-15})
        assert value <= alone.fun + 1e-9
        np.testing.assert_allclose(x, alone.x, atol=1e-3)


def test_the_path_of_a_problem_does_not_depend_on_its_neighbours():
    starts = torch.as_tensor(np.random.default_rng(1).normal(size=(3, 4)))
    together = minimize(rosenbrock, starts, max_evaluations=50)
    alone = minimize(rosenbrock, starts[1:2], max_evaluations=50)
    torch.testing.assert_close(together.x[1], alone.x[0], rtol=1e-9, atol=1e-9)


def test_values_that_are_no_numbers_are_stepped_back_from():
    def function(x, _):
        value = torch.where(x < 0.0, torch.nan, x - x.clamp_min(1e-300).log()).sum(dim=-1)
        return value, torch.where(x < 0.0, torch.nan, 1.0 - 1.0 / x)

    end = minimize(function, torch.tensor([[0.01], [30.0]], dtype=torch.float64), tolerance=1e-8, max_step=100.0)
    torch.testing.assert_close(end.x, torch.ones(2, 1, dtype=torch.float64), rtol=1e-5, atol=0.0)


def test_each_point_comes_with_its_problem_and_what_has_ended_is_not_asked_for_again():
    centres = torch.as_tensor(np.random.default_rng(2).normal(size=(5, 3)))
    curvatures = torch.tensor([1.0, 1e3, 1.0, 10.0, 1.0], dtype=torch.float64)
    start = centres.clone()
    start[[1, 3]] += torch.tensor([1.0, -2.0, 0.3], dtype=torch.float64)
    asked = []

    def function(points, rows):
        asked.append(rows.tolist())
        apart = points - centres[rows]
        scales = curvatures[rows].unsqueeze(-1) * torch.tensor([1.0, 3.0, 10.0])
        return 0.5 * (scales * apart.square()).sum(dim=-1), scales * apart

    end = minimize(function, start, tolerance=1e-8)
    torch.testing.assert_close(end.x, centres, rtol=1e-6, atol=1e-6)
    assert asked[0] == [0, 1, 2, 3, 4]
    assert asked[1] == [1, 3], "three of them start where they end"
    assert all(set(later) <= set(earlier) for earlier, later in itertools.pairwise(asked))
