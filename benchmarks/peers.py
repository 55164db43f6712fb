"""Other optimisers as sessions of the benchmark, each set up as its own documentation advises for a mixture.

    pip install bomix[peers]
    bomix benchmark --methods benchmarks/peers.yaml

All of them model the objective alone, as their users do. The shared design is told to each before its first ask. Rule
``own`` is a tool's own recommendation where it makes one; ``posterior`` the minimiser of its posterior mean where that
can be had; every method is also judged by its best observation.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from bomix.benchmark.methods import OWN, POSTERIOR
from bomix.problem import Problem
from bomix.space.polytope import Array


class Recorded:
    """What every session keeps: mixtures and objectives."""

    def __init__(self, problem: Problem, seed: int) -> None:
        self.problem, self.seed = problem, seed
        self.d = problem.space.dimension
        self.X: list[Array] = []
        self.y: list[float] = []

    def tell(self, weights: Array, losses: Array) -> None:
        self.X.append(np.asarray(weights, dtype=float))
        self.y.append(float(self.problem.objective(np.asarray(losses), self.problem.metric_names)))

    def recommend(self) -> Mapping[str, Array]:
        return {}

    def step_seed(self) -> int:
        """A seed for this step."""
        return int(np.random.SeedSequence([self.seed, len(self.y)]).generate_state(1)[0] >> 1)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Without the tools' warnings and logs."""
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


class Random(Recorded):
    """Mixtures uniform on the simplex."""

    def ask(self) -> Array:
        return self.problem.space.sample(1, np.random.default_rng([self.seed, len(self.y)]))[0]


class BoTorch(Recorded):
    """BoTorch by hand: ``SingleTaskGP``, ``Standardize``, and the sum of the weights as a constraint.

    Options:
        free: ``all``: every weight is an input, equality constraint, qLogNEI. ``all_but_one``: the way of the first
            paper, K - 1 inputs whose sum is at most one, LogEI.
        restarts, raw: Of ``optimize_acqf``.
    """

    def __init__(self, problem: Problem, *, seed: int, free: str = "all", restarts: int = 10, raw: int = 512) -> None:
        super().__init__(problem, seed)
        self.free_all, self.restarts, self.raw = free == "all", restarts, raw

    def ask(self) -> Array:
        import torch
        from botorch.acquisition import LogExpectedImprovement, qLogNoisyExpectedImprovement
        from botorch.sampling import SobolQMCNormalSampler

        model, X = self._model()
        if self.free_all:
            sampler = SobolQMCNormalSampler(torch.Size([128]), seed=self.step_seed())
            return self._maximised(qLogNoisyExpectedImprovement(model, X, sampler, prune_baseline=True))
        return self._maximised(LogExpectedImprovement(model, best_f=-min(self.y)))

    def recommend(self) -> Mapping[str, Array]:
        from botorch.acquisition import PosteriorMean

        model, X = self._model()
        return {POSTERIOR: self._maximised(PosteriorMean(model), near=X)}

    def _model(self) -> tuple[Any, Any]:
        import torch
        from botorch import fit_gpytorch_mll
        from botorch.models import SingleTaskGP
        from botorch.models.transforms import Standardize
        from gpytorch.mlls import ExactMarginalLogLikelihood

        torch.set_num_threads(1)
        torch.manual_seed(self.step_seed())
        X = torch.as_tensor(np.array(self.X))[:, : self.d if self.free_all else self.d - 1]
        Y = -torch.as_tensor(self.y).double().unsqueeze(-1)
        with quietly():
            model = SingleTaskGP(X, Y, outcome_transform=Standardize(1))
            fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        return model, X

    def _maximised(self, acquisition: Any, *, near: Any = None) -> Array:
        """The best mixture from random starts and, where there are any, from the best of ``n x d`` mixtures."""
        import torch
        from botorch.optim import optimize_acqf

        inputs = self.d if self.free_all else self.d - 1
        columns, ones = torch.arange(inputs), torch.ones(inputs, dtype=torch.float64)
        constraint = (
            {"equality_constraints": [(columns, ones, 1.0)]}
            if self.free_all
            else {"inequality_constraints": [(columns, -ones, -1.0)]}
        )
        bounds = torch.stack([torch.zeros(inputs), torch.ones(inputs)]).double()
        options = {"batch_limit": 5, "maxiter": 200, "seed": self.step_seed()}
        with quietly():
            best, value = optimize_acqf(
                acquisition,
                bounds,
                q=1,
                num_restarts=self.restarts,
                raw_samples=self.raw,
                options=options,
                **constraint,
            )
            if near is not None:
                with torch.no_grad():
                    leaders = near[acquisition(near.unsqueeze(1)).topk(min(2, len(near))).indices].unsqueeze(1)
                again, other = optimize_acqf(
                    acquisition,
                    bounds,
                    q=1,
                    num_restarts=len(leaders),
                    batch_initial_conditions=leaders,
                    options=options,
                    **constraint,
                )
                best = again if other > value else best
        weights = best[0].numpy()
        return weights if self.free_all else np.append(weights, max(0.0, 1.0 - weights.sum()))


