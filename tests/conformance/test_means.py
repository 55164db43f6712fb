"""What every registered mean owes to the processes, regressions and strategies that use it."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.config import registry
from bomix.config.build import build, plain
from bomix.contracts.context import FitContext
from bomix.contracts.mean import Feature, Mean
from bomix.io.artifacts import scored_tokens
from bomix.io.artifacts.scored_tokens import ScoredTokens
from bomix.space.mixture_space import MixtureSpace
from bomix.training.model.decoder import Model
from bomix.trial import SCORED_TOKENS

DOMAINS, METRICS = ("books", "code", "web"), ("quiz", "text")
D, M, TOKENS, SEQUENCE, VOCABULARY = 3, 2, 160, 8, 20
ORDER = (2, 0, 1)
"""After the permutation, column ``k`` is what column ``ORDER[k]`` was."""

OPTIONS: dict[str, dict[str, Any]] = {
    "law": {"starts": 2},
    "mde_gated": {"strengths": True},
    "accuracy_from_loss": {"of": "mde", "loss": {"quiz": "text"}, "floor": {"quiz": 0.0}},
}
"""Kind to options that make it cheap; a kind that is not here runs with its defaults."""

NEAR = {"law": 1e-3}
"""Kind to how far another order of domains may carry it; searches end where rounding leads them."""

OF_EXPERTS = {"law": (), "accuracy_from_loss": (1,)}
"""Kind to the metrics of which a vertex has the loss of its expert, by default both."""

every_kind = pytest.mark.parametrize("kind", sorted(registry.kinds("mean")))
X_NEW = torch.as_tensor(np.random.default_rng(5).dirichlet(np.ones(D), 6))


@dataclass(frozen=True)
class Setting:
    """Domains in some order, their experts, and ``n`` runs."""

    data: SupervisedDataset
    context: FitContext


def spec_of(kind: str) -> Any:
    spec, faults = build(registry.resolve("mean", kind), OPTIONS.get(kind, {}))
    assert not faults, f"give options for kind '{kind}' in OPTIONS: {faults}"
    return spec


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory) -> dict[int, dict[str, str]]:
    """What the experts of the domains left behind: what they say of tokens, and their models."""
    rng = np.random.default_rng(0)
    starts = np.arange(0, TOKENS + 1, SEQUENCE)
    ids, first = rng.integers(0, VOCABULARY, TOKENS), rng.integers(0, VOCABULARY, len(starts) - 1)
    found = {}
    for trial in range(D):
        folder = tmp_path_factory.mktemp(f"expert{trial}")
        model = Model(hidden=8, layers=1, heads=1, intermediate=16)
        built = model.build(vocabulary=VOCABULARY, sequence_length=SEQUENCE, seed=trial).eval()
        with torch.no_grad():  # fresh blocks add nothing
            for parameter in built.parameters():
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(trial)))
            inputs = np.column_stack([first, ids.reshape(-1, SEQUENCE)[:, :-1]])
            says = built(input_ids=torch.as_tensor(inputs)).logits.log_softmax(dim=-1)
        kept = says.gather(-1, torch.as_tensor(ids.reshape(-1, SEQUENCE, 1))).flatten().numpy().astype(np.float32)
        tokens = ScoredTokens(kept, starts, scored_tokens.hash_of_tokens(ids, starts), ids=ids, first=first)
        built.save_pretrained(folder / "model")
        scored_tokens.write(folder / "scored", dict.fromkeys(METRICS, tokens), tokenizer="t")
        found[trial] = {"model": str(folder / "model"), SCORED_TOKENS: str(folder / "scored")}
    return found


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("BOMIX_CACHE", str(tmp_path / "cache"))


def setting(artifacts: dict[int, dict[str, str]], *, n: int = 8, order: tuple[int, ...] = (0, 1, 2)) -> Setting:
    rng = np.random.default_rng(3)
    X = torch.as_tensor(rng.dirichlet(np.ones(D), 12)[:n])
    Y = torch.stack([1.0 / (1.0 + torch.exp(-X[:, 1])), 2.0 + torch.exp(-2.0 * X[:, 2])], dim=-1)
    # A space sorts its domains: their experts change places, and so do the columns.
    data = SupervisedDataset(X[:, list(order)], Y, feature_names=list(DOMAINS), outcome_names=list(METRICS))
    experts = dict(zip(DOMAINS, order, strict=True))
    return Setting(data, FitContext(MixtureSpace(DOMAINS), METRICS, artifacts=artifacts, experts=experts))


def feature_of(spec: Any, where: Setting, *, seed: int = 0) -> Feature:
    found: Feature = spec.feature(where.data, context=where.context, seed=seed)
    return found


def loss_of(artifacts: dict[int, dict[str, str]], trial: int) -> float:
    return scored_tokens.read(Path(artifacts[trial][SCORED_TOKENS])).sets["text"].loss


@every_kind
def test_it_keeps_the_protocol_and_reads_back_from_a_study_file(kind):
    spec = spec_of(kind)
    assert isinstance(spec, Mean)
    assert spec.slope >= 0.0
    assert build(type(spec), plain(spec)) == (spec, [])
    assert [fault.where for fault in dataclasses.replace(spec, slope=-1.0).faults()] == ["slope"]


@every_kind
def test_shapes_are_those_of_the_weights(artifacts, kind):
    where = setting(artifacts)
    feature = feature_of(spec_of(kind), where)
    values = feature.predict(X_NEW)
    assert values.shape == (6, M)
    assert values.isfinite().all()
    torch.testing.assert_close(feature.predict(X_NEW.reshape(2, 3, D)), values.reshape(2, 3, M))
    if feature.held_out is not None:
        assert feature.held_out.shape == (8, M)
        assert feature.held_out.isfinite().all()


@every_kind
def test_a_vertex_has_the_loss_of_its_expert(artifacts, kind):
    spec, metrics = spec_of(kind), OF_EXPERTS.get(kind, (0, 1))
    assert bool(metrics) == getattr(spec, "needs_experts", False)
    values = feature_of(spec, setting(artifacts)).predict(torch.eye(D, dtype=torch.float64))
    expected = torch.tensor([loss_of(artifacts, trial) for trial in range(D)], dtype=torch.float64)
    for metric in metrics:
        torch.testing.assert_close(values[:, metric], expected, atol=1e-3, rtol=0.0)


@every_kind
def test_the_order_of_the_domains_does_not_matter(artifacts, kind):
    spec = spec_of(kind)
    here, there = (feature_of(spec, setting(artifacts, order=order)) for order in ((0, 1, 2), ORDER))
    close = {"atol": NEAR.get(kind, 1e-6), "rtol": 0.0}
    torch.testing.assert_close(there.predict(X_NEW[:, list(ORDER)]), here.predict(X_NEW), **close)


@every_kind
@pytest.mark.parametrize("n", [0, 1])
def test_few_runs_are_enough(artifacts, kind, n):
    feature = feature_of(spec_of(kind), setting(artifacts, n=n))
    assert feature.predict(X_NEW).isfinite().all()
    if feature.held_out is not None:
        assert feature.held_out.shape == (n, M)
        assert feature.held_out.isfinite().all()


@every_kind
def test_the_same_twice_and_after_pickling(artifacts, kind):
    where = setting(artifacts)
    first, second = (feature_of(pickle.loads(pickle.dumps(spec_of(kind))), where) for _ in range(2))
    values = first.predict(X_NEW)
    assert torch.equal(second.predict(X_NEW), values)
    assert (first.held_out is None) == (second.held_out is None)
    assert first.held_out is None or torch.equal(first.held_out, second.held_out)
    assert torch.equal(pickle.loads(pickle.dumps(first.predict))(X_NEW), values)


@every_kind
def test_it_has_gradients_where_it_says_so_and_only_there(artifacts, kind):
    spec = spec_of(kind)
    predict = feature_of(spec, setting(artifacts)).predict
    X = X_NEW[:2].clone().requires_grad_()
    assert predict(X).requires_grad == getattr(spec, "differentiable", True)
    if getattr(spec, "differentiable", True):
        assert torch.autograd.gradcheck(predict, X, eps=1e-5, atol=1e-4)


@every_kind
def test_what_it_is_given_stays_as_it_is(artifacts, kind):
    where = setting(artifacts)
    before = copy.deepcopy((where.data.X, where.data.Y, where.context))
    feature_of(spec_of(kind), where).predict(X_NEW)
    assert torch.equal(where.data.X, before[0])
    assert torch.equal(where.data.Y, before[1])
    assert where.context.artifacts == before[2].artifacts
    assert where.context.experts == before[2].experts
    assert (where.context.domains, where.context.metrics) == (before[2].domains, before[2].metrics)
