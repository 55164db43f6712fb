from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from bomix.errors import FaultsError
from bomix.laws import formulas
from bomix.laws.forms import LAWS
from bomix.laws.formulas import FLOOR
from bomix.laws.law import NO_DOMAIN, own_domains, own_weights

D, M, N = 4, 3, 6
OWN = torch.tensor([0, 2, NO_DOMAIN])
RNG = np.random.default_rng(5)
WEIGHTS = RNG.dirichlet(np.ones(D), size=N)
WEIGHTS[0] = [0.0, 1.0, 0.0, 0.0]
ONE = {name: RNG.uniform(0.1, 0.9, size=M) for name in ("c", "k", "e", "b", "A", "alpha", "L", "n")}
EACH = {name: RNG.uniform(0.1, 0.9, size=(M, D)) for name in ("t", "W", "a", "n0", "gamma")}

Loss = Callable[[np.ndarray, int], float]
BY_HAND: dict[str, tuple[Loss, tuple[str, ...]]] = {
    "exponential": (lambda w, j: ONE["c"][j] + ONE["k"][j] * np.exp(np.dot(EACH["t"][j], w)), ("c", "k", "t")),
    "log_linear": (lambda w, j: np.exp(ONE["c"][j]) + np.exp(np.dot(EACH["t"][j], w)), ("c", "t")),
    "effective_power": (
        lambda w, j: ONE["c"][j] + ONE["k"][j] / (ONE["e"][j] + np.dot(EACH["t"][j], w)) ** ONE["b"][j],
        ("c", "k", "e", "t", "b"),
    ),
    "additive": (
        lambda w, j: ONE["b"][j] + sum(EACH["W"][j, i] * (w[i] + FLOOR) ** EACH["a"][j, i] for i in range(D)),
        ("b", "W", "a"),
    ),
    "autoscale": (
        lambda w, j: (
            ONE["L"][j] + sum((EACH["n0"][j, i] + ONE["n"][j] * w[i]) ** -EACH["gamma"][j, i] for i in range(D))
        ),
        ("L", "n", "n0", "gamma"),
    ),
}


