"""What every registered surrogate owes to the strategies, the report and the user."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
import torch
from botorch.sampling.normal import SobolQMCNormalSampler
from botorch.utils.datasets import SupervisedDataset

from bomix.config import registry
from bomix.config.build import build, plain, spec_fields
from bomix.contracts.context import FitContext
from bomix.contracts.surrogate import Surrogate
from bomix.errors import Fault
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.models.joint import HeldOut, JointModel

NAN = float("nan")
NAMES = ("a", "b", "c", "d")
METRICS = ("b", "d", "other")
D, M = len(NAMES), len(METRICS)
ORDER = (2, 0, 3, 1)
"""After the renaming, column ``k`` is what column ``ORDER[k]`` was."""

LAW = {"kind": "law", "starts": 2}

OPTIONS = {
    "mde": {"mean": LAW},
    "corrected": {"mean": LAW, "surrogate": {"kind": "gp", "draws": 2}},
    "gp": {"draws": 2},
    "multitask": {"draws": 2},
    "auto": {"of": [{"kind": "gp", "draws": 0, "restarts": 1}, "ridge"], "folds": 2},
    "bayesian_gp": {"warmup": 20, "samples": 8, "thinning": 1, "chains": 2, "max_tree_depth": 3},
    "bayesian_law": {"warmup": 20, "samples": 8, "thinning": 1, "chains": 2, "max_tree_depth": 3},
    "law": {"starts": 2, "samples": 8},
    "lightgbm": {"rounds": 20},
    "boosting": {"trees": [5], "rates": [0.1], "depths": [2]},
}
"""Kind to options that make it cheap; a kind that is not here runs with its defaults."""

NEEDS = {"lightgbm": "lightgbm"}
"""Kind to the optional package that it stands on."""

EXACT = {
    "gp": {"draws": 0, "restarts": 1},
    "multitask": {"draws": 0, "restarts": 1},
    "corrected": {"mean": LAW, "surrogate": {"kind": "gp", "draws": 0, "restarts": 1}},
}
"""Kind to options without draws, which columns that move do not carry elsewhere."""

MOVES = {"bayesian_gp": 1.0, "bayesian_law": 1.0, "auto": 0.5}
"""Kind to how far its few draws, or other folds, may carry it, in standard deviations of the trials' losses, where
columns move."""

every_kind = pytest.mark.parametrize("kind", sorted(registry.kinds("surrogate")))


def mixtures(n, *, seed=0):
    """``n x d``: a vertex, the centre, and draws of which a third of the weights are zero."""
    rng = np.random.default_rng(seed)
    kept = rng.random((n, D)) < 0.67
    kept[np.arange(n), rng.integers(D, size=n)] = True
    rows = rng.dirichlet(np.ones(D), n) * kept + 1e-3 * kept
    rows /= rows.sum(axis=1, keepdims=True)
    rows[: min(n, 2)] = np.array([np.eye(D)[1], np.full(D, 1.0 / D)])[:n]
    return rows


def losses(weights):
    """Three exponential laws, ``n x 3``."""
    rates = np.array([[-1.0, -4.0, 0.0, 0.5], [0.0, -0.5, -0.5, -3.0], [0.5, -2.0, -2.0, -1.0]])
    return 2.0 + np.array([1.0, 2.0, 0.5]) * np.exp(weights @ rates.T)


def base(n=10):
    X = mixtures(n)
    return X, losses(X) + 0.02 * np.random.default_rng(1).normal(size=(n, M))


def incomplete():
    """The first metric lacks some trials, the second is constant, no trial has the third."""
    X, Y = base()
    Y[[1, 4, 7], 0], Y[:, 1], Y[:, 2] = NAN, 2.5, NAN
    return X, Y


def repeated():
    X, Y = base(6)
    return X[:1].repeat(6, axis=0), Y


CASES = {
    "base": base,
    "shuffled": lambda: tuple(part[np.random.default_rng(7).permutation(10)] for part in base()),
    "renamed": lambda: (base()[0][:, ORDER], base()[1]),
    "none": lambda: base(0),
    "one": lambda: base(1),
    "two": lambda: base(2),
    "repeated": repeated,
    "incomplete": incomplete,
    "unmeasured": lambda: (base(3)[0], np.full((3, M), NAN)),
}
SPARSE = ("none", "one", "two", "repeated", "incomplete", "unmeasured")


def spec_of(kind, *, exact=False):
    if kind in NEEDS:
        pytest.importorskip(NEEDS[kind])
    options = EXACT.get(kind) if exact else None
    spec, faults = build(registry.resolve("surrogate", kind), options or OPTIONS.get(kind, {}))
    assert not faults, f"give options for kind '{kind}' in OPTIONS: {faults}"
    return spec


def fit(kind, case, *, seed=0, exact=False):
    X, Y = CASES[case]()
    moved = {NAMES[old]: NAMES[new] for new, old in enumerate(ORDER)} if case == "renamed" else {}
    metrics = tuple(moved.get(name, name) for name in METRICS)
    data = SupervisedDataset(
        torch.as_tensor(X).reshape(-1, D),
        torch.as_tensor(Y).reshape(-1, M),
        feature_names=list(NAMES),
        outcome_names=list(metrics),
    )
    context = FitContext(MixtureSpace(NAMES), metrics, tuple(range(len(X))))
    return spec_of(kind, exact=exact).fit(data, context=context, seed=seed)


@functools.cache
def fitted(kind, case="base", *, exact=False):
    return fit(kind, case, exact=exact)


def points(*batch):
    """``batch x d`` mixtures that no trial has, zeros among them."""
    rows = mixtures(int(np.prod(batch)) + 2, seed=5)[2:]
    return torch.as_tensor(rows).reshape(*batch, D)


def moments(model, X, **options):
    with torch.no_grad():
        posterior = model.posterior(X, **options)
        return posterior.mean, posterior.variance


SPREAD = torch.as_tensor(base()[1].std(axis=0))
"""Standard deviation of each metric over the trials."""


@every_kind
def test_it_declares_what_it_can_do_and_a_study_file_can_say_it(kind):
    spec = spec_of(kind)
    assert isinstance(spec, Surrogate)
    assert type(spec).__dataclass_params__.frozen
    assert isinstance(spec.differentiable, bool)
    assert isinstance(spec.fantasizes, bool)
    assert registry.kind_of("surrogate", type(spec)) == kind
    again, faults = build(type(spec), plain(spec))
    assert not faults
    assert again == spec
    own = getattr(spec, "faults", list)()
    assert all(isinstance(fault, Fault) for fault in own)


@every_kind
def test_every_whole_number_that_makes_no_sense_is_a_fault(kind):
    spec = spec_of(kind)
    for field in spec_fields(type(spec)):
        if type(getattr(spec, field.name)) is int:
            wrong = dataclasses.replace(spec, **{field.name: -1})
            assert any(fault.where == field.name for fault in wrong.faults()), f"{field.name} = -1 passes"


@every_kind
@pytest.mark.parametrize("batch", [(2,), (1, 1), (3, 2), (2, 1, 3)])
def test_the_posterior_has_the_shape_of_the_points(kind, batch):
    model, X = fitted(kind), points(*batch)
    assert model.num_outputs == M
    mean, variance = moments(model, X)
    assert mean.shape == variance.shape == (*batch, M)
    assert mean.dtype == torch.float64
    assert mean.isfinite().all()
    assert (variance >= 0.0).all()
    # Each point by itself, one q-batch of one, has the same marginals.
    alone_mean, alone_variance = moments(model, X.reshape(-1, 1, D))
    torch.testing.assert_close(mean.reshape(-1, 1, M), alone_mean, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(variance.reshape(-1, 1, M), alone_variance, rtol=1e-4, atol=1e-6)


@every_kind
def test_the_joint_covariance_is_one(kind):
    model, X = fitted(kind), points(2, 3)
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


@every_kind
def test_it_says_how_little_it_knows(kind):
    mean, variance = moments(fitted(kind), points(40, 1), observation_noise=True)
    truth = torch.as_tensor(losses(points(40).numpy())).unsqueeze(-2)
    covered = ((mean - truth).abs() <= 3.0 * variance.sqrt()).double().mean()
    assert covered >= 0.7


@every_kind
def test_outputs_can_be_chosen_and_are_put_in_order(kind):
    model, X = fitted(kind), points(2, 2)
    mean, variance = moments(model, X)
    for found in (moments(model, X, output_indices=[2, 0]), moments(model.subset_output([2, 0]), X)):
        torch.testing.assert_close(found[0], mean[..., [2, 0]], rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(found[1], variance[..., [2, 0]], rtol=1e-7, atol=1e-9)


@every_kind
def test_the_noise_of_a_run_adds_to_the_variance(kind):
    mean, variance = moments(fitted(kind), points(6, 1))
    noisy_mean, noisy = moments(fitted(kind), points(6, 1), observation_noise=True)
    torch.testing.assert_close(noisy_mean, mean)
    assert (noisy >= variance * (1.0 - 1e-9)).all()
    assert (noisy > 0.0).all()


@every_kind
def test_the_same_seed_gives_the_same_bits_and_no_global_generator_moves(kind):
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    first, second = fit(kind, "base", seed=3), fit(kind, "base", seed=3)
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(numpy_before, np.random.get_state()[1])
    for one, other in zip(moments(first, points(4, 2)), moments(second, points(4, 2)), strict=True):
        assert torch.equal(one, other)


@every_kind
def test_the_order_of_the_trials_does_not_matter(kind):
    first, second = (moments(fitted(kind, case), points(8, 1)) for case in ("base", "shuffled"))
    assert moved(first, second) <= 2e-3


@every_kind
def test_renaming_the_domains_permutes_the_columns(kind):
    X, exact = points(8, 1), kind in EXACT
    first = moments(fitted(kind, exact=exact), X)
    second = moments(fitted(kind, "renamed", exact=exact), X[..., ORDER])
    assert moved(first, second) <= MOVES.get(kind, 5e-3)


def moved(first, second):
    """Largest change of a mean or a standard deviation, in standard deviations of the trials' losses."""
    means, deviations = (first[0] - second[0]).abs(), (first[1].sqrt() - second[1].sqrt()).abs()
    return (torch.maximum(means, deviations) / SPREAD).max().item()


