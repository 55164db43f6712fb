"""Predictions on their own, and surrogates of what they leave over."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from botorch.models import SingleTaskGP
from botorch.sampling.normal import SobolQMCNormalSampler
from botorch.utils.datasets import SupervisedDataset

from bomix.config.build import build, plain
from bomix.errors import FitError
from bomix.surrogates.combined.calibration import fit_line, without_each
from bomix.surrogates.combined.corrected import Corrected
from bomix.surrogates.combined.prediction import Prediction
from bomix.surrogates.cross_validation.held_out import new_runs, refitted
from bomix.surrogates.gp.multitask import MultiTask
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.kernels.composition_specs import Scaled
from bomix.surrogates.kernels.specs import Stationary
from bomix.surrogates.laws.spec import LawRegression
from bomix.surrogates.means.law import LawMean
from bomix.surrogates.regression.specs import Boosting, EmpiricalMean, Ridge
from tests.known.models import ByExperts, Known, curve, wave, with_experts
from tests.known.runs import points

FAST = {"kernels": (Scaled(Stationary()),), "draws": 0, "restarts": 1}
INNER = {
    "mean": EmpiricalMean(),
    "ridge": Ridge(),
    "boosting": Boosting(trees=(10,), rates=(0.1,), depths=(2,)),
    "law": LawRegression(starts=1),
    "gp": GP(**FAST),
    "multitask": MultiTask(**FAST),
}
each_inner = pytest.mark.parametrize("inner", INNER.values(), ids=INNER.keys())


def with_values(data, Y):
    return SupervisedDataset(data.X, Y, feature_names=data.feature_names, outcome_names=data.outcome_names)


def cut(data, n):
    names = {"feature_names": data.feature_names, "outcome_names": data.outcome_names}
    return SupervisedDataset(data.X[:n], data.Y[:n].clone(), **names)


# The line


def test_without_a_slope_the_line_is_the_mean_residual(runs):
    data, _ = runs(9)
    Y = data.Y.clone()
    Y[[0, 4], 1] = torch.nan
    line = fit_line(curve(data.X), Y, slope=0.0, shares=torch.ones(9).double())
    torch.testing.assert_close(line.intercept, (Y - curve(data.X)).nanmean(dim=0))
    torch.testing.assert_close(line.slope, torch.ones(3).double())


@pytest.mark.parametrize("b", [1.0, 1.1, 0.85])
def test_a_slope_that_the_prior_allows_is_found(runs, b):
    data, _ = runs(20)
    Y = 0.7 + b * curve(data.X) + 0.005 * torch.as_tensor(np.random.default_rng(0).normal(size=(20, 3)))
    line = fit_line(curve(data.X), Y, slope=0.1, shares=torch.ones(20).double())
    torch.testing.assert_close(line.slope, torch.full((3,), b).double(), rtol=0.0, atol=0.03)
    torch.testing.assert_close(line(curve(data.X)), Y, rtol=0.0, atol=0.03)


def test_the_slope_is_the_posteriors_mean_under_a_noise_of_unknown_scale(runs):
    """Against integration over slope and noise on a grid, the constant integrated out by hand."""
    data, _ = runs(6, noise=0.05)
    f, y = curve(data.X)[:, 0], 1.3 * curve(data.X)[:, 0] + data.Y[:, 1]
    found = fit_line(f.unsqueeze(-1), y.unsqueeze(-1), slope=0.2, shares=torch.ones(6).double()).slope
    f, r = f - f.mean(), (y - f) - (y - f).mean()
    change = torch.linspace(-1.5, 1.5, 3001).double()[:, None]
    noise = (r.square().sum() / 5 * torch.logspace(-3.0, 0.7, 400).double())[None]
    left = (r - change.unsqueeze(-1) * f).square().sum(dim=-1)
    density = (-0.5 * (change / 0.2).square() - 0.5 * left / noise - 2.5 * noise.log()).flatten().softmax(dim=0)
    expected = 1.0 + (density.reshape(3001, 400) * change).sum()
    torch.testing.assert_close(found[0], expected, rtol=0.0, atol=2e-3)


def test_lines_without_each_trial_are_fits_without_it(runs):
    data, _ = runs(7)
    X = torch.cat([data.X, data.X[:2]])
    Y = torch.cat([data.Y, data.Y[:2] + 0.1])
    Y[3, 0] = torch.nan
    others = without_each(X)
    lines = fit_line(curve(X), Y, slope=0.1, shares=others)
    for i in range(9):
        keep = others[i] > 0
        assert keep.sum() == (7 if i in (0, 1, 7, 8) else 8)
        alone = fit_line(curve(X)[keep], Y[keep], slope=0.1, shares=torch.ones(int(keep.sum())).double())
        torch.testing.assert_close(lines.slope[i], alone.slope, rtol=1e-8, atol=1e-8)
        torch.testing.assert_close(lines.intercept[i], alone.intercept, rtol=1e-8, atol=1e-8)


# Surrogates of what is left


@each_inner
def test_what_the_line_explains_needs_no_surrogate(runs, inner):
    data, context = runs(12)
    exact = with_values(data, 0.3 + 1.05 * curve(data.X))
    X = points(context, 8)
    found = new_runs(Corrected(Known(), inner).fit(exact, context=context, seed=0), X)
    torch.testing.assert_close(found.mean, 0.3 + 1.05 * curve(X), rtol=0.0, atol=0.02)


@each_inner
def test_what_is_left_is_the_surrogates(runs, inner):
    data, context = runs(14)
    mean = Known(slope=0.0, a=0.2, b=0.5)
    model = Corrected(mean, inner).fit(data, context=context, seed=3)
    line = fit_line(mean.predict(data.X), data.Y, slope=0.0, shares=torch.ones(14).double())
    alone = inner.fit(with_values(data, data.Y - line(mean.predict(data.X))), context=context, seed=3)
    X = points(context, 8)
    found, expected = new_runs(model, X), new_runs(alone, X)
    torch.testing.assert_close(found.mean, expected.mean + line(mean.predict(X)))
    torch.testing.assert_close(found.covariance, expected.covariance)
    torch.testing.assert_close(model.mean(X.unsqueeze(-2)).squeeze(-2), found.mean)
    inside, outside = model.leave_one_out(), alone.leave_one_out()
    torch.testing.assert_close(inside.mean, outside.mean + line(mean.predict(data.X)))


@pytest.mark.parametrize("n", [0, 1, 2, 5])
@pytest.mark.parametrize(
    ("mean", "inner"),
    [*((Known(), inner) for inner in INNER.values()), (LawMean(starts=1), INNER["ridge"])],
    ids=[*INNER, "on a law"],
)
def test_defined_whatever_the_trials(runs, mean, inner, n):
    data, context = runs(6)
    few = cut(data, n)
    if n == 5:
        few.Y[:, 0], few.Y[0, 1], few.Y[:, 2] = 2.5, torch.nan, torch.nan
    for spec in (Corrected(mean, inner), Prediction(mean, calibrate="line")):
        model = spec.fit(few, context=context, seed=0)
        found = new_runs(model, points(context, 8))
        assert found.mean.isfinite().all()
        assert found.covariance.isfinite().all()
        assert (found.covariance.diagonal(dim1=-2, dim2=-1) > 0).all()


def test_a_prediction_that_learns_is_compared_with_trials_it_has_not_seen(runs):
    data, context = runs(12)
    exact = with_values(data, curve(data.X))
    found = Corrected(Known(slope=0.0, learnt=True, unseen=0.3), EmpiricalMean()).fit(exact, context=context, seed=0)
    sd = new_runs(found, points(context, 8)).covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    assert ((sd > 0.25) & (sd < 0.5)).all()
    # It is right about the mixtures: what it got wrong unseen is no reason to bend it.
    torch.testing.assert_close(new_runs(found, points(context, 8)).mean, curve(points(context, 8)), rtol=0.0, atol=0.05)
    held = found.leave_one_out().mean
    assert (torch.corrcoef(torch.stack([held[:, 0] - exact.Y[:, 0], wave(12)[:, 0]]))[0, 1]) > 0.9


def test_experts_do_not_move_the_line_and_may_be_examples(runs):
    """A prediction repeats its experts' losses; between them it is off by a half."""
    data, context = runs(10)
    shifted = with_values(data, curve(data.X) + 0.5)
    whole, names, expert = with_experts(shifted, context)
    spec = Corrected(ByExperts(), EmpiricalMean())
    X = points(context, 8)
    torch.testing.assert_close(new_runs(spec.fit(whole, context=names, seed=0), X).mean, curve(X) + 0.5)
    process = Corrected(ByExperts(), GP(**FAST)).fit(whole, context=names, seed=0)
    off = new_runs(process, whole.X).mean - curve(whole.X)
    assert off[expert].abs().max() < 0.1
    assert (off[~expert] - 0.5).abs().max() < 0.1


