"""Accuracies as a sigmoid of predicted losses."""

from __future__ import annotations

import dataclasses
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.config.build import build, plain
from bomix.contracts.context import FitContext
from bomix.contracts.mean import Feature
from bomix.errors import FitError
from bomix.io.artifacts import scored_tokens
from bomix.io.artifacts.scored_tokens import ScoredTokens
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.combined.prediction import Prediction
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.means import sigmoid
from bomix.surrogates.means.accuracy import AccuracyFromLoss
from bomix.surrogates.means.law import LawMean
from bomix.trial import SCORED_TOKENS

DOMAINS = ("books", "code", "web")
METRICS = ("t", "t_accuracy", "v")
FLOOR, CENTRE, SCALE = 0.25, 2.3, 0.2


def loss_at(weights: torch.Tensor) -> torch.Tensor:
    return 2.0 + torch.exp(-3.0 * weights[..., 0]) - 0.3 * weights[..., 1]


def accuracy_at(weights: torch.Tensor) -> torch.Tensor:
    return FLOOR + (1.0 - FLOOR) * torch.sigmoid((CENTRE - loss_at(weights)) / SCALE)


@dataclass(frozen=True)
class Known:
    """A mean that knows the losses, but for an error that all mixtures share."""

    off: float = 0.0
    slope: float = 0.1

    def predict(self, X: torch.Tensor) -> torch.Tensor:
        return torch.stack([loss_at(X) + self.off, torch.zeros_like(X[..., 0]), 7.0 - X[..., 1]], dim=-1)

    def feature(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Feature:
        return Feature(self.predict)


def runs(n: int, *, noise: float = 0.0, seed: int = 0) -> tuple[SupervisedDataset, FitContext]:
    rng = np.random.default_rng(seed)
    X = torch.as_tensor(rng.dirichlet(np.ones(3), n))
    Y = torch.stack([loss_at(X), accuracy_at(X), 7.0 - X[:, 1]], dim=-1).reshape(n, 3)
    Y[:, 1] += noise * torch.as_tensor(rng.normal(size=n))
    data = SupervisedDataset(X, Y, feature_names=list(DOMAINS), outcome_names=list(METRICS))
    return data, FitContext(MixtureSpace(DOMAINS), METRICS)


NEW = torch.as_tensor(np.random.default_rng(9).dirichlet(np.ones(3), 40))


@pytest.mark.parametrize("floor", [{"t_accuracy": FLOOR}, None])
@pytest.mark.parametrize("off", [0.0, 0.5, -1.0])
def test_a_planted_sigmoid_is_found_whatever_the_losses_share_as_error(off: float, floor: dict[str, float]) -> None:
    data, context = runs(25)
    found = AccuracyFromLoss(of=Known(off), floor=floor).feature(data, context=context, seed=0)
    predicted = found.predict(NEW)
    torch.testing.assert_close(predicted[:, 1], accuracy_at(NEW), atol=0.01, rtol=0.0)
    torch.testing.assert_close(predicted[:, 0], loss_at(NEW) + off)
    torch.testing.assert_close(found.held_out[:, 1], data.Y[:, 1], atol=0.02, rtol=0.0)
    torch.testing.assert_close(found.held_out[:, 2], data.Y[:, 2])


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_runs_give_numbers_between_chance_and_one(n: int) -> None:
    data, context = runs(n)
    found = AccuracyFromLoss(of=Known(), floor={"t_accuracy": FLOOR}).feature(data, context=context, seed=0)
    predicted = found.predict(NEW)[:, 1]
    assert predicted.isfinite().all()
    assert ((predicted >= FLOOR) & (predicted <= 1.0)).all()
    assert found.held_out.shape == (n, 3)
    assert found.held_out.isfinite().all()
    if n:
        assert (found.predict(data.X)[:, 1] - data.Y[:, 1]).abs().mean() < 0.06


def test_a_lower_loss_is_never_less_accurate_even_where_the_runs_say_so() -> None:
    losses = torch.linspace(2.0, 3.0, 12, dtype=torch.float64)
    curve = sigmoid.fit(losses, 0.3 + 0.1 * losses, origin=losses[0], floor=0.25, ceiling=1.0)
    assert (curve(losses).diff() <= 0).all()
    flat = sigmoid.fit(losses, torch.full_like(losses, 0.4), origin=losses[0], floor=0.25, ceiling=1.0)
    torch.testing.assert_close(flat(losses), torch.full_like(losses, 0.4), atol=0.05, rtol=0.0)


def test_held_out_predictions_do_not_see_the_run() -> None:
    data, context = runs(20)
    spec = AccuracyFromLoss(of=Known())
    base = spec.feature(data, context=context, seed=0).held_out[:, 1]
    data.Y[4, 1] = 0.99
    changed = spec.feature(data, context=context, seed=0).held_out[:, 1]
    assert changed[4] == base[4]
    assert (changed != base).sum() > 10


def test_gaps_and_the_order_of_the_runs_change_nothing_that_they_should_not() -> None:
    data, context = runs(15, noise=0.01)
    data.Y[3, 1] = torch.nan
    spec = AccuracyFromLoss(of=Known())
    one = spec.feature(data, context=context, seed=0)
    order = torch.randperm(15, generator=torch.Generator().manual_seed(0))
    shuffled = SupervisedDataset(data.X[order], data.Y[order], feature_names=list(DOMAINS), outcome_names=list(METRICS))
    other = spec.feature(shuffled, context=context, seed=0)
    torch.testing.assert_close(other.predict(NEW), one.predict(NEW), atol=1e-7, rtol=0.0)
    learnt = AccuracyFromLoss(of=LawMean(starts=2)).feature(data, context=context, seed=0)
    assert learnt.held_out.isfinite().all()
    assert (learnt.held_out[:, 1] - accuracy_at(data.X)).abs().mean() < 0.05


def test_it_has_the_gradient_of_what_it_predicts() -> None:
    data, context = runs(12)
    found = AccuracyFromLoss(of=Known(), floor={"t_accuracy": FLOOR}).feature(data, context=context, seed=0)
    X = NEW[:3].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: found.predict(x)[..., 1], X)
    assert found.predict(NEW.reshape(2, 5, 4, 3)).shape == (2, 5, 4, 3)


