from __future__ import annotations

import numpy as np
import pytest
import torch
from botorch.models import SingleTaskGP
from botorch.sampling.normal import SobolQMCNormalSampler

from bomix.history import History
from bomix.io.imports.differences import KEY
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.scale import Scale
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.data.dataset import fit_context, to_dataset, winsorised
from bomix.surrogates.kernels.encoding import ENCODINGS, Encoding, encode, typical_distance
from bomix.trial import CONFIRM, IMPORTED, Record, Result, Trial


@pytest.mark.parametrize("name", ENCODINGS)
def test_gradients_are_finite_at_zero_and_the_inverse_is_one(name):
    X = torch.tensor([[0.0, 0.3, 0.7], [1.0, 0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    encoding = Encoding(name)
    encoded = encoding(X)
    (gradient,) = torch.autograd.grad(encoded.sum(), X)
    assert gradient.isfinite().all()
    torch.testing.assert_close(encoding.untransform(encoded), X)


def test_formulas_in_train_and_eval_mode():
    X = torch.tensor([[0.0, 0.25]], dtype=torch.float64)
    for encoding, expected in (
        (Encoding("sqrt", 1e-4), (X + 1e-4).sqrt()),
        (Encoding("log", 1e-3), (X + 1e-3).log()),
        (Encoding("raw"), X),
    ):
        torch.testing.assert_close(encoding.train()(X), expected)
        torch.testing.assert_close(encoding.eval()(X), expected)


@pytest.mark.parametrize("name", ENCODINGS)
def test_each_process_may_see_weights_in_its_own_way(name):
    X = torch.tensor([[0.0, 0.3, 0.7], [1.0, -1e-17, 0.0]], dtype=torch.float64)
    eps, power = torch.tensor([1e-4, 1e-2]).double(), torch.tensor([0.25, 0.5]).double()
    together = encode(X, name, eps[:, None, None], power[:, None, None])
    for row in range(2):
        alone = Encoding("power" if name == "sqrt" else name, eps[row].item(), power[row].item()).transform(X)
        torch.testing.assert_close(together.expand(2, -1, -1)[row], alone)


def test_it_survives_fantasies_of_a_botorch_model():
    X = torch.as_tensor(MixtureSpace(("a", "b", "c")).sobol(8, seed=0))
    Y = X.square().sum(dim=-1, keepdim=True)
    new = torch.tensor([[0.0, 0.4, 0.6]], dtype=torch.float64)
    model = SingleTaskGP(X, Y, input_transform=Encoding("sqrt"))
    by_hand = SingleTaskGP(Encoding("sqrt")(X), Y)
    model.eval(), by_hand.eval()
    sampler = SobolQMCNormalSampler(torch.Size([4]), seed=0)
    fantasy = model.fantasize(new, sampler)
    expected = by_hand.fantasize(Encoding("sqrt")(new), sampler)
    torch.testing.assert_close(
        fantasy.posterior(X).mean, expected.posterior(Encoding("sqrt")(X)).mean, rtol=1e-6, atol=1e-8
    )


def test_typical_distance_is_that_of_two_random_points():
    space = MixtureSpace(tuple("abcdef"), upper={"a": 0.2})
    points = Encoding("sqrt").transform(torch.as_tensor(space.sample(2000, np.random.default_rng(0))))
    pairs = (points[:1000] - points[1000:]).square().sum(dim=-1).mean().sqrt()
    assert typical_distance(Encoding("sqrt"), space) == pytest.approx(pairs.item(), rel=0.05)


def test_the_columns_are_sorted_names_and_the_rows_realised_weights():
    space = MixtureSpace(("web", "code"))
    problem = Problem(space, (Metric("x"), Metric("y", direction="max")), Mean())
    records = (
        Record(Trial(3, {"web": 0.5, "code": 0.5}, 0, "sobol"), Result({"x": 3.0})),
        Record(Trial(1, {"web": 0.8, "code": 0.2}, 0, IMPORTED), Result({"y": 0.9, "x": 2.0, "other": 1.0})),
        Record(Trial(2, {"code": 0.2, "web": 0.8}, 0, "sobol"), Result({"x": 2.5}, realized={"web": 0.7, "code": 0.3})),
        Record(Trial(4, {"web": 1.0, "code": 0.0}, 0, CONFIRM), Result({"x": 9.0, "y": 9.0})),
        Record(Trial(5, {"web": 1.0, "code": 0.0}, 0, "sobol")),
    )
    data = to_dataset(problem, History(records))
    assert data.feature_names == ["code", "web"]
    assert data.X.tolist() == [[0.2, 0.8], [0.3, 0.7], [0.5, 0.5], [0.0, 1.0]]
    np.testing.assert_array_equal(data.Y.numpy(), [[2.0, 0.9], [2.5, np.nan], [3.0, np.nan], [9.0, 9.0]])


def test_no_trial_is_an_empty_dataset():
    problem = Problem(MixtureSpace(("a", "b")), (Metric("x"),), Mean())
    data = to_dataset(problem, History())
    assert data.X.shape == (0, 2)
    assert data.Y.shape == (0, 1)


def test_a_diverged_run_is_pulled_in_and_a_good_one_is_left_alone(caplog):
    metrics = (Metric("loss"), Metric("accuracy", unit="1", direction="max"))
    problem = Problem(MixtureSpace(("code", "web")), metrics, Mean())
    Y = np.array([[3.0 + 0.01 * i, 0.5 + 0.01 * i] for i in range(10)])
    Y[0], Y[1] = [1e12, 0.99], [1.0, -1e9]
    with caplog.at_level("WARNING", logger="bomix"):
        got = winsorised(Y, problem)
    assert 3.09 < got[0, 0] < 3.2
    assert 0.4 < got[1, 1] < 0.52
    np.testing.assert_array_equal(got[2:], Y[2:])
    assert (got[1, 0], got[0, 1]) == (1.0, 0.99)
    assert "metric 'loss': 1e+12" in caplog.text


def imported(number: int, share: float, tokens: int, *, seed: int = 0, key: str = "", origin: str = IMPORTED) -> Record:
    info = {KEY: key} if key else {}
    trial = Trial(number, {"a": share, "b": 1.0 - share}, seed, origin, Scale(10**6, tokens))
    return Record(trial, Result({"loss": 3.0}, info=info))


def trainings(*records: Record) -> tuple[int, ...]:
    scales = tuple(Scale(10**6, tokens) for tokens in (10**7, 10**8, 10**9))
    problem = Problem(MixtureSpace(("a", "b")), (Metric("loss"),), Mean(), scale=scales[-1])
    history = History(records, scale=scales[-1], scales=scales)
    return fit_context(problem, history, across=True).runs


def test_runs_from_elsewhere_that_differ_in_tokens_alone_are_checkpoints_of_one_training():
    first, second, third = imported(0, 0.3, 10**7), imported(1, 0.3, 10**8), imported(2, 0.3, 10**9)
    assert trainings(first, second, third, imported(3, 0.5, 10**8)) == (0, 0, 0, 3)


def test_runs_of_other_seeds_or_keys_and_trials_that_were_asked_for_are_trainings_by_themselves():
    first = imported(0, 0.3, 10**7, key="run-1")
    others = imported(1, 0.3, 10**8, key="run-2"), imported(2, 0.3, 10**8, key="run-1", seed=1)
    assert trainings(first, *others, imported(3, 0.3, 10**9, origin="sobol")) == (0, 1, 2, 3)
    assert trainings(first, imported(1, 0.3, 10**8, key="run-1")) == (0, 0)


def test_of_repeats_nothing_says_whose_checkpoint_is_whose():
    assert trainings(imported(0, 0.3, 10**7), imported(1, 0.3, 10**8), imported(2, 0.3, 10**8)) == (0, 1, 2)
