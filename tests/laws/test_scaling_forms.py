"""Laws of mixture and scale as fits see them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from bomix.laws import scaling
from bomix.laws.fit import fit_rows
from bomix.laws.scaling_forms import SCALING_LAWS, SIZES
from bomix.testing.known import mixtures

D, M = 3, 2
OWN = torch.tensor([0, 1])
WEIGHTS = torch.as_tensor(mixtures(40, D, seed=2))
LOGS = torch.as_tensor(np.random.default_rng(3).uniform(-3.0, 0.0, (len(WEIGHTS), SIZES)))
ROWS = torch.cat([WEIGHTS, LOGS], dim=-1)


@pytest.fixture(params=sorted(SCALING_LAWS))
def law(request):
    return SCALING_LAWS[request.param]


def drawn(law, seed: int = 0):
    centre, width = law.prior(D + SIZES, OWN)
    step = torch.as_tensor(np.random.default_rng(seed).normal(size=centre.shape))
    return law.unflat(centre + 0.5 * width * step, D + SIZES)


def test_the_level_is_the_value_at_uniform_and_the_reference(law):
    if law.level is None:
        pytest.skip("has no level")
    params = drawn(law)
    uniform = torch.tensor([[1.0 / D] * D + [0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(law(uniform, params, OWN)[0], params[law.level])


def test_losses_fall_with_parameters_and_tokens(law):
    params = drawn(law)
    for axis in (-2, -1):
        more = ROWS.clone()
        more[:, axis] += 1.0
        assert (law(more, params, OWN) <= law(ROWS, params, OWN) + 1e-12).all()


def test_parameters_by_name_and_as_a_vector_are_the_same_and_domains_have_no_more_of_them(law):
    params = drawn(law)
    flat = law.flat(params)
    assert flat.shape == (M, law.size(D + SIZES))
    assert all(torch.equal(params[name], value) for name, value in law.unflat(flat, D + SIZES).items())
    assert {value.shape[-1] for name, value in params.items() if law.parameters[name].per_domain} <= {D}


def test_gradients_at_zero_weights_are_finite(law):
    vertex = torch.cat([torch.eye(D, dtype=torch.float64), torch.zeros(D, SIZES).double()], dim=-1).requires_grad_()
    value = law(vertex, drawn(law), OWN)
    assert torch.autograd.grad(value.sum(), vertex)[0].isfinite().all()


def test_it_survives_pickling(law):
    assert pickle.loads(pickle.dumps(law)) is law


def test_the_additive_one_is_the_published_formula_in_units_of_the_reference():
    law = SCALING_LAWS["additive"]
    natural = law.natural(params := drawn(law), OWN, D + SIZES)
    sizes = LOGS.exp().unbind(dim=-1)
    torch.testing.assert_close(law(ROWS, params, OWN), scaling.additive_over_scale(WEIGHTS, *sizes, **natural))


def test_without_parameters_bimix_over_scale_is_its_two_factors():
    natural = SCALING_LAWS["bimix"].natural(drawn(SCALING_LAWS["bimix"]), OWN, D + SIZES)
    natural["B_params"] = torch.zeros_like(natural["B_params"])
    found = scaling.bimix_over_scale(WEIGHTS[:, :M], *LOGS.exp().unbind(dim=-1), **natural)
    two = [natural[name] for name in ("A", "alpha", "B", "beta", "C")]
    torch.testing.assert_close(found, scaling.bimix_over_steps(WEIGHTS[:, :M], LOGS[:, 1].exp(), *two))


def test_optima_of_autoscale_follow_its_recurrence():
    k, gamma = (torch.as_tensor(np.random.default_rng(5).uniform(0.2, 0.9, (1, D))) for _ in range(2))
    zero = torch.zeros(1, dtype=torch.float64)
    optima = []
    for price in (1.0, 0.1, 0.01):
        # Where the last token of every domain lowers the loss by the same, there is no better mixture of them.
        tokens = (gamma * k / price) ** (1.0 / (gamma + 1.0))
        weights = (tokens / tokens.sum()).requires_grad_()
        loss = scaling.autoscale_over_scale(
            weights,
            torch.ones(1).double(),
            tokens.sum().reshape(1),
            L=zero,
            k=k,
            n0=1e-12 + 0 * k,
            gamma=gamma,
            A=zero,
            alpha=zero,
        )
        (slope,) = torch.autograd.grad(loss.sum(), weights)
        assert (slope.max() - slope.min()).abs() < 1e-6 * slope.abs().max()
        optima.append(weights.detach()[0])
    torch.testing.assert_close(optima[2], scaling.next_optimum(optima[0], optima[1]))


def test_a_fit_finds_the_law_that_made_the_runs_at_a_scale_that_it_has_not_seen(law):
    truth = drawn(law, seed=1)
    noise = 0.002 * torch.as_tensor(np.random.default_rng(6).normal(size=(len(ROWS), M)))
    found = fit_rows(law, ROWS, law(ROWS, truth, OWN) + noise, OWN, seed=0, starts=4)
    above = torch.cat([WEIGHTS[:10], torch.full((10, SIZES), 0.7).double()], dim=-1)
    error = found.best(above) - law(above, truth, OWN)
    assert error.abs().max() < 0.05 * law(ROWS, truth, OWN).std()
