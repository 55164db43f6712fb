"""What each way to search chose: of trials the lowest, of models the lowest prediction, with what they promised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from bomix import Study
from bomix.contracts.surrogate import Surrogate
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.laws.spec import LawRegression
from experiments.bo.plan import FIVE, WORK, Problem
from experiments.runs import Row

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.space.polytope import Array

MODELS: Mapping[str, Surrogate] = {
    "BiMix": LawRegression(form="bimix"),
    "DML": LawRegression(form="exponential"),
    "power": LawRegression(),
    "GP": GP(),
}
"""What is fitted to the 64 runs of a design, by the name that the tables give it; `power` is bomix's own law."""
REGMIX = "RegMix"
SIMULATED = 100_000
"""Mixtures that RegMix predicts: a tenth of its own, which takes a tenth of the time in five dimensions."""
SHORT = 32
"""Runs of the short searches of Table II: the first ones of the long ones."""


def array(rows: Sequence[Mapping[str, Any]], domains: Sequence[str]) -> tuple[Array, Array]:
    """Mixtures and losses of rows, ``n x d`` and ``n x m``, columns in the order of the domains."""
    X = np.array([[row["weights"].get(name, 0.0) for name in domains] for row in rows])
    return X / X.sum(axis=1, keepdims=True), np.array([[row["losses"][name] for name in domains] for row in rows])


def values(rows: Sequence[Mapping[str, Any]], domains: Sequence[str]) -> Array:
    """The mean loss of each row over the domains, nats."""
    return array(rows, domains)[1].mean(axis=1)


def searched(rows: Sequence[Row], problem: Problem, arm: str, seed: int) -> list[Row]:
    """The runs of a search in order, those of the design that it begins with included."""
    own = [row for row in rows if row["set"] == f"{problem.name} {arm}" and row["seed"] == seed]
    first = problem.arms[0].name
    designed = [row for row in rows if row["set"] == f"{problem.name} {first}" and row["seed"] == seed]
    return sorted([*designed[: int(own[0]["name"])], *own] if own else designed, key=lambda row: row["name"])


def fitted(rows: Sequence[Row], problem: Problem, model: Surrogate, seed: int) -> tuple[Array, float, float]:
    """Fit a model and minimize its prediction.

    Returns:
        The mixture, the mean loss it promises, and the standard deviation of one more run there, in nats.
    """
    import torch
    from botorch.utils.datasets import SupervisedDataset

    from bomix.contracts.context import FitContext
    from bomix.optimization.minimize import minimise
    from bomix.space.mixture_space import MixtureSpace
    from bomix.surrogates.models.joint import mean_at

    X, Y = (torch.as_tensor(part) for part in array(rows, problem.domains))
    names, space = list(problem.domains), MixtureSpace(problem.domains)
    data = SupervisedDataset(X, Y, feature_names=names, outcome_names=names)
    found: Any = model.fit(data, context=FitContext(space, problem.domains), seed=seed)

    def objective(at: Tensor) -> Tensor:
        return mean_at(found, at).mean(dim=-1)

    best = minimise(objective, space, shape="smooth", seed=seed).point
    with torch.no_grad():
        posterior = found.posterior(torch.as_tensor(best[None]).unsqueeze(-2), observation_noise=True)
        mean = float(posterior.mean.mean())
        sd = float(posterior.distribution.covariance_matrix.mean().sqrt())
    return best, mean, sd


def regmix(problem: Problem, seed: int) -> Mapping[str, float]:
    """What RegMix takes from the design of a seed."""
    from bomix.strategies.regression.regmix import RegMix

    study = Study.open(WORK / f"{problem.name}-{problem.arms[0].name}-{seed}")
    strategy = RegMix(n_init=len(study.history.completed), simulated=SIMULATED)
    (asked,) = strategy.ask(study.problem, study.history, 1, seed=seed)
    return asked.weights


def five(rows: Sequence[Row]) -> list[Row]:
    """Every choice among five domains, a row for each search or model and seed.

    Returns:
        Rows with ``name``, ``weights`` and what was ``seen`` or promised there (``value``, and ``sd`` of models).
    """
    found: list[Row] = []
    for seed in FIVE.seeds:
        for arm in FIVE.arms:
            runs_of = searched(rows, FIVE, arm.name, seed)
            found.append({**_lowest(runs_of), "name": f"{arm.name}-{seed}"})
            if arm.name == "bo16":
                found.append({**_lowest(runs_of[:SHORT]), "name": f"short-{seed}"})
        designed = searched(rows, FIVE, "sobol", seed)
        for name, model in MODELS.items():
            best, value, sd = fitted(designed, FIVE, model, seed)
            weights = {domain: round(float(x), 6) for domain, x in zip(FIVE.domains, best, strict=True) if x > 0}
            found.append({"weights": weights, "value": round(value, 5), "sd": round(sd, 5), "name": f"{name}-{seed}"})
        weights = {name: round(float(x), 6) for name, x in regmix(FIVE, seed).items() if x > 0}
        found.append({"weights": weights, "name": f"{REGMIX}-{seed}"})
        advice = Study.open(WORK / f"five-default-{seed}").recommend()
        weights = {name: round(float(x), 6) for name, x in advice.weights.items() if x > 0}
        found.append({"weights": weights, "name": f"recommended-{seed}"})
    return found


def _lowest(rows: Sequence[Row]) -> Row:
    """The mixture of the lowest mean loss, and that."""
    losses = values(rows, FIVE.domains)
    at = int(losses.argmin())
    return {"weights": cast(dict[str, float], rows[at]["weights"]), "value": round(float(losses[at]), 5)}