@every_kind
@pytest.mark.parametrize("case", SPARSE)
def test_defined_whatever_the_trials(kind, case):
    _, Y = CASES[case]()
    model = fitted(kind, case)
    assert model.num_outputs == M
    mean, variance = moments(model, points(3, 2))
    assert mean.shape == (3, 2, M)
    assert mean.isfinite().all()
    assert variance.isfinite().all()
    assert (variance > 0.0).all()
    _, noisy = moments(
        model, torch.cat([points(3, 2), torch.as_tensor(np.eye(D)[:3])[:, None]], 1), observation_noise=True
    )
    assert noisy.isfinite().all()
    for metric, values in enumerate(Y.T):
        seen = values[~np.isnan(values)]
        if len(seen) == 0:
            torch.testing.assert_close(mean[..., metric], torch.zeros(3, 2, dtype=torch.float64))
            assert ((variance[..., metric] > 0.5) & (variance[..., metric] < 16.0)).all(), "about one unit, or a few"
        elif np.ptp(seen) == 0.0:
            expected = torch.full((3, 2), seen[0], dtype=torch.float64)
            torch.testing.assert_close(mean[..., metric], expected, rtol=0.0, atol=0.3)


@every_kind
def test_a_metric_of_its_own_does_not_need_the_others(kind):
    """Where the other metrics are constant or missing, the first is still learnt from the trials that have it."""
    mean, variance = moments(fitted(kind, "incomplete"), points(8, 1))
    truth = torch.as_tensor(losses(points(8).numpy()))[:, None, 0]
    assert ((mean[..., 0] - truth).abs() <= 4.0 * variance[..., 0].sqrt()).double().mean() >= 0.7


