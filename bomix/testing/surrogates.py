"""What every surrogate owes to the strategies, the report and the user."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import numpy as np
import pytest
import torch
from botorch.models.model import Model
from botorch.sampling.normal import SobolQMCNormalSampler
from botorch.utils.datasets import SupervisedDataset
from torch import Tensor

from bomix.contracts.context import FitContext
from bomix.contracts.surrogate import ModelTraits, SurrogateTraits
from bomix.contracts.traits import traits
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.models.joint import HeldOut, JointModel, mean_at
from bomix.testing.base import CountsBattery
from bomix.testing.known import CROSSED, exponential, mixtures
from bomix.testing.surrogate_cases import CASES, METRICS, NAMES, ORDER, D, M, base

SPREAD = torch.as_tensor(base()[1].std(axis=0))
"""Standard deviation of each metric over the trials."""


def points(*batch: int) -> Tensor:
    """``batch x d`` mixtures that no trial has, zeros among them."""
    rows = mixtures(int(np.prod(batch)) + 2, D, seed=5)[2:]
    return torch.as_tensor(rows).reshape(*batch, D)


def moments(model: Model, X: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
    """Posterior mean and variance, each ``batch x q x m``."""
    with torch.no_grad():
        posterior = cast(Any, model).posterior(X, **options)
        return posterior.mean, posterior.variance


def moved(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> float:
    """Largest change of a mean or a standard deviation, in standard deviations of the trials' losses."""
    means, deviations = (first[0] - second[0]).abs(), (first[1].sqrt() - second[1].sqrt()).abs()
    return (torch.maximum(means, deviations) / SPREAD).max().item()


