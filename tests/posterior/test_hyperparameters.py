"""What a model learnt is told by name, and a model without hyperparameters tells nothing."""

from __future__ import annotations

from bomix.posterior.hyperparameters import hyperparameters
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.regression.specs import Ridge


def test_every_metric_has_a_noise_and_a_lengthscale_of_each_domain(world):
    made = world()
    found = hyperparameters(made.problem, made.history(8), GP(draws=0), seed=0)
    metrics = set(made.problem.metric_names)
    # A model of several families says of which one it speaks: "1.noise".
    names = {(each.metric, each.name.rpartition(".")[2]) for each in found}
    assert {(metric, "noise") for metric in metrics} <= names
    lengthscales = {f"lengthscale[{name}]" for name in made.problem.space.domains}
    assert {(metric, name) for metric in metrics for name in lengthscales} <= names
    assert all(each.value > 0 for each in found)


def test_a_regression_tells_none(world):
    made = world()
    assert hyperparameters(made.problem, made.history(8), Ridge(), seed=0) == []