class Ax(Recorded):
    """Ax's client. It knows no equality constraint: K - 1 weights, their sum at most one.

    Options:
        method: ``fast``, Ax's default, or ``quality``.
    """

    def __init__(self, problem: Problem, *, seed: int, method: str = "fast") -> None:
        super().__init__(problem, seed)
        with quietly():
            from ax.api.client import Client
            from ax.api.configs import RangeParameterConfig

            self.names = [f"w{column}" for column in range(self.d - 1)]
            self.client = Client(random_seed=seed % 2**31)
            self.client.configure_experiment(
                [RangeParameterConfig(name=name, bounds=(0.0, 1.0), parameter_type="float") for name in self.names],
                parameter_constraints=[" + ".join(self.names) + " <= 1"] if self.d > 2 else None,
            )
            self.client.configure_optimization(objective="-loss")
            self.client.configure_generation_strategy(method=method, initialization_budget=1)
        self.index: int | None = None

    def ask(self) -> Array:
        with quietly():
            ((self.index, parameters),) = self.client.get_next_trials(max_trials=1).items()
        return self._weights(parameters)

    def tell(self, weights: Array, losses: Array) -> None:
        super().tell(weights, losses)
        with quietly():
            index = self.index
            if index is None:
                # Rounding must not carry the sum above its bound.
                values = np.asarray(weights[:-1]) * (1.0 - 1e-12)
                index = self.client.attach_trial(dict(zip(self.names, values.tolist(), strict=True)))
            self.client.complete_trial(index, raw_data={"loss": self.y[-1]})
        self.index = None

    def recommend(self) -> Mapping[str, Array]:
        with quietly():
            parameters, *_ = self.client.get_best_parameterization(use_model_predictions=True)
        return {OWN: self._weights(parameters)}

    def _weights(self, parameters: Mapping[str, Any]) -> Array:
        free = np.array([float(parameters[name]) for name in self.names])
        return np.append(free, max(0.0, 1.0 - free.sum()))


class BayBE(Recorded):
    """BayBE's campaign, the sum of the weights as a linear equality constraint.

    Options:
        acquisition: Of ``BotorchRecommender``; None for BayBE's default, qLogEI.
    """

    def __init__(self, problem: Problem, *, seed: int, acquisition: str | None = None) -> None:
        super().__init__(problem, seed)
        with quietly():
            from baybe.constraints import ContinuousLinearConstraint
            from baybe.objectives import SingleTargetObjective
            from baybe.parameters import NumericalContinuousParameter
            from baybe.searchspace import SearchSpace
            from baybe.targets import NumericalTarget

            self.names = [f"w{column}" for column in range(self.d)]
            self.space = SearchSpace.from_product(
                [NumericalContinuousParameter(name, (0.0, 1.0)) for name in self.names],
                [ContinuousLinearConstraint(self.names, "=", [1.0] * self.d, 1.0)],
            )
            self.objective = SingleTargetObjective(NumericalTarget("loss", minimize=True))
        self.acquisition = acquisition

    def ask(self) -> Array:
        return self._recommended(self.acquisition)

    def recommend(self) -> Mapping[str, Array]:
        return {POSTERIOR: self._recommended("PM")}

    def _recommended(self, acquisition: str | None) -> Array:
        import pandas as pd
        import torch
        from baybe.recommenders import BotorchRecommender

        torch.set_num_threads(1)
        told = pd.DataFrame(np.array(self.X), columns=self.names).assign(loss=self.y)
        with quietly():
            from baybe.settings import Settings

            with Settings(random_seed=self.step_seed() % 2**31):
                recommender = BotorchRecommender(acquisition_function=acquisition)
                row = recommender.recommend(1, self.space, self.objective, told)
        return row[self.names].to_numpy(dtype=float)[0]