def test_it_can_do_what_its_parts_can(runs):
    assert Corrected(Known(), GP()).differentiable
    assert Corrected(Known(), GP()).fantasizes
    assert not Corrected(Known(differentiable=False), GP()).differentiable
    assert not Corrected(Known(), Boosting()).differentiable
    assert not Corrected(Known(), MultiTask()).fantasizes
    assert Prediction(Known()).differentiable
    assert not Prediction(Known(differentiable=False)).differentiable


@pytest.mark.parametrize("mean", [Known(), Known(learnt=True, unseen=0.1)], ids=["known", "learnt"])
def test_fantasies_and_more_data_are_those_of_the_process(runs, mean):
    data, context = runs(10)
    model = Corrected(mean, GP(**FAST)).fit(data, context=context, seed=0)
    X = points(context, 3)
    Y = curve(X) + 0.05
    updated = model.condition_on_observations(X, Y)
    assert ((updated.mean(X) - Y).abs() <= (model.mean(X) - Y).abs() + 1e-9).all()
    fantasy = model.fantasize(X[:1], SobolQMCNormalSampler(torch.Size([5]), seed=0))
    assert fantasy.batch_shape == (5,)
    assert fantasy.posterior(X).mean.shape == (5, 3, 3)
    assert (fantasy.posterior(X[:1]).variance < model.posterior(X[:1]).variance).all()


