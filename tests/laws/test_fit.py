from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from bomix.contracts.context import FitContext
from bomix.errors import UnknownKindError
from bomix.laws.fit import FittedLaw, find, fit, fit_rows
from bomix.laws.fit_data import jacobian_of
from bomix.laws.forms import LAWS
from bomix.laws.law import own_domains
from bomix.space.mixture_space import MixtureSpace
from tests.known.planted import Planted

Plant = Callable[..., Planted]
UNSEEN = torch.as_tensor(MixtureSpace(("books", "code", "maths", "web")).sobol(200, seed=99))
LEVELLED = [law.name for law in LAWS.values() if law.level is not None]


def fitted(name: str, runs: Planted, Y: Tensor | None = None, *, starts: int = 2) -> FittedLaw:
    return fit(name, runs.X, runs.Y if Y is None else Y, context=runs.context, seed=0, starts=starts)


def miss(law: FittedLaw, runs: Planted) -> float:
    """Largest root mean square error over the metrics, in standard deviations of the metric."""
    error = (law(UNSEEN) - runs.truth(UNSEEN)) / runs.sd
    return float(error.square().mean(dim=0).sqrt().max())


@pytest.mark.parametrize(("noise", "allowed"), [(0.0, 0.01), (0.05, 0.04)])
@pytest.mark.parametrize("name", LAWS)
def test_each_law_recovers_its_own_predictions(planted: Plant, name: str, noise: float, allowed: float) -> None:
    runs = planted(name, 100, noise=noise, seed=3)
    # Different parameters of AutoScale are all but the same function; the priors choose among them.
    assert miss(fitted(name, runs), runs) < max(allowed, 0.03 * (name == "autoscale"))


def test_identifiable_parameters_are_recovered() -> None:
    space = MixtureSpace(("a", "b", "c"))
    X = torch.as_tensor(space.sobol(150, seed=1))
    context = FitContext(space, ("b",))
    weight = X[:, 1:2]
    bimix = fit("bimix", X, 3.2 / (weight + 1e-3) ** 0.17, context=context, seed=0)
    natural = bimix.parameters(3)
    assert float(natural["A"] * bimix.unit) == pytest.approx(3.2, rel=1e-3)
    assert float(natural["alpha"]) == pytest.approx(0.17, rel=1e-3)
    own = fit("own_exponential", X, 2.0 + 1.5 * torch.exp(-6.0 * weight), context=context, seed=0)
    natural = own.parameters(3)
    assert float(natural["t"]) == pytest.approx(-6.0, rel=1e-2)
    assert float(own.origin + own.unit * natural["c"]) == pytest.approx(2.0, abs=0.01)
    assert float(own.unit * natural["k"]) == pytest.approx(1.5, abs=0.02)


@pytest.mark.parametrize("name", [name for name in LAWS if LAWS[name].mirrored])
def test_a_metric_that_rises_is_the_law_of_its_negative(planted: Plant, name: str) -> None:
    runs = planted(name, 80, seed=4)
    upright, mirrored = fitted(name, runs), fitted(name, runs, 1.0 - runs.Y)
    assert (upright.unit[:2] > 0).all()
    assert (mirrored.unit[:2] < 0).all()
    assert ((mirrored(UNSEEN) - 1.0 + upright(UNSEEN)) / runs.sd).abs().max() < 0.02


def test_a_few_wild_runs_do_not_bend_the_law(planted: Plant) -> None:
    runs = planted("effective_power", 80, noise=0.02)
    Y = runs.Y.clone()
    Y[[3, 40, 60]] += 8.0 * runs.sd
    assert miss(fitted("effective_power", runs, Y), runs) < 0.05


@pytest.mark.parametrize("name", LEVELLED)
def test_units_of_the_metrics_do_not_matter(planted: Plant, name: str) -> None:
    runs = planted(name, 40, noise=0.05)
    first, second = fitted(name, runs), fitted(name, runs, 7.0 + 20.0 * runs.Y)
    torch.testing.assert_close(second(UNSEEN), 7.0 + 20.0 * first(UNSEEN), atol=0.02, rtol=1e-3)


