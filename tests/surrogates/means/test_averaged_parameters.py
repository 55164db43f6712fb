"""Experts whose parameters are averaged: a vertex is its expert, and the middle is the model of the mean parameters."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.errors import FitError
from bomix.io.artifacts import scored_tokens
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.combined.prediction import Prediction
from bomix.surrogates.means import averaged_parameters
from bomix.surrogates.means.averaged_parameters import MDEAverage
from bomix.training import device, validation
from bomix.training.data.tokens import TokenSet
from bomix.training.model.decoder import Model
from bomix.trial import SCORED_TOKENS
from tests.training.reading import losses_from

LENGTH, VOCABULARY = 16, 50
MODEL = Model(hidden=16, layers=1, heads=2, intermediate=32)
NOTHING = SupervisedDataset(
    torch.empty(0, 2, dtype=torch.float64),
    torch.empty(0, 1, dtype=torch.float64),
    feature_names=["a", "b"],
    outcome_names=["loss"],
)


def measured(model) -> validation.Measured:
    tokens = TokenSet(np.random.default_rng(0).integers(0, VOCABULARY, 500, dtype=np.uint16), documents=1, bytes=500)
    (found,) = validation.measure(
        losses_from(lambda ids: model(input_ids=ids).logits),
        tokens,
        length=LENGTH,
        sequences=8,
        hardware=device.choose("cpu", "fp32", False),
        score_as="loss",
    )
    return found


@pytest.fixture(scope="module")
def experts(tmp_path_factory) -> tuple[list, FitContext]:
    models, artifacts = [], {}
    for trial in (0, 1):
        folder = tmp_path_factory.mktemp(f"expert{trial}")
        model = MODEL.build(vocabulary=VOCABULARY, sequence_length=LENGTH, seed=trial).eval()
        with torch.no_grad():  # fresh blocks add nothing, and two of them would be one
            for parameter in model.parameters():
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(trial)))
        model.save_pretrained(folder / "model")
        scored_tokens.write(folder / "scored", measured(model).scored, tokenizer="t")
        artifacts[trial] = {"model": str(folder / "model"), SCORED_TOKENS: str(folder / "scored")}
        models.append(model)
    space = MixtureSpace(("a", "b"))
    return models, FitContext(space, ("loss",), artifacts=artifacts, experts={"a": 0, "b": 1})


def test_vertices_are_the_experts_and_the_middle_is_the_mean_of_their_parameters(experts):
    models, context = experts
    predict = MDEAverage().feature(NOTHING, context=context, seed=0).predict
    found = predict(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]], dtype=torch.float64)).squeeze(-1)
    middle = MODEL.build(vocabulary=VOCABULARY, sequence_length=LENGTH, seed=0).eval()
    states = [model.state_dict() for model in models]
    middle.load_state_dict({name: 0.5 * (states[0][name] + states[1][name]) for name in states[0]})
    expected = [measured(model).evaluation.loss for model in (*models, middle)]
    assert found.tolist() == pytest.approx(expected, abs=1e-5)
    assert len(set(np.round(expected, 3))) == 3


def test_it_is_a_prediction_without_gradients(experts):
    _, context = experts
    spec = Prediction(mean=MDEAverage())
    assert not spec.differentiable
    model = spec.fit(NOTHING, context=context, seed=0)
    vertex = torch.tensor([[[1.0, 0.0]]], dtype=torch.float64)
    expected = scored_tokens.read(Path(context.artifacts[0][SCORED_TOKENS])).sets["loss"].loss
    assert float(model.posterior(vertex).mean) == pytest.approx(expected, abs=1e-5)


def test_a_mixture_is_run_once_whoever_asks(experts, monkeypatch):
    _, context = experts
    runs = []
    monkeypatch.setattr(averaged_parameters, "_loss", lambda model, tokens: runs.append(tokens) or 1.5)
    X = torch.tensor([[0.3, 0.7], [0.7, 0.3]], dtype=torch.float64)
    first = MDEAverage().feature(NOTHING, context=context, seed=0).predict
    first(X)
    MDEAverage(slope=0.5).feature(NOTHING, context=context, seed=1).predict(X[1:])
    pickle.loads(pickle.dumps(first))(X[:1])
    assert len(runs) == 2
    other = replace(context, experts={"a": 1, "b": 0})
    MDEAverage().feature(NOTHING, context=other, seed=0).predict(X)
    assert len(runs) == 4
    averaged_parameters._averaged.cache_clear()  # what was made up is forgotten


def test_what_experts_did_not_keep_is_named(experts):
    _, context = experts
    bare = replace(context, artifacts={trial: {} for trial in context.artifacts})
    with pytest.raises(FitError, match="expert of domain 'a', trial 0, kept no artifact 'model'; set evaluator"):
        MDEAverage().feature(NOTHING, context=bare, seed=0)
    with pytest.raises(FitError, match="domain 'b' has no expert"):
        MDEAverage().feature(NOTHING, context=replace(context, experts={"a": 0}), seed=0)
    with pytest.raises(FitError, match="no tokens of metric 'other'"):
        MDEAverage().feature(NOTHING, context=replace(context, metrics=("other",)), seed=0)
