"""Means from experts: what they predict and what they learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.errors import FitError
from bomix.io import scored_tokens
from bomix.io.scored_tokens import ARTIFACT, ScoredTokens
from bomix.laws import experts
from bomix.space import MixtureSpace
from bomix.surrogates.context import FitContext
from bomix.surrogates.expert_features import expert_losses
from bomix.surrogates.expert_learning import learn
from bomix.surrogates.experts import MDE, MDEDataset, MDEGated, MDEStrengths
from bomix.surrogates.gp import GP

DOMAINS, METRICS = ("books", "code", "web"), ("a", "b")
STARTS = np.arange(0, 1201, 50)
SPECS = (MDE(), MDEDataset(), MDEStrengths(), MDEGated(), MDEGated(tau=0.5), MDEGated(strengths=True))


def tables() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    found = {}
    for metric in METRICS:
        common, kind = -rng.gamma(2.0, 1.0, size=(1200, 1)), rng.integers(3, size=24).repeat(50)
        values = common - 0.7 * np.abs(rng.normal(size=(1200, 3))) - 0.5 * (np.arange(3) != kind[:, None])
        found[metric] = values.astype(np.float32)
    return found


@pytest.fixture
def setting(tmp_path, monkeypatch):
    """Tables of three experts and what makes a context of them."""
    monkeypatch.setenv("BOMIX_CACHE", str(tmp_path / "cache"))
    found = tables()
    choice = {"examples": np.arange(24) // 4, "gold": np.arange(24) % 4 == 1}
    artifacts = {}
    for number in range(3):
        sets = {metric: ScoredTokens(values[:, number], STARTS, "t") for metric, values in found.items()}
        sets["quiz"] = ScoredTokens(found["a"][:, number], STARTS, "t", **choice)
        scored_tokens.write(tmp_path / str(number), sets, tokenizer="bpe")
        artifacts[number] = {ARTIFACT: str(tmp_path / str(number))}

    def context(metrics=METRICS, order=(0, 1, 2)) -> FitContext:
        named = {domain: order[number] for number, domain in enumerate(DOMAINS)}
        return FitContext(MixtureSpace(DOMAINS), metrics, artifacts=artifacts, experts=named)

    return found, context


def data(X: torch.Tensor, Y: torch.Tensor, metrics=METRICS) -> SupervisedDataset:
    return SupervisedDataset(X, Y, feature_names=list(DOMAINS), outcome_names=list(metrics))


def mixtures(n: int, seed: int = 3) -> torch.Tensor:
    return torch.as_tensor(np.random.default_rng(seed).dirichlet(np.ones(3), n))


def truth(found, X, *, log_strengths=None, tau=0.0) -> torch.Tensor:
    X = X if log_strengths is None else experts.strengthened(X, torch.as_tensor(log_strengths))
    return torch.stack([experts.gated(values, STARTS, tau=tau)(X) for values in found.values()], dim=-1)


@pytest.mark.parametrize("spec", SPECS, ids=repr)
def test_a_vertex_is_predicted_with_its_experts_loss(setting, spec) -> None:
    found, context = setting
    X = mixtures(6)
    feature = spec.feature(data(X, truth(found, X)), context=context(), seed=0)
    expected = torch.stack([torch.as_tensor(-values.mean(axis=0)) for values in found.values()], dim=-1)
    values = feature.predict(torch.eye(3, dtype=torch.float64).expand(2, 3, 3))
    torch.testing.assert_close(values, expected.double().expand(2, 3, 2), atol=2e-4, rtol=0.0)


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("spec", SPECS, ids=repr)
def test_few_runs_teach_nothing_and_break_nothing(setting, spec, n) -> None:
    found, context = setting
    X = mixtures(n) if n else torch.zeros(0, 3, dtype=torch.float64)
    Y = truth(found, X) if n else torch.zeros(0, 2, dtype=torch.float64)
    feature = spec.feature(data(X, Y), context=context(), seed=0)
    new = mixtures(4, seed=8)
    if not isinstance(spec, MDEDataset):
        tau = spec.tau or 0.0 if isinstance(spec, MDEGated) else 0.0
        torch.testing.assert_close(feature.predict(new), truth(found, new, tau=tau), atol=1.2e-3, rtol=0.0)
    if feature.held_out is not None:
        assert feature.held_out.shape == (n, 2)
        assert not feature.held_out.isnan().any()


def test_planted_strengths_are_found(setting) -> None:
    found, context = setting
    planted = np.array([-0.8, 0.9, -0.1])
    X = mixtures(24)
    noise = 1e-3 * torch.as_tensor(np.random.default_rng(1).normal(size=(24, 2)))
    Y = 0.3 + 1.05 * truth(found, X, log_strengths=planted) + noise
    Y[3, 0] = torch.nan
    learnt = learn(data(X, Y), context=context(), taus=(0.0,))
    assert learnt.log_strengths is not None
    np.testing.assert_allclose(learnt.log_strengths, planted, atol=0.15)
    feature = MDEStrengths().feature(data(X, Y), context=context(), seed=0)
    assert feature.held_out is not None
    new = mixtures(50, seed=9)
    error = feature.predict(new) - truth(found, new, log_strengths=planted)
    plain = truth(found, new) - truth(found, new, log_strengths=planted)
    assert error.std() < 0.2 * plain.std()
    held = (feature.held_out - truth(found, X, log_strengths=planted)).std()
    assert held < 0.3 * plain.std()


@pytest.mark.parametrize("tau", [0.0, 0.2, 1.0])
def test_a_planted_exponent_is_found(setting, tau) -> None:
    found, context = setting
    X = mixtures(20)
    learnt = learn(data(X, truth(found, X, tau=tau)), context=context(), spread=None)
    assert learnt.tau == pytest.approx(tau, abs=0.01 if tau < 1.0 else 0.31)


def test_nothing_learnt_has_no_held_out_predictions_and_the_same_answer_twice(setting) -> None:
    found, context = setting
    X = mixtures(8)
    runs = data(X, truth(found, X, tau=0.1))
    for spec in SPECS[:5]:
        one, other = (spec.feature(runs, context=context(), seed=1) for _ in range(2))
        assert (one.held_out is None) == isinstance(spec, (MDE, MDEDataset)) or spec == MDEGated(tau=0.5)
        assert torch.equal(one.predict(X), other.predict(X))


@pytest.mark.parametrize("spec", SPECS, ids=repr)
def test_permuting_the_domains_permutes_the_weights(setting, spec) -> None:
    found, context = setting
    X, new, order = mixtures(8), mixtures(5, seed=4), [2, 0, 1]
    Y = truth(found, X, log_strengths=np.array([0.5, -0.5, 0.0]))
    straight = spec.feature(data(X, Y), context=context(), seed=0).predict(new)
    turned = spec.feature(data(X[:, order], Y), context=context(order=order), seed=0).predict(new[:, order])
    torch.testing.assert_close(turned, straight, atol=1.2e-3 if hasattr(spec, "compress") else 1e-6, rtol=0.0)


def test_accuracy_is_predicted_by_what_the_experts_make_of_the_options(setting) -> None:
    _, context = setting
    losses = expert_losses(context(metrics=("a", "quiz")))
    X = mixtures(20).requires_grad_()
    values = losses(X)
    assert losses.convex == (True, False)
    assert ((values[:, 1] >= 0) & (values[:, 1] <= 1)).all()
    values.sum().backward()
    assert X.grad is not None
    assert X.grad.isfinite().all()
    share = losses.accuracy(X.detach())[:, 1] * 6
    torch.testing.assert_close(share, share.round())


@pytest.mark.parametrize(
    ("options", "convex"),
    [
        ({}, True),
        ({"variant": "dataset"}, True),
        ({"variant": "gated", "tau": 0.5}, False),
        ({"variant": "gated", "tau": 1.0}, True),
        ({"log_strengths": torch.zeros(3)}, False),
    ],
)
def test_convexity_is_stated(setting, options, convex) -> None:
    _, context = setting
    assert expert_losses(context(), **options).convex == (convex, convex)


def test_a_process_is_corrected_from_experts_without_other_runs(setting) -> None:
    found, context = setting
    for n in (0, 4):
        X = mixtures(n) if n else torch.zeros(0, 3, dtype=torch.float64)
        Y = truth(found, X) + 0.2 if n else torch.zeros(0, 2, dtype=torch.float64)
        model = GP(restarts=1, draws=0, mean=MDE()).fit(data(X, Y), context=context(), seed=0)
        new = mixtures(10, seed=5)
        values = model.posterior(new).mean.detach()
        error = values - truth(found, new)
        assert error.std(dim=0).max() < 0.03


def test_a_metric_without_tokens_is_named(setting) -> None:
    _, context = setting
    with pytest.raises(FitError, match="metric 'other'"):
        MDE().feature(data(mixtures(1), torch.zeros(1, 1), ("other",)), context=context(metrics=("other",)), seed=0)


def test_faults_name_the_field() -> None:
    assert [fault.where for fault in MDE(slope=-1.0, compress=0.0).faults()] == ["slope", "compress"]
    assert [fault.where for fault in MDEGated(tau=1.5).faults()] == ["tau"]
    assert [fault.where for fault in MDEStrengths(spread=0.0, folds=1).faults()] == ["folds", "spread"]
    assert MDEDataset().faults() == []
