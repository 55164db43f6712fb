from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.model_selection import GridSearchCV, PredefinedSplit

from bomix.config.build import build, plain
from bomix.contracts.context import FitContext
from bomix.errors import FaultsError
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.cross_validation.folds import prepare
from bomix.surrogates.regression import specs
from bomix.surrogates.regression.boosting import LightGBMSetting, lightgbm_forests
from bomix.surrogates.regression.forest import Forest, Tree
from bomix.surrogates.regression.specs import Boosting, EmpiricalMean, LightGBM, Ridge
from tests.known.runs import points

lightgbm = pytest.importorskip("lightgbm")

SPECS = {
    "mean": EmpiricalMean(),
    "ridge": Ridge(),
    "ridge on both": Ridge(inputs="both"),
    "lightgbm": LightGBM(rounds=40, rate=0.1),
    "boosting": Boosting(trees=(5, 10), depths=(2,)),
}
each_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())


def dataset(X, Y):
    return SupervisedDataset(
        torch.as_tensor(X),
        torch.as_tensor(Y),
        feature_names=[f"x{i}" for i in range(X.shape[-1])],
        outcome_names=[f"y{i}" for i in range(Y.shape[-1])],
    )


def new_runs(model, X):
    """Means ``n x m`` and standard deviations ``n x m`` of new runs at ``n x d`` mixtures."""
    with torch.no_grad():
        posterior = model.posterior(X.unsqueeze(-2), observation_noise=True)
    return posterior.mean.squeeze(-2), posterior.variance.squeeze(-2).sqrt()


# The regressors are those of their libraries


def test_ridge_is_scikit_learns_on_the_trials_that_have_the_metric(runs):
    data, context = runs(20)
    data.Y[[2, 7], 1] = torch.nan
    X = points(context)
    for inputs, see in (("raw", lambda w: w), ("both", lambda w: np.hstack([w, np.log(w + 0.01)]))):
        spec = Ridge(inputs=inputs, eps=0.01, penalties=(0.05,))
        mean, _ = new_runs(spec.fit(data, context=context, seed=0), X)
        for column in range(3):
            seen = ~data.Y[:, column].isnan()
            by_hand = SklearnRidge(alpha=0.05).fit(see(data.X[seen].numpy()), data.Y[seen, column])
            np.testing.assert_allclose(mean[:, column], by_hand.predict(see(X.numpy())), rtol=1e-9)


def test_ridge_takes_the_penalty_of_the_best_held_out_trials(runs):
    data, context = runs(25, noise=0.3)
    X, penalties = points(context), (1e-3, 0.1, 1.0, 100.0)
    mean, _ = new_runs(Ridge(penalties=penalties).fit(data, context=context, seed=3), X)
    prepared = prepare(data, folds=5, seed=3)
    split = PredefinedSplit(prepared.folds)
    for column in range(3):
        search = GridSearchCV(SklearnRidge(), {"alpha": penalties}, cv=split, scoring="neg_mean_squared_error")
        search.fit(data.X[prepared.rows].numpy(), data.Y[prepared.rows, column].numpy())
        np.testing.assert_allclose(mean[:, column], search.predict(X.numpy()), rtol=1e-9)


@pytest.mark.parametrize("leaf", [1, 3, 20])
def test_lightgbms_trees_read_out_predict_what_lightgbm_predicts(runs, leaf):
    data, context = runs(50)
    X, y = data.X.numpy(), data.Y[:, 0].numpy()
    options = {"min_data_in_leaf": leaf, "min_data_in_bin": min(3, leaf), "learning_rate": 0.1, "verbosity": -1}
    booster = lightgbm.train({**options, "num_threads": 1}, lightgbm.Dataset(X, y), 130)
    forest = lightgbm_forests(X, y, [LightGBMSetting(130, 0.1, leaf)])[0]
    at = np.vstack([X, points(context, 700).numpy()])
    np.testing.assert_allclose(forest(at), booster.predict(at, num_threads=1), rtol=1e-12)