@pytest.mark.parametrize("spec", [Corrected(Known(), GP(**FAST)), Prediction(Known(), calibrate="line")])
def test_gradients_are_those_of_finite_differences(runs, spec):
    data, context = runs(8)
    model = spec.fit(data, context=context, seed=0)
    X = torch.cat([torch.eye(4).double(), points(context, 3)]).unsqueeze(-2).requires_grad_()
    (gradient,) = torch.autograd.grad(model.posterior(X).mean.sum(), X)
    with torch.no_grad():
        moves = 1e-6 * torch.eye(4).double()
        each = [[model.mean(X + k * move).sum(dim=(-1, -2)) for k in (0, 1, 2)] for move in moves]
        slopes = [(4 * one - 3 * none - two) / 2e-6 for none, one, two in each]
    torch.testing.assert_close(gradient.squeeze(-2), torch.stack(slopes, dim=-1), rtol=1e-3, atol=1e-3)


def test_a_model_that_is_no_joint_one_is_refused(runs):
    class Foreign:
        def fit(self, data, *, context, seed):
            return SingleTaskGP(data.X, data.Y)

    data, context = runs(6)
    with pytest.raises(FitError, match="Foreign"):
        Corrected(Known(), Foreign()).fit(data, context=context, seed=0)


def test_a_study_file_can_say_them():
    spec, faults = build(Corrected, {"mean": {"kind": "law", "slope": 0.2}, "surrogate": "ridge"})
    assert not faults
    assert spec == Corrected(LawMean(slope=0.2), Ridge())
    assert build(Corrected, plain(spec)) == (spec, [])
    spec, faults = build(Prediction, {"mean": "law", "calibrate": "line"})
    assert (spec, faults) == (Prediction(LawMean(), "line"), [])
    assert [fault.where for fault in Prediction(LawMean(), spread=0.0).faults()] == ["spread"]


# The prediction alone


@pytest.mark.parametrize(("calibrate", "a"), [("none", 0.0), ("offset", 0.4), ("line", 0.4)])
def test_trials_set_the_level_where_they_may(runs, calibrate, a):
    data, context = runs(12)
    shifted = with_values(data, curve(data.X) + 0.4)
    X = points(context, 8)
    model = Prediction(Known(), calibrate=calibrate).fit(shifted, context=context, seed=0)
    torch.testing.assert_close(new_runs(model, X).mean, curve(X) + a)
    assert torch.equal(new_runs(model, X).mean.argsort(dim=0), curve(X).argsort(dim=0))


def test_its_spread_is_that_of_errors_at_trials_that_the_level_has_not_seen(runs):
    data, context = runs(11)
    errors = 0.1 * torch.as_tensor(np.random.default_rng(0).normal(size=(11, 3)))
    model = Prediction(Known()).fit(with_values(data, curve(data.X) + errors), context=context, seed=0)
    sd = new_runs(model, points(context, 8)).covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    others = errors - (errors.sum(dim=0) - errors) / 10
    expected = (others.square().mean(dim=0) * 10 / 8).sqrt()
    torch.testing.assert_close(sd, expected.expand_as(sd))
    held = model.leave_one_out()
    torch.testing.assert_close(held.mean, curve(data.X) + errors - others)
    # The level is all that it learns, so that the closed form is what a refit without the trial says.
    anew = refitted(Prediction(Known()), with_values(data, curve(data.X) + errors), context=context, seed=0, folds=11)
    torch.testing.assert_close(held.mean, anew.mean)


@pytest.mark.parametrize("n", [0, 1])
def test_no_trial_but_experts_leaves_the_prediction_and_the_spread_asked_for(runs, n):
    data, context = runs(6)
    whole, names, _ = with_experts(cut(data, n), context)
    model = Prediction(ByExperts(), spread=0.3).fit(whole, context=names, seed=0)
    found = new_runs(model, points(context, 8))
    offset = (data.Y - curve(data.X))[0] if n else torch.zeros(3).double()
    torch.testing.assert_close(found.mean, curve(points(context, 8)) + offset)
    torch.testing.assert_close(found.covariance, 0.09 * torch.eye(3).double().expand(8, 3, 3))
    assert model.leave_one_out().mean.shape == (4 + n, 3)


def test_experts_say_nothing_of_level_and_spread(runs):
    data, context = runs(8)
    whole, names, _ = with_experts(data, context, off=9.0)
    found, expected = (
        new_runs(Prediction(ByExperts()).fit(each, context=own, seed=0), points(context, 8))
        for each, own in ((whole, names), (data, context))
    )
    torch.testing.assert_close(found.mean, expected.mean)
    torch.testing.assert_close(found.covariance, expected.covariance)


def test_a_prediction_survives_pickling(runs):
    data, context = runs(6)
    for spec in (Prediction(Known()), Corrected(Known(), GP(**FAST))):
        model = spec.fit(data, context=context, seed=0)
        again = pickle.loads(pickle.dumps(model))
        torch.testing.assert_close(new_runs(again, points(context, 8)).mean, new_runs(model, points(context, 8)).mean)
