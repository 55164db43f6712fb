"""The worst excess over uniform where circumstances differ: what is recommended, beside the best trial.

    python benchmarks/worst_case.py [VARIANT ...] [--seeds 100-102] [--trials 40]

Seven domains, four metrics, the function, the noise and the design of the case ``7-worst`` of ``bomix benchmark``, one
circumstance changed: noise, trials, batches, imported runs, caps, or the objective. True objective of the
recommendation and of the truly best trial, both above the optimum where that is known (the excess without caps), and
their difference seed by seed. ``pareto`` has two groups of metrics, and is judged by its compromise; ``mean`` is there
for what an ask takes beside it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np

from bomix.benchmark.cases import CASES, Case
from bomix.cli.benchmark import parsed_seeds
from bomix.contracts.objective import Objective
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.evaluators.synthetic.worst import worst_optimum
from bomix.history import History
from bomix.numerics.determinism import deterministic
from bomix.objectives.pareto import Pareto
from bomix.objectives.reference import wants_reference, with_reference
from bomix.objectives.robust import Excess, Guardrail, SmoothMax, Worst
from bomix.objectives.weighted import Mean
from bomix.problem import Problem
from bomix.recommendation.decision import decide
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies.auto import Auto
from bomix.trial import IMPORTED, Record, Result, Trial


@dataclass(frozen=True)
class Variant:
    """What differs: noise of the mean of the metrics, trials, cap of every weight, batch, imported runs, objective."""

    noise: float = 0.01
    trials: int = 40
    cap: float = 1.0
    batch: int = 1
    imported: int = 0
    objective: Callable[[tuple[str, ...]], Objective] = lambda metrics: Excess()


VARIANTS = {
    "as in the suite": Variant(),
    "noise five times larger": Variant(noise=0.05),
    "16 trials": Variant(trials=16),
    "batches of eight": Variant(batch=8),
    "20 imported runs": Variant(imported=20),
    "caps of 0.3": Variant(cap=0.3),
    "mean": Variant(objective=lambda metrics: Mean()),
    "worst": Variant(objective=lambda metrics: Worst()),
    "smooth_max": Variant(objective=lambda metrics: SmoothMax()),
    "guardrail": Variant(objective=lambda metrics: Guardrail()),
    "pareto": Variant(objective=lambda metrics: Pareto({"first": metrics[:2], "second": metrics[2:]})),
}


def main(arguments: list[str]) -> None:
    """Print a row for each variant."""
    seeds = parsed_seeds(arguments.pop(arguments.index("--seeds") + 1) if "--seeds" in arguments else "100-102")
    trials = int(arguments.pop(arguments.index("--trials") + 1)) if "--trials" in arguments else None
    names = [name for name in arguments if name not in ("--seeds", "--trials")] or list(VARIANTS)
    print("| | recommended | best trial | difference | CPU-s an ask | runs of uniform |\n|---|---|---|---|---|---|")
    for name in names:
        variant = VARIANTS[name] if trials is None else replace(VARIANTS[name], trials=trials)
        found = np.array([run(variant, seed) for seed in seeds])
        values = np.column_stack([found[:, :2], found[:, 0] - found[:, 1]])
        error = values.std(axis=0, ddof=1) / np.sqrt(len(found)) if len(found) > 1 else np.zeros(3)
        parts = [f"{mean:.4f} ± {each:.4f}" for mean, each in zip(values.mean(axis=0), error, strict=True)]
        print(f"| {name} | {' | '.join(parts)} | {found[:, 3].mean():.2f} | {found[:, 2].mean():.1f} |", flush=True)


def run(variant: Variant, seed: int) -> tuple[float, float, int, float]:
    """True objective of the recommendation and of the best trial, runs of uniform, CPU-seconds of an ask.

    The first two are above the optimum where it is known.
    """
    case = CASES["7-worst"]
    case = replace(case, function=replace(case.function, noise=variant.noise), budget=variant.trials)
    function, problem = case.drawn(seed), _capped(case.problem(seed), variant.cap)
    problem = replace(problem, objective=variant.objective(problem.metric_names))
    strategy, space, study_seed = Auto(), problem.space, case.method_seed(seed)
    history, spent, asks = _begun(case, problem, variant, seed), 0.0, 0
    with deterministic():
        while len(history.records) < variant.trials:
            began = time.process_time()
            asked = strategy.ask(
                problem, history, min(variant.batch, variant.trials - len(history.records)), seed=study_seed
            )
            spent, asks = spent + time.process_time() - began, asks + len(asked)
            for candidate in asked:
                history = _run(case, problem, history, space.to_array(candidate.weights), candidate.origin, seed)
        best = decide(problem, history, strategy.predicting(problem), seed=study_seed).point
    tried = np.array([space.to_array(record.trial.weights) for record in history.records])
    known = variant.cap == 1.0 and isinstance(problem.objective, Excess)
    optimum = worst_optimum(replace(function, noise=0.0))[1] if known else 0.0
    uniform = int((np.abs(tried - 1.0 / space.dimension).max(axis=1) < 1e-6).sum())
    recommended, *values = _true(function, problem, np.array([best, *tried])) - optimum
    return float(recommended), float(min(values)), uniform, spent / asks


def _true(function: Synthetic, problem: Problem, weights: np.ndarray) -> np.ndarray:
    """The objective without noise, ``n``, of ``n x d`` mixtures; lower is better."""
    d, names = problem.space.dimension, problem.metric_names
    objective = problem.objective
    if wants_reference(problem):
        reference = function.losses(np.full(d, 1.0 / d)).tolist()
        objective = with_reference(objective, dict(zip(names, reference, strict=True)))
    return np.asarray(objective(function.losses(weights), names))


def _capped(problem: Problem, cap: float) -> Problem:
    domains = problem.space.domains
    return problem if cap == 1.0 else replace(problem, space=MixtureSpace(domains, upper=dict.fromkeys(domains, cap)))


def _begun(case: Case, problem: Problem, variant: Variant, seed: int) -> History:
    """The design of the case, or as many imported runs as the variant has, uniform among them."""
    history = History()
    design = case.design_points(seed)
    if variant.imported:
        design = np.concatenate([design[:1], np.random.default_rng(seed).dirichlet(np.ones(7), variant.imported - 1)])
    for point in problem.space.project(design[: max(2, variant.trials // 2)]):
        history = _run(case, problem, history, point, IMPORTED if variant.imported else "sobol", seed)
    return history


def _run(case: Case, problem: Problem, history: History, point: np.ndarray, origin: str, seed: int) -> History:
    number = history.next_id
    losses = case.observe(seed, number, point).tolist()
    trial = Trial(number, problem.space.to_weights(point), number, origin)
    return history.with_record(Record(trial, Result(dict(zip(problem.metric_names, losses, strict=True)))))


if __name__ == "__main__":
    main(sys.argv[1:])
