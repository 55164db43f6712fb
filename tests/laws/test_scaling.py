"""Laws with the scale in them, by closed forms, and where an optimum goes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bomix.laws import scaling

RNG = np.random.default_rng(4)
N, D, M = 5, 3, 2
WEIGHTS = torch.as_tensor(RNG.dirichlet(np.ones(D), N))
PARAMS, TOKENS = torch.as_tensor(RNG.uniform(1e6, 1e9, (2, N)))


def drawn(*shape: int) -> torch.Tensor:
    return torch.as_tensor(RNG.uniform(0.1, 0.9, shape))


PARTS = {
    **{name: drawn(M) for name in ("E", "A", "alpha", "B", "beta")},
    **{name: drawn(M, D) for name in ("C", "gamma")},
}


def by_hand(n: int, j: int, up: float = 0.0, down: float = 0.0) -> float:
    part = {name: values.numpy() for name, values in PARTS.items()}
    w = WEIGHTS[n].numpy()
    mixed = 1.0 / sum(part["C"][j, i] * w[i] ** part["gamma"][j, i] for i in range(D))
    params = part["A"][j] * np.exp(up) / PARAMS[n].item() ** part["alpha"][j]
    tokens = part["B"][j] * np.exp(down) / TOKENS[n].item() ** part["beta"][j]
    return float(part["E"][j] + mixed + params + tokens)


def test_bimix_has_two_factors():
    own, steps = WEIGHTS[:, :M], torch.as_tensor(RNG.uniform(10.0, 1e4, N))
    A, alpha, B, beta, C = (drawn(M) for _ in range(5))
    found = scaling.bimix_over_steps(own, steps, A, alpha, B, beta, C, floor=0.0)
    for n in range(N):
        for j in range(M):
            factor = A[j] / own[n, j] ** alpha[j]
            assert found[n, j].item() == pytest.approx(float(factor * (B[j] / steps[n] ** beta[j] + C[j])))


def test_the_additive_law_is_its_four_terms():
    found = scaling.additive_over_scale(WEIGHTS, PARAMS, TOKENS, **PARTS, floor=0.0)
    assert found.shape == (N, M)
    for n in range(N):
        for j in range(M):
            assert found[n, j].item() == pytest.approx(by_hand(n, j))


def test_the_joint_law_scales_both_powers_by_the_mixture_and_without_that_is_the_additive_one():
    up, down = drawn(M, D), -drawn(M, D)
    found = scaling.joint_over_scale(WEIGHTS, PARAMS, TOKENS, **PARTS, C_params=up, C_tokens=down, floor=0.0)
    for n in range(N):
        for j in range(M):
            expected = by_hand(n, j, float(up[j] @ WEIGHTS[n]), float(down[j] @ WEIGHTS[n]))
            assert found[n, j].item() == pytest.approx(expected)
    none = torch.zeros(M, D, dtype=torch.float64)
    same = scaling.joint_over_scale(WEIGHTS, PARAMS, TOKENS, **PARTS, C_params=none, C_tokens=none)
    torch.testing.assert_close(same, scaling.additive_over_scale(WEIGHTS, PARAMS, TOKENS, **PARTS))


def test_one_size_serves_all_rows_and_slopes_at_zero_weight_are_finite():
    vertex = torch.eye(D, dtype=torch.float64).requires_grad_()
    found = scaling.additive_over_scale(vertex, PARAMS[0], TOKENS[0], **PARTS)
    assert found.shape == (D, M)
    assert torch.autograd.grad(found.sum(), vertex)[0].isfinite().all()


def test_the_third_optimum_is_the_second_squared_over_the_first():
    first, second = WEIGHTS[0], WEIGHTS[1]
    expected = second * second / first
    torch.testing.assert_close(scaling.next_optimum(first, second), expected / expected.sum())
    torch.testing.assert_close(scaling.next_optimum(first, second, 0.0), second)


def test_tokens_that_grow_as_powers_of_compute_are_continued_exactly():
    """Each domain's best tokens are a power of the budget: three budgets in one ratio."""
    powers, heights = torch.tensor([0.3, 0.5, 0.9]).double(), torch.tensor([2.0, 1.0, 0.1]).double()
    tokens = [heights * budget**powers for budget in (1e2, 1e3, 1e4)]
    torch.testing.assert_close(scaling.next_optimum(tokens[0], tokens[1]), tokens[2] / tokens[2].sum())


def test_optima_that_move_with_params_and_tokens_are_found_at_any_scale():
    slopes, level = torch.as_tensor(RNG.normal(size=(2, D))), torch.as_tensor(RNG.normal(size=D))

    def at(scale: torch.Tensor) -> torch.Tensor:
        return (level + scale @ slopes).softmax(dim=-1)

    scales = torch.tensor([[1.0, 1.0], [2.0, 1.0], [2.0, 3.0], [3.0, 3.0]], dtype=torch.float64)
    target = torch.tensor([5.0, 6.0], dtype=torch.float64)
    torch.testing.assert_close(scaling.optimum_at(at(scales), scales, target), at(target))
    # Two scales in line with the target: the recurrence.
    line = torch.tensor([[1.0, 1.0], [2.0, 2.0]], dtype=torch.float64)
    expected = scaling.next_optimum(*at(line))
    torch.testing.assert_close(scaling.optimum_at(at(line), line, torch.tensor([3.0, 3.0]).double()), expected)


def test_a_single_scale_leaves_the_optimum_where_it_is():
    found = scaling.optimum_at(WEIGHTS[:1], torch.ones(1, 2).double(), torch.full((2,), 4.0).double())
    torch.testing.assert_close(found, WEIGHTS[0])