def test_boosting_takes_scikit_learns_best_on_held_out_trials(runs):
    data, context = runs(18)
    X, grid = points(context, 50), {"n_estimators": [3, 20], "learning_rate": [0.01, 0.3], "max_depth": [2, 4]}
    spec = Boosting(trees=(3, 20), rates=(0.01, 0.3), depths=(2, 4))
    mean, _ = new_runs(spec.fit(data, context=context, seed=0), X)
    prepared = prepare(data, folds=5, seed=0)
    search = GridSearchCV(
        GradientBoostingRegressor(random_state=0),
        grid,
        cv=PredefinedSplit(prepared.folds),
        scoring="neg_mean_squared_error",
    )
    search.fit(prepared.X, prepared.Z[:, 1])
    standardised = torch.as_tensor(search.predict(X.numpy()[:, prepared.columns]))
    torch.testing.assert_close(mean[:, 1], prepared.offset[1] + prepared.scale[1] * standardised)


def test_a_forest_is_the_sum_of_its_trees():
    # x0 <= 0.5 ? (x1 <= 0.2 ? 1 : 2) : (x1 <= 0.7 ? 4 : 8), twice, and a stump
    table = np.array([0, 1, 1]), np.array([0.5, 0.2, 0.7]), np.array([1, -1, -3]), np.array([2, -2, -4])
    tree = Tree(*table, np.array([1.0, 2.0, 4.0, 8.0]))
    none = np.empty(0, dtype=int)
    stump = Tree(none, np.empty(0), none, none, np.array([100.0]))
    X = np.array([[0.5, 0.2], [0.0, 0.21], [0.6, 0.7], [1.0, 1.0]])
    np.testing.assert_array_equal(Forest([tree, stump, tree], constant=0.5)(X), [102.5, 104.5, 108.5, 116.5])


# The spread


def test_the_spread_of_the_mean_is_that_of_leaving_one_out(runs):
    data, context = runs(12)
    model = EmpiricalMean().fit(data, context=context, seed=0)
    mean, sd = new_runs(model, points(context))
    others = (data.Y.sum(dim=0) - data.Y) / 11
    residuals = data.Y - others
    torch.testing.assert_close(mean[0], data.Y.mean(dim=0))
    torch.testing.assert_close(sd[0], (residuals.square().mean(dim=0) * 11 / 9).sqrt())
    torch.testing.assert_close(model.leave_one_out().mean, others)


@pytest.mark.parametrize("n", [8, 15, 40])
@each_spec
def test_intervals_hold_about_95_percent_of_new_runs(runs, spec, n):
    held = []
    for seed in range(4):
        data, context = runs(n, noise=0.1, seed=seed)
        unseen, _ = runs(64, noise=0.1, seed=100 + seed)
        mean, sd = new_runs(spec.fit(data, context=context, seed=0), unseen.X)
        held.append(((unseen.Y - mean).abs() <= 1.96 * sd).double().mean())
    assert 0.9 <= np.mean(held) <= 0.995


def test_metrics_that_err_together_are_correlated(runs):
    data, context = runs(30)
    twins = dataset(data.X, torch.stack([data.Y[:, 0], 5 - data.Y[:, 0]], dim=-1))
    for spec in (EmpiricalMean(), Ridge()):
        _, covariance = spec.fit(twins, context=context, seed=0).moments(points(context)[:1], True)
        assert covariance[0, 1] / (covariance[0, 0] * covariance[1, 1]).sqrt() < -0.95


def test_ridge_is_less_sure_far_from_its_trials(runs):
    data, context = runs(25)
    near = data.X - data.X.mean(dim=0)
    data.X[:] = data.X.mean(dim=0) + 0.3 * near
    _, sd = new_runs(
        Ridge().fit(data, context=context, seed=0), torch.stack([data.X.mean(dim=0), torch.eye(4)[0].double()])
    )
    assert (sd[1] > 1.2 * sd[0]).all()