class Optuna(Recorded):
    """Optuna with its documented map to the simplex: ``w_i = x_i / sum x`` of ``x_i = -log u_i``, ``u_i`` in (0, 1).

    Options:
        sampler: ``tpe`` (multivariate) or ``gp``.
        exponential: The documented map; else ``w_i = u_i / sum u``.
    """

    def __init__(self, problem: Problem, *, seed: int, sampler: str = "tpe", exponential: bool = True) -> None:
        super().__init__(problem, seed)
        self.exponential = exponential
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.distributions = {
            f"u{column}": optuna.distributions.FloatDistribution(1e-9, 1.0 - 1e-9) for column in range(self.d)
        }
        with quietly():
            made = (
                optuna.samplers.TPESampler(seed=seed % 2**31, multivariate=True)
                if sampler == "tpe"
                else optuna.samplers.GPSampler(seed=seed % 2**31, deterministic_objective=False)
            )
        self.study = optuna.create_study(sampler=made)
        self.trial: Any = None

    def ask(self) -> Array:
        with quietly():
            self.trial = self.study.ask(self.distributions)
        u = np.array([self.trial.params[name] for name in self.distributions])
        x = -np.log(u) if self.exponential else u
        return x / x.sum()

    def tell(self, weights: Array, losses: Array) -> None:
        import optuna

        super().tell(weights, losses)
        with quietly():
            if self.trial is None:
                # The sum of d exponentials is free: its expectation.
                shares = np.asarray(weights)
                u = np.exp(-self.d * shares) if self.exponential else shares / shares.max()
                u = np.clip(u, 1e-9, 1.0 - 1e-9)
                params = dict(zip(self.distributions, u.tolist(), strict=True))
                self.study.add_trial(
                    optuna.trial.create_trial(params=params, distributions=self.distributions, value=self.y[-1])
                )
            else:
                self.study.tell(self.trial, self.y[-1])
        self.trial = None


class CMA(Recorded):
    """CMA-ES on the logits of a softmax, begun at the best mixture of the design.

    Options:
        sigma: First standard deviation of a logit.
    """

    def __init__(self, problem: Problem, *, seed: int, sigma: float = 1.0) -> None:
        super().__init__(problem, seed)
        self.sigma = sigma
        self.strategy: Any = None
        self.asked: list[Array] = []
        self.told: list[tuple[Array, float]] = []

    def ask(self) -> Array:
        import cma

        if self.strategy is None:
            best = self.X[int(np.argmin(self.y))]
            start = np.log(best + 1e-3)
            with quietly():
                self.strategy = cma.CMAEvolutionStrategy(
                    start - start.mean(), self.sigma, {"seed": self.seed % 2**31 + 1, "verbose": -9}
                )
        if not self.asked:
            self.asked = list(self.strategy.ask())
        return _softmax(self.asked[0])

    def tell(self, weights: Array, losses: Array) -> None:
        super().tell(weights, losses)
        if self.strategy is None:
            return
        self.told.append((self.asked.pop(0), self.y[-1]))
        if not self.asked:
            self.strategy.tell([logits for logits, _ in self.told], [value for _, value in self.told])
            self.told = []

    def recommend(self) -> Mapping[str, Array]:
        return {} if self.strategy is None else {OWN: _softmax(self.strategy.result.xfavorite)}


def _softmax(logits: Array) -> Array:
    powers = np.exp(logits - np.max(logits))
    return powers / powers.sum()


class RegMix(Recorded):
    """RegMix: random mixtures, a regression, the mean of the best 100 of a million simulated mixtures.

    Mixtures are drawn as RegMix draws them: Dirichlet about the token prior, here the uniform mixture as no tokens are
    given, times a strength that is log-uniform in 0.1-5.

    Options:
        model: ``lightgbm`` (RegMix's choice) or ``ridge``.
        simulated: Mixtures predicted.
    """

    def __init__(self, problem: Problem, *, seed: int, model: str = "lightgbm", simulated: int = 1_000_000) -> None:
        super().__init__(problem, seed)
        self.kind, self.simulated = model, simulated

    def ask(self) -> Array:
        return self._drawn(1, np.random.default_rng([self.seed, len(self.y)]))[0]

    def recommend(self) -> Mapping[str, Array]:
        model = self._fitted()
        rng = np.random.default_rng([self.seed, len(self.y), 1])
        best_X, best_y = np.empty((0, self.d)), np.empty(0)
        for _ in range(10):
            X = self._drawn(self.simulated // 10, rng)
            y = np.asarray(model.predict(X))
            best_X, best_y = np.concatenate([best_X, X]), np.concatenate([best_y, y])
            keep = np.argsort(best_y, kind="stable")[:100]
            best_X, best_y = best_X[keep], best_y[keep]
        return {OWN: best_X.mean(axis=0)}

    def _drawn(self, n: int, rng: np.random.Generator) -> Array:
        strength = np.exp(rng.uniform(np.log(0.1), np.log(5.0), (n, 1)))
        gammas = rng.standard_gamma(np.broadcast_to(strength, (n, self.d))) + 1e-300
        return gammas / gammas.sum(axis=1, keepdims=True)

    def _fitted(self) -> Any:
        X, y = np.array(self.X), np.array(self.y)
        if self.kind == "ridge":
            from sklearn.linear_model import RidgeCV

            return RidgeCV(np.logspace(-4, 2, 13)).fit(X, y)
        import lightgbm

        # RegMix's rate and rounds; its leaves of 20 runs would leave no tree at these budgets.
        leaf = int(np.clip(len(y) // 20, 2, 20))
        model = lightgbm.LGBMRegressor(
            n_estimators=1000, learning_rate=1e-2, min_child_samples=leaf, verbosity=-1, n_jobs=1, random_state=0
        )
        return model.fit(X, y)
