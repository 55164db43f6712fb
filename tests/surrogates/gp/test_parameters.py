"""A process finds the parameters of its mean together with what the mean leaves over."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from botorch.sampling import SobolQMCNormalSampler
from botorch.utils.datasets import SupervisedDataset
from torch import Tensor

from bomix.contracts.context import FitContext
from bomix.contracts.mean import Feature, Parameters
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.history import History
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies.at_target import IN_EPOCHS, PREDICTING_IN_EPOCHS
from bomix.surrogates.data.dataset import fit_context, to_dataset
from bomix.surrogates.gp.independent import IndependentGPs
from bomix.surrogates.gp.inputs import kernel_context
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.kernels.linear import ParametersCovariance
from bomix.surrogates.kernels.specs import Stationary
from bomix.surrogates.means.effective import EffectiveLaw
from bomix.surrogates.means.law import LawMean
from bomix.trial import Record, Result, Trial
from tests.laws.test_epochs import DOMAINS, UNSEEN, context, drawn

METRICS = ("a", "b")
NINETY = 1.645


def derivatives(X: Tensor) -> Tensor:
    """``(...) x n x m x p`` of predictions that are linear in three parameters of each of two metrics."""
    first = torch.stack([torch.ones_like(X[..., 0]), X[..., 1], X[..., 2].square()], dim=-1)
    return torch.stack([first, first.flip(-1) * 0.5], dim=-2)


@dataclass(frozen=True)
class Linear:
    """``sum_p z_p J_p(w)`` with the parameters ``z``, whichever are given; unseen runs are predicted to be zero."""

    z: tuple[float, float, float]
    slope: float = 0.0

    def predict(self, X: Tensor) -> Tensor:
        return derivatives(X) @ torch.tensor(self.z, dtype=torch.float64)

    def feature(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Feature:
        found = torch.tensor(self.z, dtype=torch.float64).expand(2, 3)
        return Feature(self.predict, torch.zeros_like(data.Y), parameters=Parameters(derivatives, found))


def linear_runs(n: int = 14) -> tuple[SupervisedDataset, FitContext]:
    rng = np.random.default_rng(3)
    X = torch.as_tensor(rng.dirichlet(np.ones(4), n))
    Y = derivatives(X) @ torch.tensor([1.5, -2.0, 0.7], dtype=torch.float64)
    Y = 3.0 + Y + 0.1 * torch.sin(9.0 * X[:, :2]) + 0.05 * torch.as_tensor(rng.normal(size=(n, 2)))
    data = SupervisedDataset(X, Y, feature_names=list(DOMAINS), outcome_names=list(METRICS))
    return data, FitContext(MixtureSpace(DOMAINS), METRICS)


def fitted(z: tuple[float, float, float], runs: tuple[SupervisedDataset, FitContext] | None = None) -> IndependentGPs:
    data, context = runs or linear_runs()
    model = GP(kernels=(Stationary(),), mean=Linear(z), draws=0, restarts=1).fit(data, context=context, seed=0)
    assert isinstance(model, IndependentGPs)
    return model


def test_the_posterior_is_that_of_the_parameters_and_of_what_they_leave_over() -> None:
    """The closed form of two steps: parameters by generalised least squares under their prior, then the process."""
    data, context = linear_runs()
    model = fitted((0.4, -1.0, 2.0))
    family, X, Z = model.families[0], data.X, UNSEEN[:5]
    kernel = Stationary().bind(kernel_context(context))
    theta = family.theta[0, :, : kernel.size]
    mean, covariance = model.moments(Z)
    for j in range(2):
        one = theta.clone()
        noise = family.noise(family.theta[0, :, kernel.size :], X)[j, 0]
        within, across, there = (
            kernel(one, *(each.unsqueeze(-3) for each in pair))[j] for pair in ((X, X), (X, Z), (Z, Z))
        )
        inverse = torch.linalg.inv(within + noise * torch.eye(len(X), dtype=X.dtype))
        scale = model.scale[j]
        J, J_new = derivatives(X)[:, j] / scale, derivatives(Z)[:, j] / scale
        y = data.Y[:, j] / scale - family.means[0, j]
        spread = torch.linalg.inv(J.mT @ inverse @ J + torch.eye(3, dtype=X.dtype))
        z = spread @ J.mT @ inverse @ y
        rest = J_new - across.mT @ inverse @ J
        expected = scale * (family.means[0, j] + J_new @ z + across.mT @ inverse @ (y - J @ z))
        torch.testing.assert_close(mean[:, j], expected)
        of_process = there - across.mT @ inverse @ across
        own = covariance.reshape(2, 5, 2, 5)[j, :, j]
        torch.testing.assert_close(own, scale.square() * (of_process + rest @ spread @ rest.mT))


def test_where_predictions_are_linear_it_does_not_matter_which_parameters_they_begin_with() -> None:
    one, other = fitted((0.0, 0.0, 0.0)), fitted((3.0, -1.0, 5.0))
    for here, there in zip(one.moments(UNSEEN[:6]), other.moments(UNSEEN[:6]), strict=True):
        torch.testing.assert_close(here, there, rtol=1e-7, atol=1e-9)


def test_more_runs_know_the_parameters_better() -> None:
    few, many = fitted((1.0, 0.0, 0.0)), fitted((1.0, 0.0, 0.0), linear_runs(40))
    assert many.posterior(UNSEEN[:20]).variance.mean() < few.posterior(UNSEEN[:20]).variance.mean()
    sampler = SobolQMCNormalSampler(torch.Size([4]), seed=0)
    again = few.fantasize(UNSEEN[:3], sampler)
    assert (again.posterior(UNSEEN[:20]).variance < few.posterior(UNSEEN[:20]).variance).all()


def law_model() -> tuple[IndependentGPs, LawMean]:
    X, Y = drawn(20, noise=0.05)
    data = SupervisedDataset(X, Y, feature_names=list(DOMAINS), outcome_names=list(METRICS))
    mean = LawMean("epochs", starts=2, uncertain=True)
    model = replace(IN_EPOCHS, mean=mean).fit(data, context=context(), seed=0)
    assert isinstance(model, IndependentGPs)
    return model, mean


def test_all_ways_to_ask_for_the_belief_agree_and_it_survives_pickling() -> None:
    model, _ = law_model()
    X, Z = UNSEEN[:4], UNSEEN[10:13]
    both = torch.cat([X, Z])
    mean, covariance = model.moments(both)
    blocks = covariance.reshape(2, 7, 2, 7)
    told = model.towards(Z)(X)
    at, shared = model.mean_towards(Z)(X)
    for j in range(2):
        torch.testing.assert_close(told.covariance[j], blocks[j, :4, j, :4])
        torch.testing.assert_close(told.shared[j], blocks[j, :4, j, 4:])
        torch.testing.assert_close(shared[j], blocks[j, :4, j, 4:])
    torch.testing.assert_close(at, mean[:4])
    torch.testing.assert_close(model.mean(X.unsqueeze(-2)).squeeze(-2), mean[:4])
    beside = model.jointly_with(Z)
    assert beside is not None
    torch.testing.assert_close(
        beside(X[:1]).covariance[0], model.moments(torch.cat([Z, X[:1]]))[1].reshape(2, 4, 2, 4)[:, 3, :, 3]
    )
    assert torch.linalg.eigvalsh(covariance).min() > -1e-10
    for here, there in zip(pickle.loads(pickle.dumps(model)).moments(X), model.moments(X), strict=True):
        assert torch.equal(here, there)


def test_its_gradients_are_those_of_finite_differences() -> None:
    model, _ = law_model()
    X = UNSEEN[:2].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda X: model.moments(X), X, eps=1e-6, atol=1e-4)


@pytest.mark.parametrize("spec", [LawMean, EffectiveLaw])
@pytest.mark.parametrize("form", ["epochs", "exponential"])
def test_the_slopes_of_a_law_are_its_derivatives_in_its_parameters(spec: type[LawMean], form: str) -> None:
    X, Y = drawn(20)
    data = SupervisedDataset(X, Y, feature_names=list(DOMAINS), outcome_names=list(METRICS))
    given = {"form": form, "starts": 2}
    plain, unsure = (spec(**given, uncertain=each).feature(data, context=context(), seed=0) for each in (False, True))  # type: ignore[arg-type]
    assert plain.parameters is None
    assert torch.equal(plain.predict(UNSEEN), unsure.predict(UNSEEN))
    assert unsure.parameters is not None
    predict = unsure.predict if spec is LawMean else unsure.predict.function  # type: ignore[attr-defined]
    slopes = unsure.parameters.slopes if spec is LawMean else unsure.parameters.slopes.function  # type: ignore[attr-defined]
    step, z = 1e-5, unsure.parameters.found
    for p in range(z.shape[-1]):
        moved = torch.zeros_like(z)
        moved[:, p] = step
        above, below = (replace(predict, flat=predict.flat + sign * moved * slopes.width) for sign in (1.0, -1.0))
        expected = (above(UNSEEN[:9]) - below(UNSEEN[:9])) / (2.0 * step)
        torch.testing.assert_close(slopes(UNSEEN[:9])[..., p], expected, rtol=1e-5, atol=1e-7)


def test_a_covariance_of_parameters_towards_some_mixtures_is_that_of_both() -> None:
    _, fit_context = linear_runs()
    covariance = ParametersCovariance(derivatives, kernel_context(fit_context))
    theta, X, Z = torch.zeros(4, 0), UNSEEN[None, :3], UNSEEN[None, 3:8]
    whole = covariance(theta, X, Z)
    assert whole.shape == (4, 3, 5)
    torch.testing.assert_close(covariance.towards(theta, X)(Z), whole)
    torch.testing.assert_close(covariance.diagonal(theta, X), covariance(theta, X).diagonal(dim1=-2, dim2=-1))
    torch.testing.assert_close(covariance(theta[:1], X, Z, rows=torch.tensor([1])), whole[1:2])


def test_intervals_of_a_planted_law_cover_what_they_say() -> None:
    """A tenth of the variance is no law's; intervals that take the law for certain are far too narrow."""
    shares = {True: [], False: []}  # type: dict[bool, list[float]]
    for seed in range(3):
        function = Synthetic(family="epochs", domains=8, useless=5, seed=seed, misfit=0.1)
        problem, history = function.problem(), History()
        for number, x in enumerate(problem.space.sobol(24, seed=seed)):
            losses = dict(zip(problem.metric_names, function.observe(x, entropy=[seed, number]).tolist(), strict=True))
            trial = Trial(number, problem.space.to_weights(x), number, "design")
            history = history.with_record(Record(trial, Result(losses)))
        data, context = to_dataset(problem, history), fit_context(problem, history)
        X = problem.space.sobol(200, seed=100 + seed)
        for uncertain, found in shares.items():
            surrogate = PREDICTING_IN_EPOCHS if uncertain else IN_EPOCHS
            model = surrogate.fit(data, context=context, seed=0)
            belief = model.posterior(torch.as_tensor(X).unsqueeze(-2))
            error = (belief.mean.squeeze(-2) - torch.as_tensor(function.losses(X))).abs()
            found.append(float((error < NINETY * belief.variance.squeeze(-2).sqrt()).double().mean()))
    sure, unsure = np.mean(shares[False]), np.mean(shares[True])
    assert sure < 0.8 <= unsure < 0.98