@each_spec
def test_a_trial_does_not_help_to_predict_itself(runs, spec):
    spec = Ridge(penalties=(0.1,)) if isinstance(spec, Ridge) else spec
    # Deeper trees meet splits that are equally good, and the last bits decide between them.
    spec = Boosting(trees=(10,), rates=(0.1,), depths=(1,)) if isinstance(spec, Boosting) else spec
    data, context = runs(12)
    data.X[5] = data.X[4]  # a repeat does not give its twin away either
    before = spec.fit(data, context=context, seed=0).leave_one_out()
    data.Y[4:6] += 3.0
    after = spec.fit(data, context=context, seed=0).leave_one_out()
    torch.testing.assert_close(after.mean[4], before.mean[4], rtol=1e-4, atol=1e-4)
    assert (after.mean[0] - before.mean[0]).abs().max() > 1e-3


# A model of every shape and order


@each_spec
def test_moments_of_any_batch_are_those_of_its_points(runs, spec):
    data, context = runs(14)
    model = spec.fit(data, context=context, seed=0)
    X = points(context, 12).reshape(2, 3, 2, 4)
    posterior = model.posterior(X)
    assert posterior.mean.shape == (2, 3, 2, 3)
    mean, covariance = model.moments(X)
    assert covariance.shape == (2, 3, 6, 6)
    assert torch.linalg.eigvalsh(covariance).min() > 0
    alone, own = model.moments(X[1, 2, 1:])
    torch.testing.assert_close(mean[1, 2, 1:], alone)
    torch.testing.assert_close(covariance[1, 2][1::2, 1::2], own)
    chosen = model.posterior(X, output_indices=[2])
    torch.testing.assert_close(chosen.mean, mean[..., [2]])
    assert (model.posterior(X, observation_noise=True).variance >= posterior.variance).all()


@each_spec
def test_the_order_of_trials_and_metrics_changes_nothing(runs, spec):
    data, context = runs(13)
    data.X[3] = data.X[8]
    data.Y[2, 0] = torch.nan
    X = points(context)
    model = spec.fit(data, context=context, seed=0)
    mean, sd = new_runs(model, X)
    rows = torch.as_tensor(np.random.default_rng(1).permutation(13))
    shuffled = spec.fit(dataset(data.X[rows], data.Y[rows]), context=context, seed=0)
    torch.testing.assert_close(new_runs(shuffled, X), (mean, sd), rtol=0, atol=0)
    torch.testing.assert_close(shuffled.leave_one_out().mean, model.leave_one_out().mean[rows], rtol=0, atol=0)
    turned = new_runs(spec.fit(dataset(data.X, data.Y[:, [2, 0, 1]]), context=context, seed=0), X)
    torch.testing.assert_close(turned, (mean[:, [2, 0, 1]], sd[:, [2, 0, 1]]))


@each_spec
def test_renaming_the_domains_changes_nothing(runs, spec):
    data, context = runs(13)
    X, turn = points(context), [2, 0, 3, 1]
    expected = new_runs(spec.fit(data, context=context, seed=0), X)
    got = new_runs(spec.fit(dataset(data.X[:, turn], data.Y), context=context, seed=0), X[:, turn])
    torch.testing.assert_close(got, expected)


@each_spec
def test_a_fit_is_the_same_whatever_was_drawn_before(runs, spec):
    data, context = runs(13)
    X = points(context)
    first = new_runs(spec.fit(data, context=context, seed=5), X)
    np.random.default_rng().normal(size=3)
    torch.rand(7)
    again = pickle.loads(pickle.dumps(spec.fit(data, context=context, seed=5)))
    torch.testing.assert_close(new_runs(again, X), first, rtol=0, atol=0)


def test_ridge_has_gradients_on_the_boundary_too(runs):
    data, context = runs(20)
    for inputs in ("raw", "log", "both"):
        model = Ridge(inputs=inputs).fit(data, context=context, seed=0)
        X = torch.tensor([[0.0, 0.2, 0.5, 0.3], [0.0, 0.0, 0.0, 1.0]], dtype=torch.float64, requires_grad=True)
        posterior = model.posterior(X.unsqueeze(-2))
        (gradient,) = torch.autograd.grad(posterior.mean.sum() + posterior.variance.sum(), X)
        assert gradient.isfinite().all()
        assert gradient.abs().min() > 0


# Little data


