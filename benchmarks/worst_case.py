"""The worst excess over uniform where circumstances differ: what is recommended, beside the best trial.

    python benchmarks/worst_case.py [VARIANT ...] [--seeds 100-102]

Seven domains, four metrics, the function, the noise and the design of the case ``7-worst`` of ``bomix benchmark``, one
circumstance changed. True excess of the recommendation and of the truly best trial, both above the optimum where it is
known (without caps).
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np

from bomix.benchmark.cases import CASES, Case
from bomix.cli.benchmark import parsed_seeds
from bomix.evaluators.synthetic.worst import worst_excess, worst_optimum
from bomix.history import History
from bomix.numerics.determinism import deterministic
from bomix.problem import Problem
from bomix.recommendation.decision import decide
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies.auto import Auto
from bomix.trial import IMPORTED, Record, Result, Trial


@dataclass(frozen=True)
class Variant:
    """What differs: noise of the mean of the metrics, trials, cap of every weight, batch size, imported runs."""

    noise: float = 0.01
    trials: int = 40
    cap: float = 1.0
    batch: int = 1
    imported: int = 0


VARIANTS = {
    "as in the suite": Variant(),
    "noise five times larger": Variant(noise=0.05),
    "16 trials": Variant(trials=16),
    "batches of eight": Variant(batch=8),
    "20 imported runs": Variant(imported=20),
    "caps of 0.3": Variant(cap=0.3),
}


def main(arguments: list[str]) -> None:
    """Print a row for each variant."""
    seeds = parsed_seeds(arguments.pop(arguments.index("--seeds") + 1) if "--seeds" in arguments else "100-102")
    names = [name for name in arguments if name != "--seeds"] or list(VARIANTS)
    print("| | recommended | best trial | runs of uniform |\n|---|---|---|---|")
    for name in names:
        found = np.array([run(VARIANTS[name], seed) for seed in seeds])
        error = found.std(axis=0, ddof=1) / np.sqrt(len(found)) if len(found) > 1 else np.zeros(3)
        parts = [f"{mean:.4f} ± {each:.4f}" for mean, each in zip(found.mean(axis=0)[:2], error, strict=False)]
        print(f"| {name} | {parts[0]} | {parts[1]} | {found[:, 2].mean():.1f} |", flush=True)


def run(variant: Variant, seed: int) -> tuple[float, float, int]:
    """Excess of the recommendation and of the best trial, above the optimum unless there are caps; runs of uniform."""
    case = CASES["7-worst"]
    case = replace(case, function=replace(case.function, noise=variant.noise), budget=variant.trials)
    function, problem = case.drawn(seed), _capped(case.problem(seed), variant.cap)
    strategy, space, study_seed = Auto(), problem.space, case.method_seed(seed)
    history = _begun(case, problem, variant, seed)
    with deterministic():
        while len(history.records) < variant.trials:
            asked = strategy.ask(
                problem, history, min(variant.batch, variant.trials - len(history.records)), seed=study_seed
            )
            for candidate in asked:
                history = _run(case, problem, history, space.to_array(candidate.weights), candidate.origin, seed)
        best = decide(problem, history, strategy.predicting(problem), seed=study_seed).point
    tried = np.array([space.to_array(record.trial.weights) for record in history.records])
    optimum = worst_optimum(replace(function, noise=0.0))[1] if variant.cap == 1.0 else 0.0
    uniform = int((np.abs(tried - 1.0 / space.dimension).max(axis=1) < 1e-6).sum())
    return float(worst_excess(function, best)) - optimum, float(worst_excess(function, tried).min()) - optimum, uniform


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
