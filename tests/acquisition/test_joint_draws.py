"""Acquisition functions on joint beliefs, against brute force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from botorch.acquisition.logei import qLogNoisyExpectedImprovement
from botorch.sampling.normal import SobolQMCNormalSampler
from scipy import stats
from scipy.integrate import trapezoid

from bomix.acquisition import joint_draws
from bomix.acquisition.contenders import support
from bomix.acquisition.functions import log_information
from bomix.acquisition.hypervolume import reference_point
from bomix.acquisition.improvement import (
    UCB,
    Greedy,
    Hypervolume,
    LogEI,
    LogNEI,
    scheduled_beta,
)
from bomix.acquisition.joint_draws import Draws, conditioned, moments
from bomix.acquisition.lookahead import KnowledgeGradient, MaxValueEntropy, Thompson
from bomix.config import registry
from bomix.contracts.acquisition import objective_faults
from bomix.objectives.pareto import Pareto
from bomix.objectives.robust import Excess, Guardrail, SmoothMax, Worst
from bomix.objectives.weighted import Mean, WeightedMean
from bomix.posterior.objective import ModelObjective
from bomix.problem import Metric, Problem
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.data.dataset import fit_context, to_dataset
from bomix.surrogates.gp.spec import GP
from tests.known.world import DOMAINS, World

SPACE = MixtureSpace(DOMAINS)
SUM = WeightedMean({"m0": 0.2, "m1": 0.5, "m2": 0.3})
GUARD = Guardrail(("m1", "m2"), base=SUM).with_reference({"m1": 3.2, "m2": 2.4})
FRONT = Pareto({"first": ("m0",), "rest": ("m1", "m2")})
KINDS = sorted(registry.kinds("acquisition"))


@pytest.fixture(scope="module")
def fitted():
    world = World(Problem(SPACE, tuple(Metric(f"m{i}") for i in range(3)), Mean()))
    history = world.history(9, noise=0.03)
    data = to_dataset(world.problem, history)
    model = GP(draws=0).fit(data, context=fit_context(world.problem, history), seed=0)

    def make(objective):
        return model, ModelObjective.of(replace(world.problem, objective=objective)), data.X

    return make


def points(n, seed=2):
    return torch.as_tensor(SPACE.sobol(n, seed=seed)).unsqueeze(1)


def brute(model, aggregate, X, count, seed=5):
    """Draws of the objective at ``q x d`` mixtures jointly, ``count x q``, and of noisy runs of the last."""
    with torch.no_grad():
        sampler = SobolQMCNormalSampler(torch.Size([count]), seed=seed)
        return aggregate(sampler(model.posterior(X)))


@pytest.mark.parametrize("objective", [SUM, Worst()], ids=["sum", "worst"])
def test_noisy_improvement_is_that_of_joint_draws(fitted, objective):
    model, aggregate, X_observed = fitted(objective)
    X, pending = points(4), points(2, seed=8)[:, 0]
    acquisition = LogNEI(samples=2048, incumbents=9)
    for waiting in (None, pending):
        ours = acquisition.build(model, aggregate, X_observed=X_observed, X_pending=waiting, seed=0)
        fixed = X_observed if waiting is None else torch.cat([X_observed, waiting])
        for x in X:
            drawn = brute(model, aggregate, torch.cat([fixed, x]), 2**14)
            expected = (drawn[:, :-1].amin(dim=-1) - drawn[:, -1]).clamp_min(0.0).mean()
            assert ours(x[None]).exp().item() == pytest.approx(expected.item(), rel=0.1, abs=2e-4)


def test_noisy_improvement_agrees_with_botorchs(fitted):
    model, aggregate, X_observed = fitted(SUM)
    theirs = qLogNoisyExpectedImprovement(
        model,
        X_observed,
        SobolQMCNormalSampler(torch.Size([2048]), seed=0),
        posterior_transform=aggregate.negated(),
        prune_baseline=False,
        cache_root=False,
    )
    ours = LogNEI(samples=2048).build(model, aggregate, X_observed=X_observed, X_pending=None, seed=0)
    X = points(32)
    with torch.no_grad():
        a, b = ours(X), theirs(X)
    good = b > -7.0
    assert good.sum() > 5
    torch.testing.assert_close(a[good], b[good], rtol=0, atol=0.25)


@pytest.mark.parametrize("objective", [SUM, SmoothMax()], ids=["sum", "smooth"])
def test_sampled_expected_improvement_of_any_objective(fitted, objective):
    model, aggregate, X_observed = fitted(objective)
    function = LogEI(samples=1024).build(model, aggregate, X_observed=X_observed, X_pending=None, seed=0)
    best = aggregate.mean(model, X_observed).min()
    for x in points(3):
        expected = (best - brute(model, aggregate, x, 2**14)).clamp_min(0.0).mean().item()
        assert function(x[None]).exp().item() == pytest.approx(expected, rel=0.1, abs=1e-4)


def test_knowledge_is_the_expected_fall_of_the_lowest_mean(fitted):
    model, aggregate, X_observed = fitted(SUM)
    acquisition = KnowledgeGradient(support=12, nodes=64)
    function = acquisition.build(model, aggregate, X_observed=X_observed, X_pending=None, seed=0)
    at = support(model, aggregate, X_observed, 12, seed=0)
    z = torch.as_tensor(stats.norm.ppf((np.arange(40_000) + 0.5) / 40_000))
    for x in points(6):
        mean, covariance = moments(model, aggregate.projection, torch.cat([at, x]))
        mean = mean.flatten()
        noise = aggregate.noise(model, x)
        change = covariance[-1] / (covariance[-1, -1] + noise).sqrt()
        fall = mean.min() - (mean + z.unsqueeze(-1) * change).amin(dim=-1).mean()
        assert fall >= -1e-12
        assert function(x[None]).exp().item() == pytest.approx(fall.item(), rel=0.03, abs=1e-5)


def test_knowledge_with_pending_trials_is_that_of_a_model_that_has_seen_them(fitted):
    model, aggregate, X_observed = fitted(SUM)
    pending, x = points(2, seed=8)[:, 0], points(1)
    acquisition = KnowledgeGradient(support=8, nodes=48, outcomes=256)
    function = acquisition.build(model, aggregate, X_observed=X_observed, X_pending=pending, seed=0)
    at = support(model, aggregate, X_observed, 8, seed=0)
    found = moments(model, aggregate.projection, torch.cat([pending, at, x[0]]))
    mean, covariance, rng = found[0].flatten().numpy(), found[1].numpy(), np.random.default_rng(0)
    noise = np.diag(aggregate.noise(model, pending).detach().numpy())
    gain = covariance[2:, :2] @ np.linalg.inv(covariance[:2, :2] + noise)
    left = covariance[2:, 2:] - gain @ covariance[:2, 2:]
    seen = rng.multivariate_normal(mean[:2], covariance[:2, :2] + noise, size=4000)
    z = stats.norm.ppf((np.arange(400) + 0.5) / 400)
    change = left[-1] / np.sqrt(left[-1, -1] + aggregate.noise(model, x[:, 0]).item())
    after = (mean[2:] + (seen - mean[:2]) @ gain.T)[:, None, :]
    fall = (after.min(-1)[:, 0] - (after + z[:, None] * change).min(-1).mean(-1)).mean()
    assert function(x).exp().item() == pytest.approx(fall, rel=0.1, abs=1e-5)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
def test_information_is_the_loss_of_variance_and_never_above_the_loss_of_entropy(share):
    below = torch.linspace(-6.0, 6.0, 25, dtype=torch.float64)
    ours = 0.5 * log_information(below, torch.tensor(share, dtype=torch.float64).log()).exp().numpy()
    u = np.linspace(-12.0, 25.0, 40_001)
    for a, value in zip(below.tolist(), ours, strict=True):
        cut = stats.truncnorm(a, np.inf)
        variance = share * cut.var() + 1.0 - share  # of a run with unit variance
        assert value == pytest.approx(-0.5 * np.log(variance), rel=1e-5, abs=1e-9)
        rest = np.sqrt(1.0 - share)
        density = np.exp(
            stats.norm.logpdf(u) + stats.norm.logcdf((np.sqrt(share) * u - a) / rest) - stats.norm.logsf(a)
        )
        entropy = -trapezoid(np.where(density > 0, density * np.log(np.maximum(density, 1e-300)), 0.0), u)
        assert value <= stats.norm.entropy() - entropy + 1e-6


def test_information_has_no_holes_far_out():
    below = torch.tensor([-1e4, -60.0, -38.0, 0.0, 40.0, 999.0, 1001.0, 1e8], dtype=torch.float64, requires_grad=True)
    values = log_information(below, torch.tensor(0.99, dtype=torch.float64).log())
    (gradient,) = torch.autograd.grad(values.sum(), below)
    assert values.isfinite().all()
    assert gradient.isfinite().all()
    assert (values[1:] >= values[:-1]).all()
    assert values[-1].exp().item() == pytest.approx(-np.log(0.01), rel=1e-3)


def test_entropy_of_the_minimum_is_the_mean_over_joint_draws_of_it(fitted):
    model, aggregate, X_observed = fitted(SUM)
    acquisition = MaxValueEntropy(minima=64, support=16)
    function = acquisition.build(model, aggregate, X_observed=X_observed, X_pending=None, seed=1)
    at = support(model, aggregate, X_observed, 16, seed=1)
    drawn = brute(model, aggregate, at, 4096).amin(dim=-1)
    assert function.minima.mean().item() == pytest.approx(drawn.mean().item(), abs=0.3 * drawn.std().item())
    for x in points(3):
        mean, variance = aggregate.spread(model, x)
        share = variance / (variance + aggregate.noise(model, x))
        a = ((drawn - mean) / variance.sqrt()).detach()
        expected = 0.5 * log_information(a, share.log().detach()).exp().mean()
        assert function(x[None]).exp().item() == pytest.approx(expected.item(), rel=0.3, abs=1e-3)


@pytest.mark.parametrize("acquisition", [LogNEI(), KnowledgeGradient(), MaxValueEntropy()])
def test_what_is_being_tried_is_worth_less_than_before(fitted, acquisition):
    model, aggregate, X_observed = fitted(SUM)
    pool = points(64)
    arguments = {"X_observed": X_observed, "seed": 0}
    with torch.no_grad():
        free = acquisition.build(model, aggregate, X_pending=None, **arguments)(pool)
        favourite = pool[free.argmax()]
        busy = acquisition.build(model, aggregate, X_pending=favourite, **arguments)(favourite[None])
    assert busy.item() < free.max().item() - 0.05


def test_draws_elsewhere_are_those_of_the_joint_belief(fitted):
    model, aggregate, X_observed = fitted(Worst())
    fixed, x = X_observed[:3], points(2)
    draws = Draws(model, aggregate.projection, fixed, count=4096, seed=0)
    mean, covariance = draws.given(x)
    for i in range(2):
        joint_mean, joint = moments(model, aggregate.projection, torch.cat([fixed, x[i]]))
        drawn = torch.cat([draws.values.flatten(1), mean[:, i]], dim=-1)
        found = torch.cov(drawn.mT)
        found[-3:, -3:] += covariance[i]
        torch.testing.assert_close(drawn.mean(dim=0), joint_mean.flatten(), rtol=0, atol=2e-3)
        torch.testing.assert_close(found, joint, rtol=0.05, atol=2e-2 * joint.abs().max().item())


def test_conditioning_is_that_of_gaussians():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(5, 5))
    covariance, mean, noise, seen = root @ root.T, rng.normal(size=5), rng.uniform(0.1, 1.0, 2), rng.normal(size=(3, 2))
    gain = covariance[2:, :2] @ np.linalg.inv(covariance[:2, :2] + np.diag(noise))
    got_mean, got = conditioned(*(torch.as_tensor(each) for each in (mean[None], covariance[None], noise, seen)))
    np.testing.assert_allclose(got_mean[:, 0], mean[2:] + (seen - mean[:2]) @ gain.T, rtol=1e-6)
    np.testing.assert_allclose(got[0], covariance[2:, 2:] - gain @ covariance[:2, 2:], rtol=1e-5, atol=1e-7)


def test_thompson_draws_once_for_all_and_another_function_for_another_seed(fitted):
    model, aggregate, X_observed = fitted(SUM)
    pool = points(40)
    build = Thompson().build
    values = torch.stack(
        [build(model, aggregate, X_observed=X_observed, X_pending=None, seed=s)(pool) for s in range(150)]
    )
    mean, covariance = moments(model, aggregate.projection, pool[:, 0])
    sd = covariance.diagonal().sqrt()
    assert ((values.mean(dim=0) + mean.flatten()).abs() < 4.5 * sd / 12.0 + 1e-6).all()
    found, expected = torch.corrcoef(values.mT), covariance / sd / sd.unsqueeze(-1)
    assert (found - expected).abs().mean() < 0.1
    few = Thompson(pool=5).build(model, aggregate, X_observed=X_observed, X_pending=None, seed=0)(pool)
    assert few.isfinite().sum() == 5


def test_the_schedule_grows_with_trials_and_dimension(fitted):
    assert scheduled_beta(9, 3) == pytest.approx(0.4 * (3.0 * np.log(10) + np.log(np.pi**2 / 0.3)))
    assert scheduled_beta(9, 3) < scheduled_beta(90, 3) < scheduled_beta(90, 7)
    model, aggregate, X_observed = fitted(SUM)
    X = points(5)
    arguments = {"X_observed": X_observed, "X_pending": None, "seed": 0}
    scheduled = UCB(beta=None).build(model, aggregate, **arguments)
    fixed = UCB(beta=scheduled_beta(9, 4)).build(model, aggregate, **arguments)
    torch.testing.assert_close(scheduled(X), fixed(X))
    torch.testing.assert_close(Greedy().build(model, aggregate, **arguments)(X), -aggregate.mean(model, X[:, 0]))


def test_hypervolume_is_the_growth_of_the_dominated_area(fitted):
    model, aggregate, X_observed = fitted(FRONT)
    function = Hypervolume(samples=512).build(model, aggregate, X_observed=X_observed, X_pending=None, seed=0)
    limit = reference_point(model, aggregate.groups, X_observed).numpy()

    def area(rows):
        total, height = 0.0, limit[1]
        for a, b in sorted(map(tuple, rows)):
            if a < limit[0] and b < height:
                total, height = total + (limit[0] - a) * (height - b), b
        return total

    scale = function._scale.prod().item()
    for x in points(24)[[0, 5, 9, 14]]:
        with torch.no_grad():
            sampler = SobolQMCNormalSampler(torch.Size([4096]), seed=3)
            drawn = sampler(model.posterior(torch.cat([X_observed, x]))) @ aggregate.groups.mT
            expected = np.mean([area(rows) - area(rows[:-1]) for rows in drawn.numpy()]) / scale
            assert function(x[None]).exp().item() == pytest.approx(expected, rel=0.15, abs=5e-4)


def test_trade_offs_are_refused_by_name_before_anything_is_built():
    for kind in KINDS:
        acquisition = registry.resolve("acquisition", kind)()
        assert bool(objective_faults(acquisition, FRONT)) == (kind not in {"log_ei", "log_nei", "hypervolume"})
        assert bool(objective_faults(acquisition, SUM)) == (kind == "hypervolume")
        assert bool(objective_faults(acquisition, Excess())) == (kind == "hypervolume")


def test_fields_that_cannot_be_are_faults():
    assert [f.where for f in LogNEI(samples=0, incumbents=0).faults()] == ["samples", "incumbents"]
    assert [f.where for f in KnowledgeGradient(0, 0, 0).faults()] == ["support", "nodes", "outcomes"]
    assert [f.where for f in MaxValueEntropy(0, 0).faults()] == ["minima", "support"]
    assert [f.where for f in Thompson(0).faults()] == ["pool"]
    assert [f.where for f in Hypervolume(0, 0).faults()] == ["samples", "incumbents"]


def test_the_probability_that_guardrails_hold_is_that_of_draws(fitted):
    model, aggregate, _ = fitted(GUARD)
    x = points(3)[:, 0]
    with torch.no_grad():
        drawn = SobolQMCNormalSampler(torch.Size([2**13]), seed=9)(model.posterior(x.unsqueeze(1))).squeeze(-2)
    expected = ((drawn[..., 1] <= 3.2) & (drawn[..., 2] <= 2.4)).double().mean(dim=0)
    torch.testing.assert_close(aggregate.holds(model, x), expected, rtol=0, atol=0.02)
    assert fitted(SUM)[1].holds(model, x) is None


def test_what_rounding_leaves_below_zero_has_a_factor_and_leaves_the_others_as_they_are():
    known = torch.tensor([[-1e-9, 2e-9], [2e-9, -1e-9]], dtype=torch.float64)
    unknown = torch.tensor([[1.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
    lifted = joint_draws._without_negative(torch.stack([known, unknown]))
    factors = joint_draws.factor(lifted)
    assert torch.equal(lifted[1], unknown)
    torch.testing.assert_close(factors[1] @ factors[1].mT, unknown, rtol=1e-6, atol=0.0)
    assert float((factors[0] @ factors[0].mT).abs().max()) < 1e-8
    with pytest.raises(torch.linalg.LinAlgError):
        joint_draws.factor(torch.stack([known, unknown]))