@pytest.mark.parametrize("n", [0, 1, 2, 3])
@each_spec
def test_a_few_trials_give_a_wide_belief(runs, spec, n):
    data, context = runs(5)
    model = spec.fit(dataset(data.X[:n], data.Y[:n]), context=context, seed=0)
    mean, sd = new_runs(model, points(context))
    assert mean.isfinite().all()
    assert sd.isfinite().all()
    if n == 0:
        assert (mean == 0).all()
    if n == 1:
        torch.testing.assert_close(mean, data.Y[:1].expand(6, 3))
    if n < 2:
        torch.testing.assert_close(sd, torch.ones(6, 3).double())
        assert model.leave_one_out() is None
    else:
        assert (sd >= 0.7 * data.Y[:n].std(dim=0)).all()
        held_out = model.leave_one_out()
        assert held_out.mean.shape == (n, 3)
        assert held_out.covariance.shape == (n, 3, 3)
        assert held_out.mean.isfinite().all()


@each_spec
def test_constant_and_missing_metrics_have_a_defined_belief(runs, spec):
    data, context = runs(9)
    Y = data.Y.clone()
    Y[:, 0], Y[:, 1] = 2.5, torch.nan
    Y[4:, 2] = torch.nan
    model = spec.fit(dataset(data.X, Y), context=context, seed=0)
    mean, sd = new_runs(model, points(context))
    torch.testing.assert_close(mean[:, :2], torch.tensor([2.5, 0.0]).double().expand(6, 2))
    torch.testing.assert_close(sd[:, :2], torch.ones(6, 2).double())
    assert mean.isfinite().all()
    assert (sd[:, 2] > 0).all()
    assert model.leave_one_out().mean.isfinite().all()


@each_spec
def test_repeats_of_a_single_mixture_are_averaged(runs, spec):
    data, context = runs(5)
    data.X[:] = data.X[0].clone()
    mean, sd = new_runs(spec.fit(data, context=context, seed=0), points(context))
    torch.testing.assert_close(mean, data.Y.mean(dim=0).expand(6, 3))
    assert (sd > 0).all()


def test_single_points_of_a_simplex_of_two_domains_work():
    context = FitContext(MixtureSpace(("a", "b")), ("y",))
    X = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]).double()
    for spec in SPECS.values():
        mean, sd = new_runs(spec.fit(dataset(X, X[:, :1] + 1), context=context, seed=0), X)
        assert mean.isfinite().all()
        assert (sd > 0).all()


# The specs


@each_spec
def test_a_spec_is_its_study_file(spec):
    built, faults = build(type(spec), plain(spec))
    assert faults == []
    assert built == spec
    assert spec.faults() == [] if hasattr(spec, "faults") else True


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        (Ridge(inputs="log", eps=0.0), "eps"),
        (Ridge(penalties=()), "penalties"),
        (Ridge(penalties=(0.0, 1.0)), "penalties"),
        (Ridge(folds=1), "folds"),
        (Ridge(samples=1), "samples"),
        (LightGBM(leaf=0), "leaf"),
        (LightGBM(rounds=0), "rounds"),
        (LightGBM(rate=0.0), "rate"),
        (Boosting(trees=(0,)), "trees"),
        (Boosting(rates=(2.0,)), "rates"),
        (Boosting(depths=(2, 5)), "depths"),
    ],
)
def test_a_wrong_field_is_named(spec, where):
    assert [fault.where for fault in spec.faults()] == [where]


def test_a_missing_lightgbm_is_named_with_its_cure(runs, monkeypatch):
    monkeypatch.setattr(specs, "find_spec", lambda name: None)
    (fault,) = LightGBM().faults()
    assert "pip install 'bomix[lightgbm]'" in fault.what
    data, context = runs(5)
    with pytest.raises(FaultsError, match="not installed"):
        LightGBM().fit(data, context=context, seed=0)


def test_the_specs_import_nothing_heavy():
    code = (
        "import sys, bomix.surrogates.regression.specs as r; r.LightGBM().faults(); "
        "print([name for name in ('torch', 'sklearn', 'lightgbm', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