def test_the_floor_is_the_chance_level_of_the_options(tmp_path: Path) -> None:
    # Two examples of two options, one of four.
    examples = np.array([0, 0, 1, 1, 2, 2, 2, 2])
    tokens = ScoredTokens(
        -np.ones(8, dtype=np.float32),
        np.arange(9),
        "hash",
        examples=examples,
        gold=np.array([True, False, True, False, True, False, False, False]),
    )
    scored_tokens.write(tmp_path / "artifact", {"t_accuracy": tokens}, tokenizer="")
    data, context = runs(0)
    artifacts = {0: {}, 4: {SCORED_TOKENS: str(tmp_path / "artifact")}}
    known = dataclasses.replace(context, artifacts=artifacts)
    found = AccuracyFromLoss(of=Known(100.0)).feature(data, context=known, seed=0)
    sure = AccuracyFromLoss(of=Known(), floor={"t_accuracy": 0.1}).feature(data, context=known, seed=0)
    chance = (0.5 + 0.5 + 0.25) / 3

    def worst(feature: Feature) -> float:
        X = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)
        return float(feature.predict(X)[0, 1])

    assert chance < worst(found) < chance + 0.3
    assert worst(sure) < worst(found)


def test_a_process_is_corrected_from_it() -> None:
    data, context = runs(12, noise=0.005)
    spec = GP(mean=AccuracyFromLoss(of=Known(), floor={"t_accuracy": FLOOR}), restarts=1, draws=0)
    mean = spec.fit(data, context=context, seed=0).posterior(NEW.unsqueeze(-2)).mean.squeeze(-2)
    assert (mean[:, 1] - accuracy_at(NEW)).abs().mean() < 0.02


def test_what_stands_on_it_survives_pickling() -> None:
    data, context = runs(12, noise=0.005)
    mean = AccuracyFromLoss(of=Known())
    X = NEW.unsqueeze(-2)
    for spec in (GP(mean=mean, restarts=1, draws=0), Prediction(mean)):
        model = spec.fit(data, context=context, seed=0)
        again = pickle.loads(pickle.dumps(model))
        assert torch.equal(again.posterior(X).mean, model.posterior(X).mean)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"loss": {"u": "t"}}, "no metric 'u'"),
        ({"loss": {"t_accuracy": "u"}}, "no metric 'u'"),
        ({"floor": {"u": 0.5}}, "no metric 'u'"),
        ({"loss": {}}, "name them in `loss`"),
        ({"loss": {"t_accuracy": "t", "t": "v"}}, "both as an accuracy and as a loss"),
    ],
)
def test_wrong_names_are_told(fields: dict[str, object], message: str) -> None:
    data, context = runs(3)
    with pytest.raises(FitError, match=message):
        AccuracyFromLoss(of=Known(), **fields).feature(data, context=context, seed=0)


def test_its_fields_are_checked_and_read_back() -> None:
    wrong = AccuracyFromLoss(slope=-1.0, ceiling=1.5, floor={"x": 2.0})
    assert [fault.where for fault in wrong.faults()] == ["slope", "ceiling", "floor.x"]
    spec = GP(mean=AccuracyFromLoss(of=LawMean(form="exponential"), floor={"x": 0.5}))
    assert build(GP, plain(spec)) == (spec, [])
