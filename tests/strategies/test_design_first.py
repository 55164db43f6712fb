"""What counts as a design in a study of several scales."""

from __future__ import annotations

import numpy as np
import pytest

import bomix
from bomix.config import registry
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.design_first import MIN_COMPLETED, in_design, too_few
from bomix.surrogates.scales.spec import MultiScale

SIZE = 5


def study_of(*, small: int, large: int, strategy: object) -> bomix.Study:
    scales = {"small": {"params": "1M", "tokens": "100M"}, "large": {"params": "10M", "tokens": "1B"}}
    study = bomix.Study(["a", "b", "c"], ["x", "y"], scales=scales, strategy=strategy)
    for n, row in enumerate(np.random.default_rng(0).dirichlet(np.ones(3), size=small + large)):
        losses = {"x": 3.0 + row[0] ** 2, "y": 3.0 + (1.0 - row[1]) ** 2}
        weights = dict(zip("abc", row.tolist(), strict=True))
        study.add(weights, losses, scale="small" if n < small else "large")
    return study


@pytest.mark.parametrize("kind", ["bayesian", "turbo", "embedded", "law", "regmix", "kl", "blackbox"])
def test_a_strategy_of_one_scale_begins_a_design_where_only_other_scales_were_run(kind: str) -> None:
    study = study_of(small=8, large=0, strategy=registry.resolve("strategy", kind)())
    trial = study.ask()
    assert trial.origin in {"uniform", "natural", "sobol", "dirichlet"}
    assert trial.scale == study.problem.scale


def test_runs_of_other_scales_count_towards_a_design_where_the_surrogate_learns_from_them() -> None:
    study = study_of(small=8, large=1, strategy=Bayesian(surrogate=MultiScale()))
    problem, history = study.problem, study.history
    assert in_design(problem, history, SIZE)
    assert too_few(problem, history, SIZE)
    assert not in_design(problem, history, SIZE, across=True)
    assert not too_few(problem, history, SIZE, across=True)
    assert len(history.observations) < MIN_COMPLETED
    assert not study.spec.strategy.settled(problem, history)
