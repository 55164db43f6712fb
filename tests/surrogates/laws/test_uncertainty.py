from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from botorch.utils.datasets import SupervisedDataset
from torch import Tensor

from bomix.contracts.context import FitContext
from bomix.laws.epochs import CONVEX, epochs
from bomix.laws.fit import Fit, fit_rows
from bomix.laws.forms import LAWS
from bomix.laws.law import own_domains
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.laws.spec import LawRegression
from bomix.surrogates.laws.uncertainty import BootstrapLaw, LaplaceLaw
from bomix.surrogates.models.joint import JointModel
from tests.known.planted import Planted

Plant = Callable[..., Planted]
METRICS = 24


def fitted(name: str, runs: Planted, Y: Tensor | None = None) -> Fit:
    own = own_domains(runs.context.domains, runs.context.metrics)
    return fit_rows(LAWS[name], runs.X, runs.Y if Y is None else Y, own, seed=0, starts=1)


def model(kind: str, found: Fit) -> JointModel:
    if kind == "laplace":
        return LaplaceLaw(found, seed=0)
    return BootstrapLaw(found, samples=24, seed=0)


@pytest.mark.parametrize("kind", ["laplace", "bootstrap"])
@pytest.mark.parametrize("name", ["effective_power", "exponential"])
def test_intervals_cover_new_runs_of_the_law_itself(planted: Plant, name: str, kind: str) -> None:
    runs = planted(name, 40, m=METRICS, noise=0.1, seed=7)
    unseen = torch.as_tensor(runs.context.space.sobol(60, seed=50))
    noise = 0.1 * runs.sd * torch.randn(60, METRICS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    mean, covariance = model(kind, fitted(name, runs)).moments(unseen.unsqueeze(-2), True)
    sd = covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    inside = (mean.squeeze(-2) - runs.truth(unseen) - noise).abs() < 1.96 * sd
    assert 0.92 < inside.double().mean() < 0.99


@pytest.mark.parametrize("kind", ["laplace", "bootstrap"])
def test_the_spread_of_a_sum_knows_that_noise_is_shared(planted: Plant, kind: str) -> None:
    ratios = []
    for seed in range(2):
        runs = planted("effective_power", 40, m=8, noise=0.1, seed=seed, shared=0.8)
        found = fitted("effective_power", runs)
        _, covariance = model(kind, found).moments(runs.X[:10].unsqueeze(-2), True)
        weight = 1.0 / runs.sd
        alone = (covariance.diagonal(dim1=-2, dim2=-1) * weight.square()).sum(dim=-1)
        ratios.append((torch.einsum("bij,i,j->b", covariance, weight, weight) / alone).mean())
    # With a correlation of 0.8 the variance of the sum of 8 is 1 + 7 x 0.8 = 6.6 times that without.
    assert 4.0 < torch.stack(ratios).mean() < 8.0


@pytest.mark.parametrize("kind", ["laplace", "bootstrap"])
def test_covariances_are_symmetric_and_positive_definite(planted: Plant, kind: str) -> None:
    runs = planted("effective_power", 20, noise=0.05)
    X = torch.cat([torch.eye(4).double(), runs.X[:1], runs.X[:1]]).expand(2, 6, 4)
    mean, covariance = model(kind, fitted("effective_power", runs)).moments(X)
    assert (mean.shape, covariance.shape) == ((2, 6, 3), (2, 18, 18))
    torch.testing.assert_close(covariance, covariance.mT)
    assert torch.linalg.eigvalsh(covariance).min() > 0


def test_the_linearised_variance_is_that_of_its_closed_form(planted: Plant) -> None:
    runs = planted("log_linear", 30, noise=0.1)
    found = fitted("log_linear", runs)
    law = LaplaceLaw(found, seed=0)
    rows, j, x = found.rows, 1, runs.X[:1]

    def predict(z: Tensor) -> Tensor:
        return found.samples(z)(x)[0, j]

    slope = torch.autograd.functional.jacobian(predict, found.z)[j]
    full = torch.autograd.functional.jacobian(lambda z: rows.predict(z)[:, j] / rows.spread[j], found.z)[:, j]
    ratio = rows.residuals(found.z)[:, j].abs() / found.log_noise[j].exp()
    weight = (1.345 / ratio).clamp_max(1.0) / torch.exp(2.0 * found.log_noise[j])
    precision = full.mT @ (weight.unsqueeze(-1) * full) + torch.eye(full.shape[-1]).double()
    expected = slope @ torch.linalg.inv(precision) @ slope * law.residuals.inflation[j] ** 2
    _, covariance = law.moments(x)
    torch.testing.assert_close(covariance[j, j] - law.residuals.error[j, j], expected)


def test_held_out_predictions_are_worse_than_seen_ones_and_close_to_refits(planted: Plant) -> None:
    runs = planted("effective_power", 30, noise=0.1, seed=2)
    found = fitted("effective_power", runs)
    held = LaplaceLaw(found, seed=0).leave_one_out()
    assert (held.mean.shape, held.covariance.shape) == ((30, 3), (30, 3, 3))
    seen = (found.best(runs.X) - runs.Y).square().mean(dim=0)
    assert ((held.mean - runs.Y).square().mean(dim=0) > seen).all()
    assert ((held.mean - runs.Y) / runs.sd).square().mean().sqrt() < 0.3


@pytest.mark.parametrize("kind", ["laplace", "bootstrap"])
def test_the_order_of_runs_and_domains_does_not_change_the_belief(planted: Plant, kind: str) -> None:
    runs = planted("effective_power", 24, noise=0.1)
    rows, columns = torch.arange(24).flip(0), torch.tensor([2, 0, 3, 1])
    own = own_domains(runs.context.domains, runs.context.metrics)
    moved = torch.where(own >= 0, columns.argsort()[own.clamp_min(0)], own)
    law, unseen = LAWS["effective_power"], torch.eye(4).double().unsqueeze(-2)
    first = model(kind, fit_rows(law, runs.X, runs.Y, own, seed=0))
    second = model(kind, fit_rows(law, runs.X[rows][:, columns], runs.Y[rows], moved, seed=0))
    for one, other in zip(first.moments(unseen), second.moments(unseen[..., columns]), strict=True):
        torch.testing.assert_close(one, other, atol=2e-3, rtol=2e-2)


def test_errors_of_a_loss_and_of_its_mirror_image_are_opposite(planted: Plant) -> None:
    runs = planted("effective_power", 40, m=2, noise=0.1, shared=0.9)
    Y = runs.Y * torch.tensor([1.0, -1.0])
    found, mirrored = fitted("effective_power", runs), fitted("effective_power", runs, Y)
    assert (mirrored.best.unit * torch.tensor([1.0, -1.0]) > 0).all()
    _, covariance = LaplaceLaw(found, seed=0).moments(runs.X[:1])
    _, opposite = LaplaceLaw(mirrored, seed=0).moments(runs.X[:1])
    assert covariance[0, 1] > 0.3 * (covariance[0, 0] * covariance[1, 1]).sqrt()
    torch.testing.assert_close(opposite[0, 1], -covariance[0, 1], rtol=0.2, atol=0.0)


def test_intervals_of_the_law_in_epochs_hold_what_they_say_of_planted_runs() -> None:
    names, passes = tuple(f"d{index}" for index in range(8)), 40.0 ** torch.linspace(-0.5, 1.0, 8).double()
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    parts = {"rho": 0.3 + draw(4), "kappa": 0.6 + 0.4 * draw(4), "tau": 1.0 + draw(4), "floor": draw(4), "c": draw(4)}
    planted = {**parts, "alpha": 0.4 * draw(4, 8), "beta": 0.1 * draw(4, 8)}
    space = MixtureSpace(names)
    X = torch.as_tensor(space.sobol(300, seed=0))
    Y = epochs(X * passes, planted, harm=CONVEX)
    Y = Y + 0.05 * Y.std(dim=0) * torch.randn(Y.shape, generator=generator, dtype=torch.float64)
    metrics = ("a", "b", "c", "d")
    context = FitContext(space, metrics, passes=dict(zip(names, passes.tolist(), strict=True)))
    data = SupervisedDataset(X[:40], Y[:40], feature_names=list(names), outcome_names=list(metrics))
    with torch.no_grad():
        posterior = LawRegression("epochs", starts=4).fit(data, context=context, seed=0).posterior(X[40:, None])
    ratio = (posterior.mean.squeeze(-2) - Y[40:]).abs() / posterior.variance.squeeze(-2).sqrt()
    assert 0.85 < (ratio < 1.645).double().mean() < 0.99
    assert ((posterior.mean.squeeze(-2) - Y[40:]).std(dim=0) < 0.25 * Y.std(dim=0)).all()
