"""Means from experts: what they predict and what they learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.data_experts import losses as expert_losses_module
from bomix.data_experts import mixture
from bomix.data_experts.losses import ExpertLosses, expert_losses
from bomix.errors import FitError
from bomix.io.artifacts import scored_tokens
from bomix.io.artifacts.scored_tokens import ScoredTokens
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.means import expert_learning
from bomix.surrogates.means.experts import MDE, MDEDataset, MDEGated, MDEStrengths
from bomix.trial import SCORED_TOKENS

DOMAINS, METRICS = ("books", "code", "web"), ("a", "b")
STARTS = np.arange(0, 1201, 50)
SHORT = np.arange(0, 1201, 4)
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
    for short, starts in enumerate((STARTS, SHORT)):
        for number in range(3):
            sets = {metric: ScoredTokens(values[:, number], starts, "t") for metric, values in found.items()}
            if not short:
                sets["quiz"] = ScoredTokens(found["a"][:, number], starts, "t", **choice)
            folder = tmp_path / f"{short} {number}"
            scored_tokens.write(folder, sets, tokenizer="bpe")
            artifacts[10 * short + number] = {SCORED_TOKENS: str(folder)}

    def context(metrics=METRICS, order=(0, 1, 2), *, short=False) -> FitContext:
        named = {domain: 10 * short + order[number] for number, domain in enumerate(DOMAINS)}
        return FitContext(MixtureSpace(DOMAINS), metrics, artifacts=artifacts, experts=named)

    return found, context


def data(X: torch.Tensor, Y: torch.Tensor, metrics=METRICS) -> SupervisedDataset:
    return SupervisedDataset(X, Y, feature_names=list(DOMAINS), outcome_names=list(metrics))


def mixtures(n: int, seed: int = 3) -> torch.Tensor:
    return torch.as_tensor(np.random.default_rng(seed).dirichlet(np.ones(3), n))


def truth(found, X, *, log_strengths=None, tau=0.0) -> torch.Tensor:
    X = X if log_strengths is None else mixture.strengthened(X, torch.as_tensor(log_strengths))
    return torch.stack([mixture.gated(values, STARTS, tau=tau)(X) for values in found.values()], dim=-1)


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
    feature = MDEStrengths().feature(data(X, Y), context=context(), seed=0)
    assert isinstance(feature.predict, ExpertLosses)
    assert feature.predict.log_strengths is not None
    np.testing.assert_allclose(feature.predict.log_strengths, planted, atol=0.15)
    assert feature.held_out is not None
    new = mixtures(50, seed=9)
    error = feature.predict(new) - truth(found, new, log_strengths=planted)
    plain = truth(found, new) - truth(found, new, log_strengths=planted)
    assert error.std() < 0.2 * plain.std()
    held = (feature.held_out - truth(found, X, log_strengths=planted)).std()
    assert held < 0.3 * plain.std()


@pytest.mark.parametrize("window", [None, 2])
@pytest.mark.parametrize("tau", [0.0, 0.2, 1.0])
def test_a_planted_exponent_is_found_with_all_of_the_prefix_and_with_a_window(
    setting, monkeypatch, tau, window
) -> None:
    found, context = setting
    asked = []
    monkeypatch.setattr(
        expert_learning, "expert_losses", lambda *a, **options: asked.append(options) or expert_losses(*a, **options)
    )
    X = mixtures(20)
    Y = torch.stack([mixture.gated(values, SHORT, tau=tau, window=window)(X) for values in found.values()], dim=-1)
    runs = data(X, Y)
    feature = MDEGated(window=window, compress=None).feature(runs, context=context(short=True), seed=0)
    assert [options["tau"] for options in asked] == [tau]
    assert [options["window"] for options in asked] == [window]
    torch.testing.assert_close(feature.predict(X), Y, atol=2e-4, rtol=0.0)


def test_an_exponent_is_not_lost_with_some_of_the_tokens(setting, monkeypatch) -> None:
    """Even where every fourth token would be the first of its sequence, and without a prefix."""
    found, context = setting
    asked = []
    monkeypatch.setattr(expert_learning, "_TOKENS", 1200 // 4)
    monkeypatch.setattr(
        expert_learning, "expert_losses", lambda *a, **options: asked.append(options) or expert_losses(*a, **options)
    )
    X = mixtures(20)
    for window in (None, 2):
        Y = torch.stack([mixture.gated(values, SHORT, tau=0.4, window=window)(X) for values in found.values()], dim=-1)
        MDEGated(window=window).feature(data(X, Y), context=context(short=True), seed=0)
        assert asked[-1]["tau"] >= 0.2


def test_only_what_learns_has_held_out_predictions_and_each_answers_the_same_twice(setting) -> None:
    found, context = setting
    X = mixtures(8)
    runs = data(X, truth(found, X, tau=0.1))
    for spec in SPECS:
        one, other = (spec.feature(runs, context=context(), seed=1) for _ in range(2))
        assert (one.held_out is None) == (spec in (MDE(), MDEDataset(), MDEGated(tau=0.5)))
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
    found, context = setting
    losses = expert_losses(context(metrics=("a", "quiz")))
    X = mixtures(20).requires_grad_()
    values = losses(X)
    assert losses.convex == (True, False)
    logs = np.log(np.exp(found["a"].astype(np.float64)) @ X.detach().numpy().T).reshape(6, 4, 50, 20).sum(axis=2)
    odds = np.exp(logs - logs.max(axis=1, keepdims=True))
    np.testing.assert_allclose(values.detach()[:, 1], (odds[:, 1] / odds.sum(axis=1)).mean(axis=0), atol=1e-5)
    values.sum().backward()
    assert X.grad is not None
    assert X.grad.isfinite().all()
    gated = expert_losses(context(metrics=("quiz",)), variant="gated", tau=1.0, window=3)
    torch.testing.assert_close(gated(X)[:, 0], values[:, 1])


def test_a_fit_looks_for_its_tables_once_and_a_second_one_makes_no_form_again(setting, monkeypatch) -> None:
    found, context = setting
    X, looked = mixtures(6), []
    runs = data(torch.cat([X, X]), truth(found, torch.cat([X, X])))
    tables = expert_learning.expert_tables
    monkeypatch.setattr(expert_learning, "expert_tables", lambda *a: looked.append(1) or tables(*a))
    monkeypatch.setattr(expert_losses_module, "expert_tables", lambda *a: pytest.fail("looked for again"))
    first = MDEGated().feature(runs, context=context(("a", "quiz")), seed=0)
    assert looked == [1]
    monkeypatch.setattr(expert_losses_module, "_of_all_tokens", lambda *_: pytest.fail("made again"))
    monkeypatch.setattr(expert_losses_module, "options", lambda *_: pytest.fail("made again"))
    second = MDEGated().feature(runs, context=context(("a", "quiz")), seed=0)
    assert torch.equal(first.predict(X), second.predict(X))


def test_a_compressed_form_is_read_without_the_whole_one(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("BOMIX_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    values = -rng.gamma(2.0, 1.0, size=(6000, 1)) - 0.5 * np.abs(rng.normal(size=(6000, 2)))
    starts, artifacts = np.arange(0, 6001, 50), {}
    for number in range(2):
        sets = {"a": ScoredTokens(values[:, number].astype(np.float32), starts, "t")}
        scored_tokens.write(tmp_path / str(number), sets, tokenizer="bpe")
        artifacts[number] = {SCORED_TOKENS: str(tmp_path / str(number))}
    context = FitContext(MixtureSpace(("x", "y")), ("a",), artifacts=artifacts, experts={"x": 0, "y": 1})
    w = torch.as_tensor(rng.dirichlet(np.ones(2), 9))
    for gate in ({}, {"variant": "gated", "tau": 0.02}):
        few, whole = expert_losses(context, **gate), expert_losses(context, **gate, compress=None)
        assert len(few.forms[0].log_rows) < 0.5 * len(whole.forms[0].log_rows)
        assert (few(w) - whole(w)).abs().max() <= 1e-3
        with monkeypatch.context() as patch:
            patch.setattr(expert_losses_module, "_cache", expert_losses_module._FormCache(2**20))
            patch.setattr(expert_losses_module, "_of_all_tokens", lambda *_: pytest.fail("made again"))
            assert torch.equal(expert_losses(context, **gate)(w), few(w))


def test_what_is_kept_stays_below_its_bytes(setting) -> None:
    _, context = setting
    form = expert_losses(context(), compress=None).forms[0]
    size = 2 * form.log_rows.nbytes
    kept, made = expert_losses_module._FormCache(9 * size), []
    for key in (*range(9), 1, 9, 1, 0):
        kept.get(key, lambda key=key: made.append(key) or form)
    assert made == [*range(9), 9, 0], "the one that was asked for longest ago goes first"
    small = expert_losses_module._FormCache(7 * size)
    for _ in range(2):
        small.get("large", lambda: made.append("large") or form)
    assert made[-2:] == ["large", "large"]


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
