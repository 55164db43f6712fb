from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from botorch.exceptions.errors import UnsupportedError
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.surrogates.cross_validation.held_out import new_runs
from bomix.surrogates.gp.completion import Table, Whitening, shared_correlation
from bomix.surrogates.gp.coupled import CoupledGPs
from bomix.surrogates.gp.exact import ExactGPs
from bomix.surrogates.gp.independent import IndependentGPs
from bomix.surrogates.gp.multitask import MultiTask
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.kernels.specs import Stationary
from tests.known.runs import points

NAN = float("nan")
R = torch.tensor([[1.0, 0.8, -0.3], [0.8, 1.0, 0.1], [-0.3, 0.1, 1.0]], dtype=torch.float64)
FAST = {"kernels": (Stationary(),), "draws": 2}
FAMILIES = {"kernels": (Stationary(), Stationary(encoding="sqrt")), "draws": 2}
APART = {**FAST, "together": False}


def with_Y(data, Y):
    return SupervisedDataset(data.X, Y, feature_names=data.feature_names, outcome_names=data.outcome_names)


def rows_of(data, keep):
    return SupervisedDataset(
        data.X[keep], data.Y[keep], feature_names=data.feature_names, outcome_names=data.outcome_names
    )


def with_gaps(data):
    Y = data.Y.clone()
    Y[torch.arange(len(Y)), torch.arange(len(Y)) % 3] = NAN
    Y[4] = data.Y[4]
    return with_Y(data, Y)


def apart(data, context, **options):
    return GP(**{**FAST, **options}).fit(data, context=context, seed=0)


def matrices(n=7, m=3, seed=0):
    """Covariances of three metrics that vary along different directions."""
    generator = torch.Generator().manual_seed(seed)
    X = torch.rand(n, 4, generator=generator, dtype=torch.float64)
    rates = 0.5 + 2.0 * torch.rand(m, 1, 4, generator=generator, dtype=torch.float64)
    return torch.exp(-0.5 * torch.cdist(X * rates, X * rates).square()) + 0.05 * torch.eye(n).double()


def table_of(n=7, gaps=((0, 1), (0, 4), (1, 2), (2, 2), (2, 6))):
    C = matrices(n)
    targets = torch.randn(3, n, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for metric, trial in gaps:
        targets[metric, trial] = NAN
    return C, targets, Table(Whitening.of(C), targets, R)


def joint_of(C, correlation=R):
    """Covariance of all entries, written out."""
    roots = torch.block_diag(*(Whitening.of(C).root))
    return roots @ torch.kron(correlation, torch.eye(C.shape[-1]).double()) @ roots


def conditional(joint, targets, means, seen):
    """Expectation and covariance of every entry given some, written out."""
    y, mu = targets.flatten(), means.repeat_interleave(targets.shape[-1])
    gain = joint[:, seen] @ torch.linalg.inv(joint[seen][:, seen])
    return mu + gain @ (y - mu)[seen], joint - gain @ joint[seen]


def test_each_metric_alone_has_its_own_covariance():
    C = matrices()
    joint = joint_of(C)
    assert torch.linalg.eigvalsh(joint).min() > 0
    for metric in range(3):
        block = slice(7 * metric, 7 * metric + 7)
        torch.testing.assert_close(joint[block, block], C[metric])


def test_gaps_are_filled_with_the_conditional_gaussian():
    C, targets, table = table_of()
    seen = ~targets.flatten().isnan()
    mean, covariance = conditional(joint_of(C), targets, table.means, seen)
    torch.testing.assert_close(table.values.flatten()[~seen], mean[~seen])
    torch.testing.assert_close(table.spread, covariance[~seen][:, ~seen])
    torch.testing.assert_close(table.values.flatten()[seen], targets.flatten()[seen])


def test_means_are_those_of_generalised_least_squares():
    C, targets, table = table_of()
    seen = ~targets.flatten().isnan()
    P = torch.linalg.inv(joint_of(C)[seen][:, seen])
    H = torch.eye(3).double().repeat_interleave(7, dim=0)[seen]
    torch.testing.assert_close(table.means, torch.linalg.solve(H.mT @ P @ H, H.mT @ P @ targets.flatten()[seen]))


def test_leaving_a_trial_out_is_leaving_its_entries_out():
    C, targets, table = table_of()
    joint = joint_of(C)
    for trial in range(7):
        seen = ~targets.flatten().isnan() & (torch.arange(21) % 7 != trial)
        mean, covariance = conditional(joint, targets, table.means, seen)
        left = table.without(trial)
        others = torch.arange(7) != trial
        torch.testing.assert_close(left.values[:, others], mean.reshape(3, 7)[:, others])
        torch.testing.assert_close(left.spread, covariance[table.missing][:, table.missing])


def test_second_moment_is_that_of_draws():
    C, _, table = table_of()
    generator = torch.Generator().manual_seed(0)
    draws = table.values.flatten().repeat(20000, 1)
    noise = torch.randn(20000, len(table.missing), generator=generator, dtype=torch.float64)
    draws[:, table.missing] += noise @ torch.linalg.cholesky(table.spread).mT
    z = torch.einsum("iab,sib->sia", Whitening.of(C).white, draws.reshape(-1, 3, 7) - table.means.unsqueeze(-1))
    expected = torch.einsum("sia,sja->ij", z, z) / len(z) / 7
    torch.testing.assert_close(table.second_moment(), expected, atol=0.02, rtol=0.02)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_the_correlation_of_what_drives_the_metrics_is_found(missing):
    C = matrices(120)
    generator = torch.Generator().manual_seed(3)
    z = torch.linalg.cholesky(R) @ torch.randn(3, 120, generator=generator, dtype=torch.float64)
    y = torch.einsum("iab,ib->ia", Whitening.of(C).root, z)
    y[torch.rand(3, 120, generator=generator) < missing] = NAN
    kept = (~y.isnan()).any(dim=0)
    found = shared_correlation([[Whitening.of(C[:, kept][:, :, kept])]], y[:, kept], shrinkage=2.0)
    assert (found - R).abs().max() < 0.3
    assert torch.linalg.eigvalsh(found).min() > 0
    torch.testing.assert_close(found, found.mT)


def test_without_correlation_each_metric_is_alone(runs):
    data, context = runs(14)
    for case in (data, with_gaps(data)):
        alone = apart(case, context, **FAMILIES)
        coupled = CoupledGPs(alone, correlation=torch.eye(3).double())
        reference = IndependentGPs(
            alone.train_X,
            alone.train_Y,
            alone.families,
            alone.transforms,
            shares=alone.shares,
            correlation=torch.eye(3).double(),
        )
        for X in (points(context).unsqueeze(-2), points(context).reshape(2, 3, -1)):
            for noise in (False, True):
                for got, expected in zip(coupled.moments(X, noise), reference.moments(X, noise), strict=True):
                    torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-8)


