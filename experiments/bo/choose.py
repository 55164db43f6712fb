"""What each way to search chose: of trials the lowest, of models the lowest prediction, with what they promised."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bomix import Study
from bomix.contracts.objective import Objective
from bomix.contracts.surrogate import Surrogate
from bomix.objectives.robust import Excess, Guardrail, Worst
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.laws.spec import LawRegression
from experiments.bo.plan import AGAIN, DESIGN, FIVE, FRESH, WORK, Problem
from experiments.runs import Planned, Row

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
OBJECTIVES: Mapping[str, Objective] = {"excess": Excess(), "worst": Worst(), "guardrail": Guardrail()}
"""What stands for the mean of the losses; references are the uniform mixture."""
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
    """The runs of a search in order, those of the design that it begins with included; none before it has begun."""
    own = [row for row in rows if row["set"] == f"{problem.name} {arm}" and row["seed"] == seed]
    first = problem.arms[0].name
    designed = [row for row in rows if row["set"] == f"{problem.name} {first}" and row["seed"] == seed]
    shared = int(min(row["name"] for row in own)) if own else 0
    return sorted([*(row for row in designed if int(row["name"]) < shared), *own], key=lambda row: row["name"])


def recorded(problem: Problem, arm: str, seed: int) -> list[Row]:
    """The runs of a search by its own record.

    The search by default draws some of the mixtures that the design of its seed has, and was told what became of
    them: no row of its own tells of these.
    """
    history = Study.open(WORK / f"{problem.name}-{arm}-{seed}").history
    return [{"weights": dict(each.trial.weights), "losses": dict(each.result.losses)} for each in history.completed]


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


def learnt(runs_of: Sequence[Row], problem: Problem, seed: int, **parts: Any) -> Study:
    """A study in memory that has learnt of runs; ``parts`` are further arguments of it."""
    study = Study(problem.domains, problem.domains, seed=seed, **parts)
    nothing = dict.fromkeys(problem.domains, 0.0)
    study.records.add_all([(nothing | row["weights"], row["losses"]) for row in runs_of])
    return study


def regmix(rows: Sequence[Row], problem: Problem, seed: int) -> Mapping[str, float]:
    """What RegMix takes from the design of a seed."""
    from bomix.strategies.regression.regmix import RegMix

    designed = searched(rows, problem, problem.arms[0].name, seed)
    strategy = RegMix(n_init=len(designed), design=DESIGN, simulated=SIMULATED)
    trial = learnt(designed, problem, seed, strategy=strategy).ask()
    assert trial.origin == "regmix", trial.origin
    return trial.weights


def judged(rows: Sequence[Row], problem: Problem, objective: Objective, seed: int) -> Mapping[str, float]:
    """What bomix recommends for an objective by the design of a seed and one run of the uniform mixture.

    That run is the first of the search by default, and has the same seed.
    """
    (uniform,) = (row for row in searched(rows, problem, "default", seed) if row["origin"] == "uniform")
    runs_of = [*searched(rows, problem, problem.arms[0].name, seed), uniform]
    return learnt(runs_of, problem, seed, objective=objective, strategy=Bayesian()).recommend().weights


def five(rows: Sequence[Row], known: Container[str] = ()) -> Iterator[Row]:
    """Every choice among five domains, a row for each search or model and seed.

    Args:
        rows: The runs.
        known: Names of rows that there are already.

    Yields:
        Rows with ``name``, ``weights`` and what was ``seen`` or promised there (``value``, and ``sd`` of models).
    """
    for seed in FIVE.seeds:
        for name, make in _choices(rows, seed).items():
            if f"{name}-{seed}" not in known:
                yield {**make(), "name": f"{name}-{seed}"}


def _choices(rows: Sequence[Row], seed: int) -> dict[str, Callable[[], Row]]:
    """Name to what makes the row."""
    designed = searched(rows, FIVE, FIVE.arms[0].name, seed)
    arms = {arm.name: searched(rows, FIVE, arm.name, seed) for arm in FIVE.arms}
    found: dict[str, Callable[[], Row]] = {name: partial(_lowest, own, FIVE) for name, own in arms.items()}
    found["default"] = lambda: _lowest(recorded(FIVE, "default", seed), FIVE)  # its folder may be gone once it is told
    found["short"] = partial(_lowest, arms["bo16"][:SHORT], FIVE)
    found |= {name: partial(_promised, designed, model, seed) for name, model in MODELS.items()}
    found[REGMIX] = lambda: _weights(regmix(rows, FIVE, seed))
    found["recommended"] = lambda: _weights(Study.open(WORK / f"five-default-{seed}").recommend().weights)
    for name, objective in OBJECTIVES.items():
        found[name] = lambda objective=objective: _weights(judged(rows, FIVE, objective, seed))
    return found


def _weights(weights: Mapping[str, float]) -> Row:
    return {"weights": {name: round(float(x), 6) for name, x in weights.items() if x > 0}}


def _promised(designed: Sequence[Row], model: Surrogate, seed: int) -> Row:
    best, value, sd = fitted(designed, FIVE, model, seed)
    weights = _weights(dict(zip(FIVE.domains, best, strict=True)))
    return {**weights, "value": round(value, 5), "sd": round(sd, 5)}


def _lowest(rows: Sequence[Row], problem: Problem) -> Row:
    """The mixture of the lowest mean loss, and that."""
    losses = values(rows, problem.domains)
    at = int(losses.argmin())
    return {**_weights(rows[at]["weights"]), "value": round(float(losses[at]), 5)}


def again(rows: Sequence[Row]) -> Iterator[tuple[Problem, list[Planned]]]:
    """The best run of each search of the other problems, on fresh seeds."""
    for problem in AGAIN:
        planned = []
        for seed in problem.seeds:
            for arm in problem.arms:
                runs_of = searched(rows, problem, arm.name, seed)
                if len(runs_of) == arm.trials:
                    nothing = dict.fromkeys(problem.domains, 0.0)
                    weights = nothing | _lowest(runs_of, problem)["weights"]
                    name = f"{arm.name}-{seed}"
                    planned += [Planned(f"{problem.name} fresh", name, weights, fresh) for fresh in FRESH]
        yield problem, planned
