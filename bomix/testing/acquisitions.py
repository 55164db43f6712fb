"""What every acquisition function owes to the strategies that maximise it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
import torch
from botorch.models.model import Model
from torch import Tensor

from bomix.contracts.acquisition import AcquisitionTraits, objective_faults
from bomix.contracts.objective import Objective
from bomix.contracts.traits import traits
from bomix.errors import ConfigError
from bomix.history import History
from bomix.objectives.pareto import Pareto
from bomix.objectives.robust import Guardrail, SmoothMax, Worst
from bomix.objectives.weighted import WeightedMean
from bomix.posterior.objective import ModelObjective
from bomix.problem import Metric, Problem
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.data.dataset import fit_context, to_dataset
from bomix.surrogates.gp.spec import GP
from bomix.testing.base import CountsBattery
from bomix.testing.known import STEEP, exponential
from bomix.trial import Record, Result, Trial

SPACE = MixtureSpace(("books", "code", "maths", "web"))
METRICS = ("m0", "m1", "m2")
SUM = WeightedMean({"m0": 0.2, "m1": 0.5, "m2": 0.3})
OBJECTIVES: Mapping[str, Objective] = {
    "sum": SUM,
    "worst": Worst(),
    "smooth": SmoothMax(),
    "guardrail": Guardrail(("m1", "m2"), base=SUM).with_reference({"m1": 3.2, "m2": 2.4}),
    "pareto": Pareto({"first": ("m0",), "rest": ("m1", "m2")}),
}
"""One objective of each form: a weighted sum, three that are none, and a trade-off."""


class Fitted(NamedTuple):
    """A model of nine runs with little noise, and the mixtures that it has seen, ``9 x d``."""

    model: Model
    problem: Problem
    X: Tensor


@cache
def fitted() -> Fitted:
    """A Gaussian process of three exponential laws, the same for every battery of a run."""
    problem = Problem(SPACE, tuple(map(Metric, METRICS)), SUM)
    rng = np.random.default_rng(1)
    records = []
    for number, point in enumerate(SPACE.sobol(9, seed=1)):
        losses = exponential(point, STEEP) + 0.03 * rng.normal(size=3)
        result = Result(dict(zip(METRICS, losses.tolist(), strict=True)))
        records.append(Record(Trial(number, SPACE.to_weights(point), 0, "sobol"), result))
    history = History(tuple(records))
    data = to_dataset(problem, history)
    return Fitted(GP(draws=0).fit(data, context=fit_context(problem, history), seed=0), problem, data.X)


def points(n: int, *, seed: int = 2) -> Tensor:
    """``n x 1 x d`` mixtures spread over the space."""
    return torch.as_tensor(SPACE.sobol(n, seed=seed)).unsqueeze(1)


class AcquisitionBattery(CountsBattery):
    """Tests of an acquisition: :class:`bomix.contracts.acquisition.Acquisition`, ``build(model, aggregate, ...)``.

    An acquisition says how much a trial of a mixture promises; higher is better. Three lines test one of your own::

        class TestMine(AcquisitionBattery):
            spec = MyAcquisition()

    Each test runs with five objectives: a weighted sum, the worst metric, a smooth maximum, a guardrail and a
    trade-off. What is tested, and why:

    * Its values are ``batch`` numbers, finite, and each mixture has the same value by itself as among others: the
      search evaluates thousands at once and keeps some.
    * Built again with the same seed it is the same function, with pending trials and without.
    * Gradients are finite and those of finite differences: the search climbs along them. An acquisition that declares
      ``joint`` is one random function, called once on all mixtures, and needs none.
    * An objective that it does not serve is refused with :class:`bomix.errors.ConfigError`, named after ``origin``.
    * Candidates are named after ``origin``; it says what it needs of a surrogate.
    * It is a frozen dataclass that a study file can say, and whole numbers below zero are faults.

    Attributes:
        spec: The acquisition.
        serves: Names of the objectives that it serves, of ``sum``, ``worst``, ``smooth``, ``guardrail`` and
            ``pareto``; None leaves that to what it declares.
    """

    group = "acquisition"
    serves: ClassVar[tuple[str, ...] | None] = None

    def built(self, objective: Objective, pending: Tensor | None) -> Any:
        """The function for an objective."""
        found = fitted()
        aggregate = ModelObjective.of(replace(found.problem, objective=objective))
        return self.spec.build(found.model, aggregate, X_observed=found.X, X_pending=pending, seed=4)

    def test_it_says_what_it_is_called_and_what_it_needs(self) -> None:
        """Candidates carry the origin into the record; strategies compare needs with what the surrogate declares."""
        assert isinstance(self.spec.origin, str)
        assert self.spec.origin
        own = traits(self.spec, AcquisitionTraits)
        assert isinstance(own.needs_gradients, bool)
        assert isinstance(own.needs_fantasies, bool)

    @pytest.mark.parametrize("pending", [False, True], ids=["idle", "pending"])
    @pytest.mark.parametrize("name", OBJECTIVES)
    def test_each_mixture_by_itself_with_gradients_and_the_same_again(self, name: str, pending: bool) -> None:
        """What the search relies on, for every objective: it is served in full or refused by name."""
        objective, pool = OBJECTIVES[name], points(12)
        waiting = pool[3:5, 0] if pending else None
        served = not objective_faults(self.spec, objective)
        assert self.serves is None or served == (name in self.serves)
        if not served:
            with pytest.raises(ConfigError, match=re.escape(self.spec.origin)):
                self.built(objective, waiting)
            return
        function, again = self.built(objective, waiting), self.built(objective, waiting)
        if traits(self.spec, AcquisitionTraits).joint:
            values = function(pool)
            assert values.shape == (12,)
            assert torch.equal(values, again(pool))
            return
        X = pool.clone().requires_grad_()
        values = function(X)
        assert values.shape == (12,)
        assert values.dtype == torch.float64
        (gradient,) = torch.autograd.grad(values.sum(), X)
        assert gradient.isfinite().all()
        with torch.no_grad():
            torch.testing.assert_close(function(pool[7:9]), values[7:9], rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(again(pool), values, rtol=0, atol=0)
            step = 1e-6 * torch.tensor([[1.0, -1.0, 0.5, -0.5]], dtype=torch.float64)
            change = (function(pool[:3] + step) - function(pool[:3] - step)) / 2.0
        torch.testing.assert_close((gradient[:3] * step).sum((1, 2)), change, rtol=2e-2, atol=2e-7)
