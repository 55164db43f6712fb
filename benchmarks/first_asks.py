"""The first asks after a small design: how good they are, and whether their predictions hold.

    python benchmarks/first_asks.py run [--seeds 100-109] [--cases NAME ...] [--choices NAME ...] [--out FILE]
    python benchmarks/first_asks.py table [--seeds 100-109] [--out FILE]

Functions of three to seven domains of several families, with noise 0.01. After a design of five to eight trials, which
begins with the uniform mixture, ``auto`` asks for ten more, as it is (``default``) or with the surrogate ``gp``, which
is how it asked before it expected losses to rise towards zero weight. Before each ask the run is predicted, noise
included: ``z`` is how far what it measured lies above that prediction, in standard deviations. ``m0`` instead of ``d0``
names the metrics of a case that ends in ``unnamed``.
Each line of FILE is a case, a seed and a choice; what is there already is not run again, so that the lines of an
earlier commit can stand beside those of today's under another name (``--label``). One thread.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from bomix.benchmark.cases import Case
from bomix.contracts.surrogate import Surrogate
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.history import History
from bomix.numerics.determinism import deterministic
from bomix.posterior.belief import believe
from bomix.posterior.seeds import AskSeeds
from bomix.problem import Metric, Problem
from bomix.recommendation.decision import decide
from bomix.strategies.auto import Auto
from bomix.strategies.bayesian.search import most_promising
from bomix.surrogates.gp.spec import GP
from bomix.trial import Record, Result, Trial

ASKS, FIRST = 10, 5
"""Asks of a run, and those whose regret is reported as that of the first."""
UNNAMED = "unnamed"


def _case(family: str, domains: int, design: int, useless: int = 0) -> Case:
    function = Synthetic(family=family, domains=domains, useless=useless)
    return Case(function, design + ASKS, design, (design, design + FIRST), anchors=True)


CASES = {
    "3-exponential-power": _case("exponential_power", 3, 5),
    "4-exponential-power": _case("exponential_power", 4, 5),
    f"4-exponential-power-{UNNAMED}": _case("exponential_power", 4, 5),
    "4-steep": _case("steep", 4, 5),
    "4-additive": _case("additive", 4, 5),
    "5-exponential": _case("exponential", 5, 7),
    "5-effective-power": _case("effective_power", 5, 7),
    "7-exponential-power-useless": _case("exponential_power", 7, 8, useless=3),
}
CHOICES: dict[str, Surrogate | None] = {"default": None, "gp": GP()}
"""Name to surrogate; None is that of the default."""


def problem_of(name: str, function: Synthetic, budget: int) -> Problem:
    """The problem of a case, its metrics perhaps renamed."""
    problem = function.problem(budget=budget)
    if not name.endswith(UNNAMED):
        return problem
    return replace(problem, metrics=tuple(Metric(each.name.replace("d", "m")) for each in problem.metrics))


def trace(name: str, surrogate: Surrogate | None, seed: int) -> dict[str, Any]:
    """One case with one seed: regrets and standardised errors of the asks, regret of the recommendations."""
    case = CASES[name]
    function = case.drawn(seed)
    problem = problem_of(name, function, case.budget)
    auto = Auto(surrogate=surrogate)
    predicting = auto.predicting(problem)
    method_seed, points = case.method_seed(seed), list(case.design_points(seed))
    records: tuple[Record, ...] = ()
    found: dict[str, list[float]] = {"regret": [], "z": [], "error": [], "sd": [], "recommended": []}
    began = time.process_time()
    for trial in range(case.budget + 1):
        history = History(records)
        if trial in case.recommending():
            decision = decide(problem, history, predicting, seed=method_seed)
            found["recommended"].append(float(function.regret(decision.point)))
        if trial == case.budget:
            break
        belief = None
        if trial >= case.design:
            acting: Any = auto.acting(problem, history)
            belief = believe(problem, history, acting.surrogate, seed=method_seed)
            seeds = AskSeeds.of(method_seed, history.n_asked)
            point, _ = most_promising(belief, acting.acquisition, acting.surrogate, seeds=seeds)
            points.append(point)
        losses = case.observe(seed, trial, points[trial])
        if belief is not None:
            with torch.no_grad():
                X = torch.as_tensor(points[trial])[None]
                mean, variance = belief.aggregate.spread(belief.model, X, noise=True)
            error, sd = float(losses.mean() - mean), float(variance.sqrt())
            values = {"regret": float(function.regret(points[trial])), "z": error / sd, "error": error, "sd": sd}
            for key, value in values.items():
                found[key].append(value)
        named = dict(zip(problem.metric_names, losses.tolist(), strict=True))
        weights = problem.space.to_weights(points[trial])
        records = (*records, Record(Trial(trial, weights, trial, "sobol"), Result(named)))
    points_asked = [np.round(point, 6).tolist() for point in points]
    return {**found, "points": points_asked, "cpu_s": time.process_time() - began}


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a file of results; none where there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def run(arguments: argparse.Namespace) -> None:
    """Run what the file does not have yet, line by line."""
    done = {(line["case"], line["seed"], line["choice"]) for line in read(arguments.out)}
    for seed in seeds_of(arguments.seeds):
        for name in arguments.cases or CASES:
            for choice in arguments.choices or ["default"]:
                label = arguments.label or choice
                if (name, seed, label) in done:
                    continue
                with deterministic():
                    line = {"case": name, "seed": seed, "choice": label, **trace(name, CHOICES[choice], seed)}
                with arguments.out.open("a") as file:
                    file.write(json.dumps(line) + "\n")


def seeds_of(text: str) -> range:
    """``100-109`` as numbers."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def row(lines: list[dict[str, Any]]) -> list[str]:
    """The figures of a table's row: means over runs, each with its standard error where it decides."""
    first = np.array([np.mean(line["regret"][:FIRST]) for line in lines])
    z = np.array([line["z"] for line in lines])
    error = first.std(ddof=1) / math.sqrt(len(first)) if len(first) > 1 else math.nan
    recommended = np.array([line["recommended"] for line in lines])
    after = [f"{value:.4f}" for value in recommended.mean(axis=0)]
    return [
        f"{first.mean():.3f} ± {error:.3f}",
        f"{np.max([line['regret'] for line in lines]):.2f}",
        f"{100 * (np.abs(z) <= 2).mean():.0f} %",
        f"{100 * (np.abs(z[:, :FIRST]) <= 2).mean():.0f} %",
        f"{z.mean():+.2f}",
        f"{np.median([line['sd'] for line in lines]):.3f}",
        *after,
        f"{np.mean([line['cpu_s'] for line in lines]):.1f}",
    ]


