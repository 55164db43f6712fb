"""Standard deviations count for less while trials are few, and for what they are afterwards."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from botorch.acquisition.objective import ScalarizedPosteriorTransform

from bomix.acquisition.improvement import LogEI
from bomix.acquisition.narrowed import Narrowed, NarrowedModel
from bomix.acquisition.trust import LEAST_TRUST, trust
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.objectives.robust import Worst
from bomix.posterior.belief import believe
from bomix.surrogates.gp.spec import GP
from tests.known.told import told


def test_trust_grows_from_half_after_the_usual_design_to_all_of_it_at_twice_as_many_trials():
    assert trust(6, 4) == LEAST_TRUST == 0.5
    assert trust(5, 4) < 0.5 < trust(7, 4) < trust(11, 4) < 1.0
    assert trust(12, 4) == trust(40, 4) == 1.0


@pytest.fixture(scope="module")
def belief():
    function = Synthetic(domains=3, seed=1)
    problem = function.problem(budget=20)
    return believe(problem, told(function, problem.space.sobol(5, seed=0)), GP(draws=0), seed=0)


def test_the_mean_stays_and_the_standard_deviation_shrinks(belief):
    transform = ScalarizedPosteriorTransform(torch.full((3,), -1.0 / 3.0, dtype=torch.float64))
    with torch.no_grad():
        metrics = belief.model.posterior(torch.eye(3, dtype=torch.float64).unsqueeze(-2))
        whole, narrow = transform(metrics), Narrowed(transform, 0.4)(metrics)
    torch.testing.assert_close(narrow.mean, whole.mean)
    torch.testing.assert_close(narrow.variance, 0.16 * whole.variance)


@pytest.mark.parametrize("pending", [None, torch.full((1, 3), 1.0 / 3.0, dtype=torch.float64)])
def test_less_is_hoped_for_at_a_vertex_after_five_trials_and_as_much_as_ever_after_ten(belief, pending):
    vertex = torch.eye(3, dtype=torch.float64)[:1].unsqueeze(-2)

    def hoped(careful: bool, X_observed: torch.Tensor) -> float:
        function = LogEI(careful=careful).build(
            belief.model, belief.aggregate, X_observed=X_observed, X_pending=pending, seed=0
        )
        with torch.no_grad():
            return float(function(vertex))

    runs = belief.data.X
    assert hoped(True, runs) < hoped(False, runs)
    assert hoped(True, runs.repeat(2, 1)) == hoped(False, runs.repeat(2, 1))


@pytest.mark.parametrize("objective", [None, Worst()], ids=["mean", "worst"])
def test_a_share_of_the_standard_deviations_hopes_for_less_and_expects_the_same(belief, objective):
    aggregate = belief.aggregate if objective is None else replace(belief.aggregate, objective=objective)
    narrowed = NarrowedModel(belief.model, 0.3)
    X = torch.eye(3, dtype=torch.float64).unsqueeze(-2)
    whole, narrow = belief.model.posterior(X), narrowed.posterior(X)
    torch.testing.assert_close(narrow.mean, whole.mean)
    torch.testing.assert_close(narrow.variance, 0.09 * whole.variance)

    def hoped(trusted: float) -> torch.Tensor:
        function = LogEI(trusted=trusted).build(
            belief.model, aggregate, X_observed=belief.data.X, X_pending=None, seed=0
        )
        with torch.no_grad():
            return function(X)

    assert (hoped(0.3) < hoped(1.0)).all()


def test_a_share_is_above_zero_and_at_most_one():
    assert not LogEI(trusted=0.3).faults()
    assert [fault.where for fault in [*LogEI(trusted=0.0).faults(), *LogEI(trusted=1.5).faults()]] == ["trusted"] * 2
