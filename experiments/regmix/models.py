"""The regressions that are compared, and what each says of simulated mixtures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from experiments.regmix.data import Runs

Predictor = Callable[[np.ndarray], np.ndarray]
LINEAR, TREES, FINE, PROCESS = "linear", "LightGBM", "LightGBM, small leaves", "bomix's default"
MODELS = (LINEAR, TREES, FINE, PROCESS)
"""The first two are RegMix's (its appendix E), the third has bomix's leaves, which are smaller where runs are few."""
ROUNDS, RATE, LEAF = 1000, 0.01, 20
"""RegMix's, and for the leaf LightGBM's own default, which RegMix keeps: below forty runs it cannot split."""
SIMULATED = 100_000
"""Mixtures that are looked at for the best: a tenth of RegMix's, so that it takes seconds with every model."""
BEST = 100
"""Of these, those whose mean is proposed, as by RegMix; as a share they are what its Figure 14 shows the spread of."""


def predictor(model: str, learnt: Runs, target: str) -> Predictor:
    """Fit a model to runs; what it predicts of ``n x d`` mixtures is ``n`` values of the target.

    RegMix's regressions learn the target itself; bomix's default learns each loss that it is made of.
    """
    if model in (TREES, FINE):
        from bomix.surrogates.regression.boosting import LightGBMSetting, lightgbm_forests

        setting = LightGBMSetting(ROUNDS, RATE, LEAF if model == TREES else None)
        (forest,) = lightgbm_forests(learnt.X, learnt.target(target), [setting])
        return forest
    return _linear(learnt, target) if model == LINEAR else _process(learnt, target)


def _linear(learnt: Runs, target: str) -> Predictor:
    from bomix.surrogates.regression.specs import Ridge

    return _posterior(Ridge(), learnt, {target: learnt.target(target)})


def _process(learnt: Runs, target: str) -> Predictor:
    """What a study of these domains and metrics predicts with where it names no surrogate."""
    from bomix.objectives.weighted import Mean
    from bomix.problem import Metric, Problem
    from bomix.space.mixture_space import MixtureSpace
    from bomix.strategies.auto import Auto

    metrics = learnt.of(target)
    problem = Problem(MixtureSpace(learnt.domains), tuple(map(Metric, metrics)), Mean())
    return _posterior(Auto().predicting(problem), learnt, {name: learnt.losses[name] for name in metrics})


def _posterior(spec: object, learnt: Runs, columns: dict[str, np.ndarray]) -> Predictor:
    import torch
    from botorch.utils.datasets import SupervisedDataset

    from bomix.contracts.context import FitContext
    from bomix.posterior.expected import on_arrays
    from bomix.space.mixture_space import MixtureSpace
    from bomix.surrogates.models.joint import mean_at

    X, Y = torch.as_tensor(learnt.X), torch.as_tensor(np.stack(list(columns.values()), axis=1))
    data = SupervisedDataset(X, Y, feature_names=list(learnt.domains), outcome_names=list(columns))
    context = FitContext(MixtureSpace(learnt.domains), tuple(columns))
    model = spec.fit(data, context=context, seed=0)  # type: ignore[attr-defined]
    return on_arrays(lambda points: mean_at(model, points).mean(dim=-1))


def simulated(prior: np.ndarray, low: float, high: float) -> np.ndarray:
    """Draws about a prior, from sparse to even, always the same, ``SIMULATED x d``."""
    rng = np.random.default_rng(1)
    drawn = rng.standard_gamma(rng.uniform(low, high, size=(SIMULATED, 1)) * prior)
    total = drawn.sum(axis=1, keepdims=True)
    return drawn[total[:, 0] > 0] / total[total[:, 0] > 0]


def best(predict: Predictor, points: np.ndarray) -> np.ndarray:
    """The points with the lowest predictions, ``BEST x d``, the best first."""
    return points[np.argsort(predict(points), kind="stable")[:BEST]]


def coefficients(learnt: Runs, metric: str, rng: np.random.Generator | None = None) -> np.ndarray:
    """What the linear model says of more of each domain, ``d``, where the others give up equal parts of it.

    Args:
        learnt: The runs.
        metric: Whose loss.
        rng: Draws the runs anew, for an interval; None takes them as they are.
    """
    at = np.arange(len(learnt.X)) if rng is None else rng.integers(len(learnt.X), size=len(learnt.X))
    X, y = learnt.X[at], learnt.losses[metric][at]
    X, y = X - X.mean(axis=0), y - y.mean()
    found = np.linalg.solve(X.T @ X + PENALTY * np.eye(X.shape[1]), X.T @ y)
    return np.asarray((found - found.mean()) * len(found) / (len(found) - 1))


PENALTY = 1e-3
"""The least of RegMix's penalties, which cross-validation takes for most losses; the mean is free without it."""