@pytest.mark.parametrize("name", LAWS)
def test_a_missing_metric_is_the_same_as_a_missing_run(planted: Plant, name: str) -> None:
    runs = planted(name, 40, noise=0.05)
    Y = runs.Y.clone()
    Y[::4, 1] = torch.nan
    kept = torch.arange(40) % 4 != 0
    alone = fit(
        name, runs.X[kept], runs.Y[kept][:, 1:2], context=replace(runs.context, metrics=("code",)), seed=0, starts=2
    )
    torch.testing.assert_close(fitted(name, runs, Y)(UNSEEN)[:, 1], alone(UNSEEN)[:, 0], atol=2e-3, rtol=0.0)


@pytest.mark.parametrize("name", LAWS)
def test_the_order_of_runs_and_domains_does_not_matter(planted: Plant, name: str) -> None:
    runs = planted(name, 40, noise=0.05)
    rows, columns = torch.randperm(40, generator=torch.Generator().manual_seed(1)), torch.tensor([2, 0, 3, 1])
    own = own_domains(runs.context.domains, runs.context.metrics)
    moved = torch.where(own >= 0, columns.argsort()[own.clamp_min(0)], own)
    first = fit_rows(LAWS[name], runs.X, runs.Y, own, seed=0, starts=2).best
    second = fit_rows(LAWS[name], runs.X[rows][:, columns], runs.Y[rows], moved, seed=0, starts=2).best
    torch.testing.assert_close(second(UNSEEN[:, columns]), first(UNSEEN), atol=1e-3, rtol=0.0)


def test_the_same_runs_and_seed_give_the_same_law_whatever_the_generators_state(planted: Plant) -> None:
    runs = planted("effective_power", 30, noise=0.05)
    torch.manual_seed(1)
    first = fitted("effective_power", runs)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert torch.equal(first.flat, fitted("effective_power", runs).flat)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", LAWS)
def test_few_runs_have_a_defined_law(planted: Plant, name: str) -> None:
    none, one, two = (fitted(name, planted(name, n)) for n in (0, 1, 2))
    assert (none(UNSEEN) == 0).all()
    torch.testing.assert_close(one(UNSEEN), planted(name, 1).Y.expand(200, 3))
    assert two(UNSEEN).isfinite().all()
    assert (torch.stack([none.noise, one.noise]) == 1.0).all()
    assert (two.noise > 0).all()


@pytest.mark.parametrize("name", LAWS)
def test_constant_and_absent_metrics_are_constants(planted: Plant, name: str) -> None:
    runs = planted(name, 12, noise=0.05)
    Y = runs.Y.clone()
    Y[:, 0], Y[:, 2] = 3.5, torch.nan
    law = fitted(name, runs, Y)
    torch.testing.assert_close(law(UNSEEN)[:, 0], torch.full((200,), 3.5).double())
    assert (law(UNSEEN)[:, 2] == 0).all()
    assert law.noise[[0, 2]].tolist() == [1.0, 1.0]


def test_predictions_are_differentiable_and_keep_batches(planted: Plant) -> None:
    runs = planted("effective_power", 20, noise=0.05)
    law = fitted("effective_power", runs)
    X = torch.eye(4).double().reshape(2, 2, 4).requires_grad_()
    values = law(X)
    assert values.shape == (2, 2, 3)
    values.sum().backward()  # type: ignore[no-untyped-call]
    assert X.grad is not None
    assert X.grad.isfinite().all()
    assert (X.grad != 0).any()


@pytest.mark.parametrize("name", LAWS)
def test_jacobians_agree_with_automatic_differentiation(planted: Plant, name: str) -> None:
    runs = planted(name, 6, noise=0.05)
    own = own_domains(runs.context.domains, runs.context.metrics)
    found = fit_rows(LAWS[name], runs.X, runs.Y, own, seed=0, starts=2)
    full = torch.autograd.functional.jacobian(lambda z: found.rows.predict(z) / found.rows.spread, found.z)
    ours = jacobian_of(found.rows, found.z)
    torch.testing.assert_close(ours, torch.stack([full[:, j, j] for j in range(3)]))


def test_an_unknown_law_names_the_closest() -> None:
    with pytest.raises(UnknownKindError, match="did you mean 'bimix'"):
        find("bimx")
