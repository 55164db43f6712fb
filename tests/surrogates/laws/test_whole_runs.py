from __future__ import annotations

import logging
import pickle

import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

import bomix
from bomix.contracts.context import FitContext
from bomix.laws.fit import _tell_shares
from bomix.space.phased import PhasedSpace
from bomix.strategies.at_target import IN_EPOCHS, in_epochs
from bomix.strategies.auto import Auto
from bomix.strategies.i_optimal import IOptimal
from bomix.strategies.regression.law import Law
from bomix.surrogates.fully_bayesian.specs import BayesianLaw
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.laws.spec import LawRegression
from bomix.surrogates.laws.whole_runs import OfWholeRuns
from bomix.surrogates.means.law import LawMean
from tests.laws.test_epochs import PASSES, SPACE, truth

PHASED = PhasedSpace((("pretrain", 0.75), ("anneal", 0.25)), SPACE, {})
SUMS = torch.as_tensor(PHASED.phases.sums)
METRICS = ("code", "b")


def runs(n: int, seed: int = 1) -> tuple[SupervisedDataset, FitContext]:
    """Runs of two phases whose order changes nothing, of four domains that are read up to forty times."""
    X = torch.as_tensor(PHASED.sobol(n, seed=seed))
    data = SupervisedDataset(X, truth(X @ SUMS), feature_names=list(PHASED.domains), outcome_names=list(METRICS))
    return data, FitContext(PHASED, METRICS, passes=PASSES)


@pytest.fixture(scope="module")
def unseen() -> torch.Tensor:
    return torch.as_tensor(PHASED.sobol(64, seed=9))


@pytest.mark.parametrize(
    "surrogate",
    [
        LawRegression("epochs", starts=2),
        LawRegression("log_epochs", starts=2, uncertainty="bootstrap", samples=4),
        BayesianLaw("epochs", method="svi", steps=20, samples=4),
        GP(mean=LawMean("epochs", starts=2), draws=0, restarts=1),
        GP(mean=LawMean("epochs", starts=2, uncertain=True), draws=0, restarts=1),
    ],
)
def test_epochs_are_those_of_the_whole_run(surrogate: LawRegression | BayesianLaw | GP, unseen: torch.Tensor) -> None:
    _tell_shares.cache_clear()
    data, context = runs(40)
    model = surrogate.fit(data, context=context, seed=0)
    expected = truth(unseen @ SUMS)
    error = (model.posterior(unseen.unsqueeze(-2)).mean.squeeze(-2) - expected).square().mean(dim=0)
    assert (error < 0.02 * expected.var(dim=0)).all()


def test_the_law_is_that_of_the_aggregates(caplog: pytest.LogCaptureFixture, unseen: torch.Tensor) -> None:
    _tell_shares.cache_clear()
    data, context = runs(30)
    whole = SupervisedDataset(data.X @ SUMS, data.Y, feature_names=list(SPACE.domains), outcome_names=list(METRICS))
    spec = LawRegression("epochs", starts=2)
    with caplog.at_level(logging.WARNING):
        model = spec.fit(data, context=context, seed=0)
    assert not caplog.records  # shares do not stand in for epochs
    alone = spec.fit(whole, context=FitContext(SPACE, METRICS, passes=PASSES), seed=0)
    assert isinstance(model, OfWholeRuns)
    ours, theirs = model.posterior(unseen), alone.posterior(unseen @ SUMS)
    assert torch.equal(ours.mean, theirs.mean)
    assert torch.equal(ours.variance, theirs.variance)
    best = pickle.loads(pickle.dumps(model.best))
    assert torch.equal(best(unseen), model.mean(unseen))
    assert torch.equal(model.leave_one_out().mean, alone.leave_one_out().mean)


def test_other_laws_see_the_weights_of_both_phases() -> None:
    data, context = runs(12)
    assert not isinstance(LawRegression("log_linear", starts=1).fit(data, context=context, seed=0), OfWholeRuns)


@pytest.fixture(scope="module")
def study() -> bomix.Study:
    domains = {"code": {"tokens": 1e9}, "maths": {"tokens": 4e8}, "web": {"tokens": 9e9}}
    target = {"tokens": 10e9, "max_epochs": 16}
    found = bomix.Study(domains=domains, metrics=["loss"], target=target, phases={"anneal": 0.2}, seed=1)
    for _ in range(8):
        trial = found.ask()
        whole = found.problem.phases.aggregate(trial.weights)
        found.tell(trial, 2.0 + (whole["code"] - 0.3) ** 2 + (whole["maths"] - 0.1) ** 2)
    return found


def test_the_default_counts_epochs_in_two_phases(study: bomix.Study) -> None:
    problem = study.problem
    assert problem.passes == pytest.approx({"code": 10.0, "maths": 25.0, "web": 10.0 / 9.0})
    assert in_epochs(problem)
    assert Auto().chosen(problem).surrogate == IN_EPOCHS
    assert study.recommend().order is not None
    assert [fault.where for fault in IOptimal(features="epochs").problem_faults(problem)] == ["features"]


def test_the_strategy_law_asks_for_one_mixture_in_both_phases(study: bomix.Study) -> None:
    (candidate,) = Law(form="epochs", n_init=2).ask(study.problem, study.history, 1, seed=0)
    assert candidate.origin == "law"
    assert study.problem.phases.is_tied(candidate.weights)
    assert study.problem.space.contains(study.problem.space.to_array(candidate.weights), tolerance=1e-9)