def random_params(name: str, *lead: int, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    law = LAWS[name]
    flat = 0.7 * torch.randn(*lead, M, law.size(D), generator=generator, dtype=torch.float64)
    centre, spread = law.prior(D, OWN)
    return law.unflat(centre + spread * flat, D)


@pytest.mark.parametrize("name", BY_HAND)
def test_formulas_agree_with_numpy(name: str) -> None:
    by_hand, names = BY_HAND[name]
    parameters = [torch.as_tensor({**ONE, **EACH}[key]) for key in names]
    found = getattr(formulas, name)(torch.as_tensor(WEIGHTS), *parameters)
    np.testing.assert_allclose(found, [[by_hand(w, j) for j in range(M)] for w in WEIGHTS], rtol=1e-12)


def test_own_weight_formulas_agree_with_numpy() -> None:
    own = own_weights(torch.as_tensor(WEIGHTS), OWN)
    np.testing.assert_array_equal(own, np.stack([WEIGHTS[:, 0], WEIGHTS[:, 2], np.ones(N)], axis=1))
    c, k, A, alpha = (torch.as_tensor(ONE[name]) for name in ("c", "k", "A", "alpha"))
    t = torch.as_tensor(EACH["t"][:, 0])
    np.testing.assert_allclose(
        formulas.own_exponential(own, c, k, t), ONE["c"] + ONE["k"] * np.exp(own.numpy() * t.numpy())
    )
    np.testing.assert_allclose(formulas.bimix(own, A, alpha), ONE["A"] / (own.numpy() + FLOOR) ** ONE["alpha"])


def test_bimix_at_zero_is_its_value_at_the_floor_and_constant_without_a_domain() -> None:
    law, params = LAWS["bimix"], random_params("bimix")
    natural = law.natural(params, OWN, D)
    values = law(torch.tensor([[0.0, 0.5, 0.0, 0.5], [0.3, 0.2, 0.1, 0.4]], dtype=torch.float64), params, OWN)
    torch.testing.assert_close(values[0, :2], (natural["A"] * FLOOR ** -natural["alpha"])[:2])
    assert values[0, 2] == values[1, 2]


def test_own_domains_match_by_name_unless_told_otherwise() -> None:
    domains, metrics = ("books", "code", "web"), ("web", "books", "hellaswag")
    assert own_domains(domains, metrics).tolist() == [2, 0, NO_DOMAIN]
    assert own_domains(domains, metrics, {"hellaswag": "web", "books": "code"}).tolist() == [2, 1, 2]


def test_own_domains_names_every_stray() -> None:
    with pytest.raises(FaultsError) as caught:
        own_domains(("books", "code"), ("books",), {"boks": "code", "books": "cod"})
    assert [fault.where for fault in caught.value.faults] == ["own.boks", "own.books"]
    assert "did you mean 'code'" in str(caught.value)


@pytest.mark.parametrize("name", LAWS)
def test_flat_parameters_come_back(name: str) -> None:
    law, params = LAWS[name], random_params(name, 2)
    flat = law.flat(params)
    assert flat.shape == (2, M, law.size(D))
    assert all(torch.equal(value, params[key]) for key, value in law.unflat(flat, D).items())


@pytest.mark.parametrize("name", LAWS)
def test_leading_dimensions_are_samples(name: str) -> None:
    law, params, weights = LAWS[name], random_params(name, 2), torch.as_tensor(WEIGHTS)
    both = law(weights, params, OWN)
    assert both.shape == (2, N, M)
    for index in range(2):
        one = law(weights, {key: value[index] for key, value in params.items()}, OWN)
        torch.testing.assert_close(both[index], one)


@pytest.mark.parametrize("name", [law.name for law in LAWS.values() if law.level is not None])
def test_the_level_is_the_value_at_the_uniform_mixture(name: str) -> None:
    law, params = LAWS[name], random_params(name)
    uniform = torch.full((1, D), 1.0 / D, dtype=torch.float64)
    torch.testing.assert_close(law(uniform, params, OWN)[0], params[str(law.level)])


@pytest.mark.parametrize("name", LAWS)
def test_gradients_are_finite_at_vertices(name: str) -> None:
    weights = torch.eye(D, dtype=torch.float64, requires_grad=True)
    params = {key: value.requires_grad_() for key, value in random_params(name).items()}
    LAWS[name](weights, params, OWN).square().sum().backward()  # type: ignore[no-untyped-call]
    for leaf in (weights, *params.values()):
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()


@pytest.mark.parametrize("name", LAWS)
def test_permuting_domains_permutes_values_and_starts(name: str) -> None:
    law, order = LAWS[name], torch.tensor([2, 0, 3, 1])
    place = order.argsort()
    own = torch.where(OWN >= 0, place[OWN.clamp_min(0)], NO_DOMAIN)
    slopes = torch.as_tensor(RNG.normal(size=(M, D)))
    first = law.init(D, M, seed=3, starts=5, own=OWN, slopes=slopes)
    second = law.init(D, M, seed=3, starts=5, own=own, slopes=slopes[:, order])
    for key, kind in law.parameters.items():
        assert torch.equal(second[key], first[key][..., order] if kind.per_domain else first[key])
    weights = torch.as_tensor(WEIGHTS)
    torch.testing.assert_close(law(weights[:, order], second, own), law(weights, first, OWN))


@pytest.mark.parametrize("name", LAWS)
def test_the_first_start_is_the_centre_of_the_prior(name: str) -> None:
    law = LAWS[name]
    centre, spread = law.prior(D, OWN)
    assert torch.equal(law.flat(law.init(D, M, seed=0, starts=3, own=OWN))[0], centre)
    assert (spread > 0).all()


@pytest.mark.parametrize("name", LAWS)
def test_units_make_metrics_comparable(name: str) -> None:
    Y = torch.tensor([[3.0, -2.0, 5.0], [5.0, torch.nan, 5.0], [4.0, -6.0, 5.0]], dtype=torch.float64)
    origin, unit = LAWS[name].units(Y)
    standard = (Y - origin) / unit
    mean, sd = standard.nanmean(dim=0), standard[:, 0].std()
    if LAWS[name].level is None:
        torch.testing.assert_close(mean, torch.ones(3).double())
    else:
        torch.testing.assert_close(mean, torch.zeros(3).double())
        assert sd == pytest.approx(1.0)