def table(arguments: argparse.Namespace) -> None:
    """A row for each case and choice, and one over all cases that all choices have run."""
    wanted = set(seeds_of(arguments.seeds))
    lines = [line for line in read(arguments.out) if line["seed"] in wanted and line["case"] in CASES]
    choices = list(dict.fromkeys(line["choice"] for line in lines))
    if arguments.choices:
        choices = [choice for choice in choices if choice in arguments.choices]
    ran = {choice: {(line["case"], line["seed"]) for line in lines if line["choice"] == choice} for choice in choices}
    common = set.intersection(*ran.values())
    head = "| case | choice | runs | first five asks | worst ask | z within 2 | of the first five | mean z "
    print(head + "| sd | after the design | + 5 | + 10 | CPU-s |")
    print("|---" * 13 + "|")
    for name in [*CASES, "all"]:
        for choice in choices:
            chosen = [line for line in lines if line["choice"] == choice and (line["case"], line["seed"]) in common]
            if name != "all":
                chosen = [line for line in chosen if line["case"] == name]
            if chosen:
                print(f"| {name} | {choice} | {len(chosen)} | " + " | ".join(row(chosen)) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("--seeds", default="100-109")
    parser.add_argument("--cases", nargs="*", choices=[*CASES])
    parser.add_argument("--choices", nargs="*")
    parser.add_argument("--label", help="name of the choice in FILE, where it is another")
    parser.add_argument("--out", type=Path, default=Path("first_asks.jsonl"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    run(arguments) if arguments.what == "run" else table(arguments)


if __name__ == "__main__":
    main()