def test_complete_trials_are_predicted_as_by_separate_processes(runs):
    data, context = runs(14)
    alone = apart(data, context)
    X = points(context).unsqueeze(-2)
    got, expected = CoupledGPs(alone, correlation=R).posterior(X), alone.posterior(X)
    torch.testing.assert_close(got.mean, expected.mean)
    torch.testing.assert_close(got.variance, expected.variance)


def test_a_metric_that_is_nowhere_measured_learns_from_its_kin(runs):
    data, context = runs(14)
    Y = data.Y.clone()
    Y[:, 1] = NAN
    alone = apart(with_Y(data, Y), context)
    X = data.X[:5].unsqueeze(-2)
    free, told = (CoupledGPs(alone, correlation=each).moments(X) for each in (torch.eye(3).double(), R))
    assert (told[1][:, 1, 1] < 0.9 * free[1][:, 1, 1]).all()
    moved, kin = told[0][:, 0, 1] - free[0][:, 0, 1], told[0][:, 0, 0] - alone.offset[0]
    assert torch.corrcoef(torch.stack([moved, kin]))[0, 1] > 0.5
    estimated = CoupledGPs(alone)
    torch.testing.assert_close(estimated.correlation[1], torch.tensor([0.0, 1.0, 0.0]).double())


def test_a_gap_costs_little_where_a_metric_alike_fills_it(runs):
    data, context = runs(20)
    twins = data.Y.clone()
    twins[:, 1] = 3.0 * twins[:, 0] - 1.0
    full = apart(with_Y(data, twins), context, draws=0)
    Y = twins.clone()
    Y[6:, 1] = NAN
    families = []
    for family in full.families:
        theta = family.theta[:, [0, 0, 2]]
        families.append(ExactGPs(family.covariance, family.noise, theta, family.X, ((Y - full.offset) / full.scale).mT))
    gappy = IndependentGPs(data.X, Y, families, full.transforms, shares=full.shares, correlation=R)
    X = points(context, 40)
    truth = 3.0 * new_runs(full, X).mean[:, 0] - 1.0
    errors = [(new_runs(model, X).mean[:, 1] - truth).square().mean() for model in (gappy, CoupledGPs(gappy))]
    assert errors[1] < 0.3 * errors[0]


