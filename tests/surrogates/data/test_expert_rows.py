"""Whether experts of single domains are among what a surrogate learns from."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from botorch.sampling.normal import SobolQMCNormalSampler
from botorch.utils.datasets import SupervisedDataset

from bomix.surrogates.cross_validation.held_out import held_out, new_runs, part, refitted
from bomix.surrogates.data.expert_rows import examples
from bomix.surrogates.fully_bayesian.specs import BayesianGP, BayesianLaw
from bomix.surrogates.gp.multitask import MultiTask
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.kernels.composition_specs import Scaled
from bomix.surrogates.kernels.specs import Stationary
from bomix.surrogates.laws.spec import LawRegression
from bomix.surrogates.regression.specs import Boosting, EmpiricalMean, LightGBM, Ridge
from tests.known.models import ByExperts, Known, with_experts
from tests.known.runs import points

FAST = {"kernels": (Scaled(Stationary()),), "draws": 0, "restarts": 1}
NUTS = {"warmup": 20, "samples": 8, "thinning": 1, "chains": 2, "max_tree_depth": 1}
SPECS = {
    "mean": EmpiricalMean(),
    "ridge": Ridge(),
    "boosting": Boosting(trees=(5,), rates=(0.1,), depths=(2,)),
    "lightgbm": LightGBM(rounds=10, rate=0.1),
    "law": LawRegression(starts=1),
    "gp": GP(**FAST),
    "gp with mean": GP(**FAST, mean=ByExperts()),
    "multitask": MultiTask(**FAST),
    "bayesian gp": BayesianGP(**NUTS),
    "bayesian law": BayesianLaw(**NUTS),
}
each_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())


@pytest.fixture(autouse=True)
def _installed(request):
    if "lightgbm" in request.node.name:
        pytest.importorskip("lightgbm")


def same(first, second):
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one, other)


def test_whether_experts_are_examples_unless_a_study_says_so():
    lines = (EmpiricalMean(), Ridge(), Boosting(), LightGBM())
    assert not any(spec.experts for spec in lines)
    assert all(spec.experts for spec in (GP(), MultiTask(), LawRegression(), BayesianGP(), BayesianLaw()))


@each_spec
def test_without_experts_the_model_is_that_of_the_other_trials(runs, spec):
    data, context = runs(7)
    whole, names, expert = with_experts(data, context)
    spec, X = dataclasses.replace(spec, experts=False), points(context)
    model = spec.fit(whole, context=names, seed=0)
    rest, own = part(whole, names, ~expert)
    alone = spec.fit(rest, context=own, seed=0)
    same(new_runs(model, X), new_runs(alone, X))
    assert model.num_outputs == 3
    held, others = model.leave_one_out(), alone.leave_one_out()
    assert (held is None) == (others is None)
    if held is not None:
        same((held.mean[~expert], held.covariance[~expert]), others)
        same((held.mean[expert], held.covariance[expert]), new_runs(alone, whole.X[expert]))


@each_spec
def test_where_the_context_has_no_experts_the_option_changes_nothing(runs, spec):
    data, context = runs(7)
    if isinstance(getattr(spec, "mean", None), ByExperts):
        spec = dataclasses.replace(spec, mean=Known())
    first, second = (
        new_runs(dataclasses.replace(spec, experts=experts).fit(data, context=context, seed=0), points(context))
        for experts in (True, False)
    )
    assert torch.equal(first.mean, second.mean)
    assert torch.equal(first.covariance, second.covariance)


def test_experts_that_saw_more_text_than_trials_are_no_examples(runs):
    data, context = runs(7)
    whole, names, expert = with_experts(data, context)
    assert examples(whole, names, experts=True).kept.all()
    chosen = examples(whole, dataclasses.replace(names, whole_experts=True), experts=True)
    assert torch.equal(chosen.kept, ~expert)


def test_experts_alone_are_examples_whatever_is_said(runs):
    data, context = runs(4)
    nothing = SupervisedDataset(data.X[:0], data.Y[:0], feature_names=list("abcd"), outcome_names=list("xyz"))
    whole, names, expert = with_experts(nothing, context)
    assert expert.all()
    chosen = examples(whole, names, experts=False)
    assert chosen.data is whole
    assert chosen.kept.all()


def test_a_metric_that_experts_alone_have_is_learnt_from_them(runs):
    data, context = runs(6)
    whole, names, expert = with_experts(data, context)
    whole.Y[~expert, 2] = torch.nan
    chosen = examples(whole, names, experts=False)
    assert chosen.kept.all()
    assert chosen.data.Y[expert][:, :2].isnan().all()
    torch.testing.assert_close(chosen.data.Y[expert][:, 2], whole.Y[expert][:, 2])
    torch.testing.assert_close(chosen.data.Y[~expert], whole.Y[~expert], equal_nan=True)


def test_noise_trials_and_artifacts_stay_with_their_rows(runs):
    data, context = runs(6)
    whole, names, expert = with_experts(data, context)
    noise = torch.arange(whole.Y.numel()).reshape(whole.Y.shape).double() + 1.0
    labels = {"feature_names": whole.feature_names, "outcome_names": whole.outcome_names}
    chosen = examples(SupervisedDataset(whole.X, whole.Y, Yvar=noise, **labels), names, experts=False)
    torch.testing.assert_close(chosen.data.X, whole.X[~expert])
    torch.testing.assert_close(chosen.data.Yvar, noise[~expert])
    kept = [trial for trial, gone in zip(names.trials, expert.tolist(), strict=True) if not gone]
    assert list(chosen.context.trials) == kept
    assert chosen.context.expert_rows == (False,) * 6
    # An expert that is no example can still be read.
    assert set(names.experts.values()) <= set(chosen.context.artifacts)


@pytest.mark.parametrize("experts", [True, False])
def test_folds_predict_every_trial_in_order(runs, experts):
    data, context = runs(9)
    whole, names, _ = with_experts(data, context)
    for mean in (None, ByExperts()):
        spec = GP(**FAST, mean=mean, experts=experts)
        found = refitted(spec, whole, context=names, seed=0, folds=4)
        assert found.mean.shape == whole.Y.shape
        assert (found.mean - whole.Y).abs().mean() < 0.5
        assert held_out(spec, whole, context=names, seed=0).mean.shape == whole.Y.shape


def test_fantasies_of_a_model_without_experts(runs):
    data, context = runs(7)
    whole, names, _ = with_experts(data, context)
    model = GP(**FAST, experts=False).fit(whole, context=names, seed=0)
    X = points(context, 2)
    fantasy = model.fantasize(X, SobolQMCNormalSampler(torch.Size([3]), seed=0))
    assert fantasy.posterior(X).mean.shape == (3, 2, 3)
    assert model.condition_on_observations(X, data.Y[:2]).posterior(X).mean.shape == (2, 3)