class SurrogateBattery(CountsBattery):
    """Tests of a surrogate: :class:`bomix.contracts.surrogate.Surrogate`, ``fit(data, *, context, seed) -> Model``.

    A surrogate is a model of every metric as a function of the mixture. Three lines test one of your own::

        class TestMine(SurrogateBattery):
            spec = MySurrogate()

    What is tested, and why:

    * The model keeps BoTorch's contract: shapes, outputs that are chosen, subsets, noise on demand, fantasies and
      gradients exactly where they are declared. Acquisition functions rely on all of it.
    * It knows how little it knows: three standard deviations hold the truth in most places.
    * It is defined whatever the trials: none, one, repeats, gaps in the metrics, a constant metric, a metric that no
      trial has. Studies begin so, and a metric without a trial is about zero with a variance of about one.
    * The same seed gives the same bits and moves no global generator; the order of the trials does not matter;
      renamed domains permute the columns.
    * Gradients are those of finite differences on vertices and faces, and finite at the trials themselves.
    * It is a frozen dataclass that a study file can say, and whole numbers below zero are faults.

    Attributes:
        spec: The surrogate, cheap: some thirty fits are made.
        exact: The same without random draws, where it has draws that columns which move do not carry elsewhere. It
            stands in for ``spec`` where domains are renamed.
        moves: How far renamed domains may carry a prediction, in standard deviations of the trials' losses.
    """

    group = "surrogate"
    exact: ClassVar[Any] = None
    moves: ClassVar[float] = 5e-3

    def fit(self, case: str, *, seed: int = 0, exact: bool = False) -> Model:
        """A fit to the runs of a case; ``exact`` takes the spec without draws where there is one."""
        X, Y = CASES[case]()
        renamed = {NAMES[old]: NAMES[new] for new, old in enumerate(ORDER)} if case == "renamed" else {}
        metrics = tuple(renamed.get(name, name) for name in METRICS)
        data = SupervisedDataset(
            torch.as_tensor(X).reshape(-1, D),
            torch.as_tensor(Y).reshape(-1, M),
            feature_names=list(NAMES),
            outcome_names=list(metrics),
        )
        context = self.context(data, metrics, renamed=bool(renamed))
        spec = self.exact if exact and self.exact is not None else self.spec
        model: Model = spec.fit(data, context=context, seed=seed)
        return model

    def context(self, data: SupervisedDataset, metrics: tuple[str, ...], *, renamed: bool) -> FitContext:
        """What a fit knows beside the runs; a subclass may say more.

        Args:
            data: The runs.
            metrics: Names of the metrics.
            renamed: Whether the domains stand in another order.
        """
        return FitContext(MixtureSpace(NAMES), metrics, tuple(range(len(data.X))))

    def fitted(self, case: str = "base", *, exact: bool = False) -> Model:
        """The same, made once for all tests of a class."""
        exact = exact and self.exact is not None
        return self.once((case, exact), lambda: self.fit(case, exact=exact))

    def test_it_declares_what_it_can_do(self) -> None:
        """Strategies compare it with what an acquisition needs, before anything is fitted."""
        own = traits(self.spec, SurrogateTraits)
        assert isinstance(own.differentiable, bool)
        assert isinstance(own.fantasizes, bool)

    @pytest.mark.parametrize("batch", [(2,), (1, 1), (3, 2), (2, 1, 3)])
    def test_the_posterior_has_the_shape_of_the_points(self, batch: tuple[int, ...]) -> None:
        """BoTorch calls it on ``batch x q x d``; each point by itself has the same marginals."""
        model, X = self.fitted(), points(*batch)
        assert model.num_outputs == M
        mean, variance = moments(model, X)
        assert mean.shape == variance.shape == (*batch, M)
        assert mean.dtype == torch.float64
        assert mean.isfinite().all()
        assert (variance >= 0.0).all()
        alone_mean, alone_variance = moments(model, X.reshape(-1, 1, D))
        torch.testing.assert_close(mean.reshape(-1, 1, M), alone_mean, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(variance.reshape(-1, 1, M), alone_variance, rtol=1e-4, atol=1e-6)

    @pytest.mark.parametrize("case", ["base", "none", "incomplete"])
    def test_no_mixtures_have_no_predictions(self, case: str) -> None:
        """A search that finds nothing to look at goes on: an empty batch gives empty moments, and gradients."""
        model = self.fitted(case)
        for batch in [(0, 1), (0, 3), (2, 0, 3)]:
            for noise in (False, True):
                mean, variance = moments(model, points(*batch), observation_noise=noise)
                assert mean.shape == variance.shape == (*batch, M)
        with torch.no_grad():
            assert mean_at(model, points(0)).shape == (0, M)
        if traits(self.spec, SurrogateTraits).differentiable:
            X = points(0).requires_grad_()
            assert torch.autograd.grad(mean_at(model, X).sum(), X)[0].shape == (0, D)

    def test_the_joint_covariance_is_one(self) -> None:
        """Acquisition functions draw jointly from it: symmetric, positive semi-definite, with the variances."""
        model, X = self.fitted(), points(2, 3)
        if not isinstance(model, JointModel):
            pytest.skip("its posterior need not be Gaussian")
        with torch.no_grad():
            mean, covariance = model.moments(X)
        assert covariance.shape == (2, 3 * M, 3 * M)
        torch.testing.assert_close(covariance, covariance.mT, rtol=1e-7, atol=1e-9)
        assert torch.linalg.eigvalsh(covariance).min() >= -1e-8
        _, variance = moments(model, X)
        # The points of the first metric come first.
        torch.testing.assert_close(covariance.diagonal(dim1=-2, dim2=-1).reshape(2, M, 3).mT, variance)
        assert mean.shape == (2, 3, M)

    def test_it_says_how_little_it_knows(self) -> None:
        """A model that is too sure never looks where it has not been."""
        mean, variance = moments(self.fitted(), points(40, 1), observation_noise=True)
        truth = torch.as_tensor(exponential(points(40).numpy(), CROSSED)).unsqueeze(-2)
        covered = ((mean - truth).abs() <= 3.0 * variance.sqrt()).double().mean()
        assert covered >= 0.7

    def test_outputs_can_be_chosen_and_are_put_in_order(self) -> None:
        """Objectives over some metrics ask for those alone."""
        model, X = self.fitted(), points(2, 2)
        mean, variance = moments(model, X)
        for found in (moments(model, X, output_indices=[2, 0]), moments(model.subset_output([2, 0]), X)):
            torch.testing.assert_close(found[0], mean[..., [2, 0]], rtol=1e-9, atol=1e-9)
            torch.testing.assert_close(found[1], variance[..., [2, 0]], rtol=1e-7, atol=1e-9)

    def test_the_noise_of_a_run_adds_to_the_variance(self) -> None:
        """With ``observation_noise`` the posterior is that of a run, without it that of the true loss."""
        mean, variance = moments(self.fitted(), points(6, 1))
        noisy_mean, noisy = moments(self.fitted(), points(6, 1), observation_noise=True)
        torch.testing.assert_close(noisy_mean, mean)
        assert (noisy >= variance * (1.0 - 1e-9)).all()
        assert (noisy > 0.0).all()

    def test_the_same_seed_gives_the_same_bits_and_no_global_generator_moves(self) -> None:
        """A study that is resumed proposes what it would have proposed."""
        before, numpy_before = torch.get_rng_state(), cast(Any, np.random.get_state())[1].copy()
        first, second = self.fit("base", seed=3), self.fit("base", seed=3)
        assert torch.equal(before, torch.get_rng_state())
        np.testing.assert_array_equal(numpy_before, cast(Any, np.random.get_state())[1])
        for one, other in zip(moments(first, points(4, 2)), moments(second, points(4, 2)), strict=True):
            assert torch.equal(one, other)

    def test_the_order_of_the_trials_does_not_matter(self) -> None:
        """Trials come back in whatever order they end."""
        first, second = (moments(self.fitted(case), points(8, 1)) for case in ("base", "shuffled"))
        assert moved(first, second) <= 2e-3

    def test_renaming_the_domains_permutes_the_columns(self) -> None:
        """Domains have names and no order; a metric's own domain moves with its name."""
        X = points(8, 1)
        first = moments(self.fitted(exact=True), X)
        second = moments(self.fitted("renamed", exact=True), X[..., ORDER])
        assert moved(first, second) <= self.moves

    @pytest.mark.parametrize("case", ["none", "one", "two", "repeated", "incomplete", "unmeasured"])
    def test_defined_whatever_the_trials(self, case: str) -> None:
        """A study begins with nothing; a metric without a trial is zero give or take about one unit."""
        _, Y = CASES[case]()
        model = self.fitted(case)
        assert model.num_outputs == M
        mean, variance = moments(model, points(3, 2))
        assert mean.shape == (3, 2, M)
        assert mean.isfinite().all()
        assert variance.isfinite().all()
        assert (variance > 0.0).all()
        with_vertices = torch.cat([points(3, 2), torch.as_tensor(np.eye(D)[:3])[:, None]], 1)
        _, noisy = moments(model, with_vertices, observation_noise=True)
        assert noisy.isfinite().all()
        for metric, values in enumerate(Y.T):
            seen = values[~np.isnan(values)]
            if len(seen) == 0:
                torch.testing.assert_close(mean[..., metric], torch.zeros(3, 2, dtype=torch.float64))
                assert ((variance[..., metric] > 0.5) & (variance[..., metric] < 16.0)).all(), "about one unit, or few"
            elif np.ptp(seen) == 0.0:
                expected = torch.full((3, 2), seen[0], dtype=torch.float64)
                torch.testing.assert_close(mean[..., metric], expected, rtol=0.0, atol=0.3)

    def test_a_metric_of_its_own_does_not_need_the_others(self) -> None:
        """Where the other metrics are constant or missing, the first is still learnt from the trials that have it."""
        mean, variance = moments(self.fitted("incomplete"), points(8, 1))
        truth = torch.as_tensor(exponential(points(8).numpy(), CROSSED))[:, None, 0]
        assert ((mean[..., 0] - truth).abs() <= 4.0 * variance[..., 0].sqrt()).double().mean() >= 0.7

    def test_gradients_are_those_of_finite_differences_on_faces_and_vertices(self) -> None:
        """Good mixtures have zeros, and the search must be able to leave and to reach them."""
        if not traits(self.spec, SurrogateTraits).differentiable:
            pytest.skip("declares that it has none")
        model = self.fitted()
        X = torch.cat([torch.as_tensor(np.eye(D)[[0, 2]]), points(4)]).unsqueeze(-2)
        rng = np.random.default_rng(2)
        weights = torch.as_tensor(rng.normal(size=(len(X), 1, M)))
        others = torch.as_tensor(rng.normal(size=(len(X), 1, M)))

        def value(at: Tensor) -> Tensor:
            posterior = cast(Any, model).posterior(at)
            return cast(Tensor, (weights * posterior.mean + others * posterior.variance).sum(dim=(-1, -2)))

        at = X.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(value(at).sum(), at)
        assert gradient.isfinite().all()
        step = 2e-7
        with torch.no_grad():
            # Forward differences of second order: there is nothing below zero. The step is small against every offset.
            moves = step * torch.eye(D, dtype=torch.float64)
            slopes = [(4 * value(X + move) - 3 * value(X) - value(X + 2 * move)) / (2 * step) for move in moves]
        found = torch.stack(slopes, dim=-1).unsqueeze(-2)
        torch.testing.assert_close(gradient, found, rtol=2e-3, atol=2e-3 * max(gradient.abs().amax().item(), 1e-2))

    @pytest.mark.parametrize("case", ["base", "one", "incomplete", "repeated"])
    def test_gradients_are_finite_at_the_trials_themselves(self, case: str) -> None:
        """The search often starts there, where distances are zero."""
        if not traits(self.spec, SurrogateTraits).differentiable:
            pytest.skip("declares that it has none")
        X = torch.as_tensor(CASES[case]()[0]).unsqueeze(0).requires_grad_()
        posterior = cast(Any, self.fitted(case)).posterior(X)
        (gradient,) = torch.autograd.grad(posterior.mean.sum() + posterior.variance.sum(), X)
        assert gradient.isfinite().all()

    def test_fantasies_where_they_are_declared(self) -> None:
        """A look ahead conditions the model on runs that have not been made; that adds knowledge."""
        if not traits(self.spec, SurrogateTraits).fantasizes:
            pytest.skip("declares that it has none")
        with torch.no_grad():
            sampler = SobolQMCNormalSampler(torch.Size([4]), seed=0)
            fantasy = cast(Any, self.fitted()).fantasize(points(1), sampler)
        mean, variance = moments(fantasy, points(2))
        assert mean.shape == (4, 2, M)
        before = moments(self.fitted(), points(1))[1]
        after = moments(fantasy, points(1))[1]
        assert (after <= before * 1.01 + 1e-9).all()
        assert variance.isfinite().all()

    @pytest.mark.parametrize("case", ["base", "incomplete", "two"])
    def test_what_it_says_of_its_own_trials_is_finite(self, case: str) -> None:
        """Validation reads ``leave_one_out`` of the model where there is one, instead of fitting anew."""
        model = cast(Any, self.fitted(case))
        with torch.no_grad():
            leave_one_out = traits(model, ModelTraits).leave_one_out
            found = None if leave_one_out is None else leave_one_out()
        if found is None:
            pytest.skip("has no closed form")
        n = len(CASES[case]()[0])
        assert isinstance(found, HeldOut)
        assert found.mean.shape == (n, M)
        assert found.covariance.shape == (n, M, M)
        assert found.mean.isfinite().all()
        assert torch.linalg.eigvalsh(found.covariance).min() >= -1e-8