def test_hyperparameters_are_drawn_together_with_what_is_missing(runs):
    data, context = runs(10)
    spec = MultiTask(**FAST)
    X = points(context)
    alone = dataclasses.replace(spec, together=False).fit(with_gaps(data), context=context, seed=0)
    together = spec.fit(with_gaps(data), context=context, seed=0)
    draws, known = together.families[0].theta, alone.families[0].theta
    assert torch.equal(draws[:2], known)
    assert draws.shape == (4, *known.shape[1:])
    assert not torch.equal(draws[2:], known)
    assert new_runs(together, X).mean.isfinite().all()
    complete = [each.fit(data, context=context, seed=0) for each in (spec, dataclasses.replace(spec, together=False))]
    assert torch.equal(complete[0].families[0].theta, complete[1].families[0].theta)


@pytest.mark.parametrize("q", [1, 3])
def test_covariance_is_positive_and_the_mean_differentiable(runs, q):
    data, context = runs(14)
    model = MultiTask(**APART).fit(with_gaps(data), context=context, seed=0)
    X = points(context, 12).reshape(-1, q, 4).requires_grad_()
    posterior = model.posterior(X, observation_noise=True)
    assert posterior.mean.shape == (12 // q, q, 3)
    assert (torch.linalg.eigvalsh(posterior.distribution.covariance_matrix) > 0).all()
    (gradient,) = torch.autograd.grad(posterior.mean.sum() + posterior.variance.sum(), X)
    assert gradient.isfinite().all()
    if q == 1:
        step = torch.zeros_like(X)
        step[:, :, 0] = 1e-5
        with torch.no_grad():
            above, below = (model.posterior(X + sign * step, observation_noise=True) for sign in (1.0, -1.0))
        slope = (above.mean + above.variance - below.mean - below.variance).sum() / 2e-5
        torch.testing.assert_close(gradient[..., 0].sum(), slope, rtol=1e-4, atol=1e-4)


def test_points_in_a_batch_are_predicted_as_alone(runs):
    data, context = runs(14)
    model = MultiTask(**APART).fit(with_gaps(data), context=context, seed=0)
    X = points(context)
    alone, batched = model.moments(X.unsqueeze(-2)), model.moments(X.reshape(2, 3, -1))
    torch.testing.assert_close(batched[0].reshape(6, 3), alone[0].squeeze(-2))
    variance = batched[1].diagonal(dim1=-2, dim2=-1).unflatten(-1, (3, 3)).mT.reshape(6, 3)
    torch.testing.assert_close(variance, alone[1].diagonal(dim1=-2, dim2=-1), rtol=1e-5, atol=1e-8)


def test_leave_one_out_of_complete_trials_is_a_refit_without_them(runs):
    data, context = runs(9)
    model = CoupledGPs(apart(data, context, draws=0), correlation=R)
    held = model.leave_one_out()
    for trial in (0, 5):
        keep = [row for row in range(9) if row != trial]
        short = _refitted(model, data, keep)
        expected = new_runs(short, data.X[trial : trial + 1])
        torch.testing.assert_close(held.mean[trial], expected.mean[0], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(held.covariance[trial], expected.covariance[0], rtol=1e-4, atol=1e-8)


def test_leave_one_out_with_gaps_is_near_a_refit(runs):
    data, context = runs(14)
    data = with_gaps(data)
    model = CoupledGPs(apart(data, context, draws=0), correlation=R)
    held = model.leave_one_out()
    for trial in (0, 4, 9):
        short = _refitted(model, data, [row for row in range(14) if row != trial])
        expected = new_runs(short, data.X[trial : trial + 1])
        variance = expected.covariance[0].diagonal()
        assert ((held.mean[trial] - expected.mean[0]).abs() < 0.3 * variance.sqrt()).all()
        assert ((held.covariance[trial].diagonal() / variance - 1.0).abs() < 0.2).all()


def _refitted(model, data, keep):
    """The same hyperparameters and coupling, with some of the trials."""
    targets = ((data.Y[keep] - model.offset) / model.scale).mT
    families = [ExactGPs(f.covariance, f.noise, f.theta, data.X[keep], targets) for f in model.families]
    short = IndependentGPs(
        data.X[keep],
        data.Y[keep],
        families,
        model.transforms,
        shares=model.shares,
        correlation=R,
    )
    return CoupledGPs(short, correlation=R)


def test_a_trial_without_metrics_changes_nothing(runs):
    data, context = runs(14)
    Y = with_gaps(data).Y.clone()
    Y[[2, 7]] = NAN
    keep = [row for row in range(14) if row not in (2, 7)]
    spec = MultiTask(kernels=(Stationary(),), draws=0)
    got = spec.fit(with_Y(data, Y), context=context, seed=0)
    expected = spec.fit(rows_of(with_Y(data, Y), keep), context=context, seed=0)
    X = points(context).unsqueeze(-2)
    for ours, theirs in zip(got.moments(X, True), expected.moments(X, True), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(got.leave_one_out().mean[keep], expected.leave_one_out().mean, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(got.leave_one_out().mean[[2, 7]], new_runs(got, data.X[[2, 7]]).mean)


def test_the_order_of_metrics_and_trials_does_not_matter(runs):
    data, context = runs(14)
    data = with_gaps(data)
    spec, columns, rows = (
        MultiTask(kernels=(Stationary(),), draws=0),
        [2, 0, 1],
        np.random.default_rng(0).permutation(14),
    )
    names = tuple(context.metrics[column] for column in columns)
    moved = SupervisedDataset(
        data.X[rows], data.Y[rows][:, columns], feature_names=data.feature_names, outcome_names=list(names)
    )
    X = points(context)
    expected = new_runs(spec.fit(data, context=context, seed=0), X)
    got = new_runs(spec.fit(moved, context=FitContext(context.space, names), seed=0), X)
    torch.testing.assert_close(got.mean, expected.mean[:, columns], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(got.covariance, expected.covariance[:, columns][:, :, columns], rtol=1e-2, atol=1e-5)


def test_the_same_seed_gives_the_same_bits(runs):
    data, context = runs(10)
    one, two = (MultiTask(**FAST).fit(with_gaps(data), context=context, seed=4) for _ in range(2))
    X = points(context).unsqueeze(-2)
    assert all(torch.equal(a, b) for a, b in zip(one.moments(X), two.moments(X), strict=True))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 6])
def test_defined_whatever_the_trials(runs, n):
    data, context = runs(8)
    gappy = with_gaps(data).Y
    constant = gappy.clone()
    constant[:, 0] = torch.where(constant[:, 0].isnan(), NAN, 2.5)
    absent = gappy.clone()
    absent[:, 1] = NAN
    X = points(context).reshape(3, 2, 4)
    for Y in (gappy, constant, absent, torch.full_like(gappy, NAN)):
        case = rows_of(with_Y(data, Y), slice(0, n))
        model = MultiTask(**(FAST if n == 6 and Y is absent else APART)).fit(case, context=context, seed=0)
        mean, covariance = model.moments(X, True)
        assert mean.isfinite().all()
        assert (covariance.diagonal(dim1=-2, dim2=-1) > 0).all()
        if n:
            held = model.leave_one_out()
            assert held.mean.isfinite().all()
            assert torch.linalg.eigvalsh(held.covariance).min() > -1e-8


def test_a_law_as_mean_is_kept(runs):
    from bomix.surrogates.means.law import LawMean

    data, context = runs(16)
    X = points(context)
    spec = MultiTask(kernels=(Stationary(),), draws=0, mean=LawMean())
    coupled = spec.fit(with_gaps(data), context=context, seed=0)
    alone = CoupledGPs(coupled, correlation=torch.eye(3).double())
    expected = GP(kernels=(Stationary(),), draws=0, mean=LawMean()).fit(with_gaps(data), context=context, seed=0)
    torch.testing.assert_close(new_runs(alone, X).mean, new_runs(expected, X).mean, rtol=1e-6, atol=1e-7)
    assert new_runs(coupled, X).mean.isfinite().all()


def test_fantasies_are_refused_where_there_are_gaps(runs):
    data, context = runs(8)
    X = points(context, 2)
    with pytest.raises(UnsupportedError, match="gp"):
        MultiTask(**APART).fit(with_gaps(data), context=context, seed=0).condition_on_observations(X, data.Y[:2])
    complete = MultiTask(**APART).fit(data, context=context, seed=0)
    assert complete.condition_on_observations(X, data.Y[:2]).posterior(X).mean.shape == (2, 3)


def test_too_many_entries_stand_alone(runs, monkeypatch, caplog):
    data, context = runs(8)
    monkeypatch.setattr("bomix.surrogates.gp.multitask.MOST_ENTRIES", 10)
    assert not isinstance(MultiTask(**APART).fit(with_gaps(data), context=context, seed=0), CoupledGPs)
    assert "stands alone" in caplog.text


def test_fields_that_cannot_be(runs):
    found = dataclasses.replace(MultiTask(), shrinkage=0.0, kernels=()).faults()
    assert {fault.where for fault in found} == {"shrinkage", "kernels"}
    assert not MultiTask().faults()
