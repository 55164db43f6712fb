"""What the objective of a belief compares with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from bomix.objectives.robust import Excess, Guardrail, Worst
from bomix.posterior.belief import believe
from bomix.problem import Metric
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.models.joint import mean_at
from bomix.trial import Record, Trial

FAST = GP(draws=0)


def with_uniform(here, history, *, noise):
    """The record with one more run, of the uniform mixture, whose metrics are off by 0.1, -0.1 and 0.1."""
    weights = here.problem.space.to_weights(here.problem.space.uniform())
    result = here.result(here.problem.space.uniform(), noise=0.0, rng=np.random.default_rng(0))
    losses = {name: loss + noise * (-1) ** i for i, (name, loss) in enumerate(result.losses.items())}
    return history.with_record(Record(Trial(history.next_id, weights, 0, "uniform"), replace(result, losses=losses)))


@pytest.mark.parametrize("objective", [Excess(), Guardrail(margin=0.1)], ids=["excess", "guardrail"])
def test_a_reference_is_what_the_model_expects_of_it_and_nearer_to_the_truth(world, objective):
    here = world(objective=objective)
    belief = believe(here.problem, with_uniform(here, here.history(30), noise=0.1), FAST, seed=0)
    uniform = here.problem.space.uniform()
    expected = mean_at(belief.model, torch.as_tensor(uniform)[None])[0].tolist()
    assert list(belief.problem.objective.measured.values()) == pytest.approx(expected)
    assert belief.aggregate.objective == belief.problem.objective
    assert belief.problem.objective.measured == belief.aggregate.objective.measured
    assert np.abs(np.array(expected) - here.law(uniform)).max() < 0.05


def test_of_a_metric_that_should_rise_the_reference_is_turned(world):
    here = world(objective=Excess())
    turned = replace(here.problem, metrics=(Metric("m0", direction="max"), *here.problem.metrics[1:]))
    belief = believe(turned, with_uniform(here, here.history(12), noise=0.0), FAST, seed=0)
    uniform = here.problem.space.uniform()
    signs = np.array([-1.0, 1.0, 1.0])
    measured = np.array(list(belief.problem.objective.measured.values()))
    np.testing.assert_allclose(measured, signs * here.law(uniform), atol=0.05)
    with torch.no_grad():
        X = torch.as_tensor(uniform)[None]
        assert belief.aggregate(mean_at(belief.model, X)).item() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("objective", [Worst(), Excess(reference={"m0": 3.0, "m1": 3.0, "m2": 3.0})])
def test_what_has_no_reference_or_one_by_hand_stays(world, objective):
    here = world(objective=objective)
    belief = believe(here.problem, here.history(6), FAST, seed=0)
    values = here.problem.signs * here.law(here.problem.space.uniform())
    losses = dict(zip(here.problem.metric_names, values, strict=True))
    expected = max(values) - (3.0 if isinstance(objective, Excess) else 0.0)
    assert belief.problem.value(losses) == pytest.approx(expected)