@every_kind
def test_gradients_are_those_of_finite_differences_on_faces_and_vertices(kind):
    if not spec_of(kind).differentiable:
        pytest.skip("declares that it has none")
    model = fitted(kind)
    X = torch.cat([torch.as_tensor(np.eye(D)[[0, 2]]), points(4)]).unsqueeze(-2)
    rng = np.random.default_rng(2)
    weights = torch.as_tensor(rng.normal(size=(len(X), 1, M)))
    others = torch.as_tensor(rng.normal(size=(len(X), 1, M)))

    def value(at):
        posterior = model.posterior(at)
        return (weights * posterior.mean + others * posterior.variance).sum(dim=(-1, -2))

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


@every_kind
@pytest.mark.parametrize("case", ["base", "one", "incomplete", "repeated"])
def test_gradients_are_finite_at_the_trials_themselves(kind, case):
    if not spec_of(kind).differentiable:
        pytest.skip("declares that it has none")
    X = torch.as_tensor(CASES[case]()[0]).unsqueeze(0).requires_grad_()
    posterior = fitted(kind, case).posterior(X)
    (gradient,) = torch.autograd.grad(posterior.mean.sum() + posterior.variance.sum(), X)
    assert gradient.isfinite().all()


@every_kind
def test_fantasies_where_they_are_declared(kind):
    if not spec_of(kind).fantasizes:
        pytest.skip("declares that it has none")
    with torch.no_grad():
        fantasy = fitted(kind).fantasize(points(1), SobolQMCNormalSampler(torch.Size([4]), seed=0))
    mean, variance = moments(fantasy, points(2))
    assert mean.shape == (4, 2, M)
    before = moments(fitted(kind), points(1))[1]
    after = moments(fantasy, points(1))[1]
    assert (after <= before * 1.01 + 1e-9).all()
    assert variance.isfinite().all()


@every_kind
@pytest.mark.parametrize("case", ["base", "incomplete", "two"])
def test_what_it_says_of_its_own_trials_is_finite(kind, case):
    model = fitted(kind, case)
    with torch.no_grad():
        found = getattr(model, "leave_one_out", lambda: None)()
    if found is None:
        pytest.skip("has no closed form")
    n = len(CASES[case]()[0])
    assert isinstance(found, HeldOut)
    assert found.mean.shape == (n, M)
    assert found.covariance.shape == (n, M, M)
    assert found.mean.isfinite().all()
    assert torch.linalg.eigvalsh(found.covariance).min() >= -1e-8
