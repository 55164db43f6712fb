"""A belief about the objective by itself, and when it takes the place of one about every metric."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from bomix.evaluators.synthetic.spec import Synthetic
from bomix.history import History
from bomix.objectives.robust import Worst
from bomix.posterior.objective_alone import OBJECTIVE, of_objective, surer_belief
from bomix.problem import Metric, Problem
from bomix.surrogates.gp.presets import POOLED, QUICK
from bomix.trial import Failure, Record, Result, Trial


def table(share: float | None, *, seed: int = 0, n: int = 14) -> tuple[Problem, History]:
    """A record of noisy scores, or of quiet losses of domains, and its problem."""
    family = "exponential_power" if share is None else "scores"
    spec = Synthetic(family=family, domains=14, useless=2, seed=seed, noise_share=share, noise=1e-3)
    problem = spec.problem()
    points = np.random.default_rng(seed).dirichlet(np.ones(14), n)
    losses = [spec.observe(point, entropy=[seed, row]) for row, point in enumerate(points)]
    records = [
        Record(
            Trial(row, problem.space.to_weights(point), row, "sobol"),
            Result(dict(zip(problem.metric_names, values.tolist(), strict=True))),
        )
        for row, (point, values) in enumerate(zip(points, losses, strict=True))
    ]
    return problem, History(tuple(records))


def test_the_objective_is_the_only_metric_of_its_record() -> None:
    problem, history = table(None, n=3)
    first, second, third = history.records
    lacking = replace(second, outcome=Result({problem.metric_names[0]: 2.0}, unmeasured=problem.metric_names[1:]))
    failed, pending = replace(third, outcome=Failure("no memory")), Record(Trial(3, third.trial.weights, 3, "ei"))
    alone, seen = of_objective(problem, History((first, lacking, failed, pending)))
    assert alone.metric_names == (OBJECTIVE,)
    assert alone.space == problem.space
    assert [record.trial for record in seen.records] == [r.trial for r in (first, lacking, failed, pending)]
    assert alone.value(seen.records[0].result.losses) == pytest.approx(problem.value(first.result.losses))
    assert seen.records[1].result.losses == {}
    assert seen.records[2:] == (failed, pending)


def test_more_is_better_in_a_metric_and_less_in_the_objective() -> None:
    problem, history = table(None, n=2)
    upward = replace(problem, metrics=tuple(Metric(name, "accuracy", "max") for name in problem.metric_names))
    alone, seen = of_objective(upward, history)
    assert alone.value(seen.records[0].result.losses) == -problem.value(history.records[0].result.losses)


def test_noisy_scores_are_told_by_their_mean_and_quiet_losses_by_each() -> None:
    noisy = [len(surer_belief(*table(0.85, seed=s), POOLED, QUICK, seed=0).problem.metrics) for s in range(4)]
    quiet = [len(surer_belief(*table(None, seed=s), POOLED, QUICK, seed=0).problem.metrics) for s in range(4)]
    assert noisy.count(1) >= 3
    assert quiet.count(12) >= 3


def test_runs_that_lack_a_metric_tell_nothing_of_the_objective() -> None:
    problem, history = table(0.85)
    first = history.records[0]
    losses = {name: value for name, value in first.result.losses.items() if name != problem.metric_names[0]}
    lacking = replace(first, outcome=Result(losses, unmeasured=problem.metric_names[:1]))
    belief = surer_belief(problem, History((lacking, *history.records[1:])), POOLED, QUICK, seed=0)
    assert len(belief.asked) == len(history.records)
    assert torch.isfinite(belief.mean(torch.as_tensor(belief.asked))).all()


def test_an_objective_that_is_no_sum_is_told_by_each_metric() -> None:
    problem, history = table(0.85, n=6)
    worst = replace(problem, objective=Worst())
    assert len(surer_belief(worst, history, POOLED, QUICK, seed=0).problem.metrics) == 12
