r"""What it costs to find the best mixture of a target with smaller scales beside it, or without.

    python benchmarks/scales_spending.py run --out FILE [--problems 7-useless] [--scales 2 3] \
        [--agreement 0.8] [--seeds 100 101] [--methods M ...]
    python benchmarks/scales_spending.py table FILE ...
    python benchmarks/scales_spending.py oracle [--agreement 0.8 0.95] [--seeds 0 1 2]

Each cell is a function (7 domains and 5 metrics, 20 and 12, or the 17 and 13 of RegMix; noise of 0.01 nats at every
scale), costs 1 : 10, or 1 : 10 : 100, and a method. What a method recommends is judged at the target, by its true
value; the answer is the cost, in runs of the target, after which it is and stays within 0.01 nats of the best mixture
for two recommendations in a row.

* cost_aware: bomix over mixtures and scales, the kind ``cost_aware``; ``cost_aware:entropy`` and so on are its rules,
  ``cost_aware:together`` lets the rule choose all mixtures of larger scales, ``cost_aware:closed`` goes by closed forms
  alone in whether smaller scales mislead, and ``cost_aware:trusting`` never asks.
* single: bomix at the target alone, the kind ``auto``.
* mes, kg: BoTorch's SingleTaskMultiFidelityGP on the objective, with qMultiFidelityMaxValueEntropy or
  qMultiFidelityKnowledgeGradient as their tutorials set them up, but for one candidate at a time, the exact costs, the
  simplex and a design that is the one of ``cost_aware``.

What the target's own model would have recommended on the way of ``cost_aware`` stands in the file beside it, and under
"own" in the table what it would have cost to find; it ends no search. So do the shares of the model across scales.

Seeds from 100 on are for reporting; choose by others. Files are appended to; a cell that is there is not run again.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np

SCALES = {
    2: (("small", 10**6, 1.0), ("large", 10**7, 10.0)),
    3: (("small", 10**6, 1.0), ("medium", 10**7, 10.0), ("large", 10**8, 100.0)),
}
"""Number of scales to their names, parameters and costs."""
PROBLEMS: dict[str, dict[str, Any]] = {
    "7-useless": {"domains": 7, "useless": 2},
    "20-useless": {"domains": 20, "useless": 8},
    "17-regmix": {"family": "regmix"},
}
"""Name of a problem to the fields of its function."""
VARIANTS: dict[str, dict[str, Any]] = {
    "together": {"spaced": False},
    "trusting": {"alone": False},
    "closed": {"guard": "closed"},
}
"""What stands behind the colon of a method to fields of the strategy, where it is no rule."""
WITHIN = 0.01
"""Regret, in nats, at which the best mixture counts as found."""
MOST = 45.0
"""Runs of the target that a search may cost, unless the command says otherwise."""
EVERY = 0.25
"""Runs of the target between two recommendations of a method that runs small ones."""


@dataclass(frozen=True)
class Cell:
    """A function, a number of scales, a method."""

    problem: str
    method: str
    scales: int
    agreement: float
    seed: int

    def function(self) -> Any:
        """The function of the cell."""
        from bomix.evaluators.synthetic.spec import Synthetic

        known = tuple(each.scale for each in self.study_scales())
        function = Synthetic(**PROBLEMS[self.problem])
        return replace(function, seed=self.seed, agreement=self.agreement, scales=known)

    def study_scales(self) -> tuple[Any, ...]:
        """The scales as a study has them."""
        from bomix.problem import StudyScale
        from bomix.scale import Scale

        rows = SCALES[self.scales]
        return tuple(StudyScale(name, Scale(params, 20 * params), cost) for name, params, cost in rows)

    @property
    def key(self) -> list[Any]:
        """What a line of a file is known by; bomix alone does not look at smaller scales."""
        return [self.problem, self.method, self.scales, self.agreement, self.seed]


class Spent:
    """Runs of a cell and what they cost, in runs of the target.

    Args:
        cell: The cell.
    """

    def __init__(self, cell: Cell) -> None:
        self.function, self.scales = cell.function(), cell.study_scales()
        self.target = self.scales[-1]
        self.cost, self.runs = 0.0, dict.fromkeys((each.name for each in self.scales), 0)
        self.path: list[tuple[float, float]] = []
        self.own: list[tuple[float, float]] = []
        self.shares: list[tuple[float, float]] = []
        self.asked_s: list[float] = []

    def observe(self, weights: Mapping[str, float], scale: Any, number: int, seed: int, origin: str = "run") -> Any:
        """Train one run; strategies may look at its origin again."""
        from bomix.trial import Record, Trial

        named = next(each for each in self.scales if each.scale == scale)
        trial = Trial(number, weights, seed, origin, scale)
        self.cost += named.cost / self.target.cost
        self.runs[named.name] += 1
        return Record(trial, self.function.evaluate(trial, Path()))

    def judge(self, weights: Any) -> bool:
        """Note how good ``d`` weights are; whether the best mixture is found."""
        self.path.append(self.priced(weights))
        return len(self.path) > 1 and all(regret <= WITHIN for _, regret in self.path[-2:])

    def priced(self, weights: Any) -> tuple[float, float]:
        """What was spent so far, and the regret of ``d`` weights."""
        return round(self.cost, 3), float(self.function.regret(weights))

    def due(self, scale: Any) -> bool:
        """Whether it is time for a recommendation."""
        last = self.path[-1][0] if self.path else -1.0
        return scale == self.target.scale or self.cost - last >= EVERY

    def found(self) -> float | None:
        """Cost at which the first of two recommendations in a row was good enough."""
        return found(self.path)


def found(path: Sequence[Sequence[float]]) -> float | None:
    """The same of pairs of a cost and a regret."""
    return next((first[0] for first, second in pairwise(path) if max(first[1], second[1]) <= WITHIN), None)


def by_bomix(cell: Cell, until: float, most: float) -> Spent:
    """A search by bomix, ended at a time if need be."""
    from bomix.history import History
    from bomix.strategies.auto import Auto
    from bomix.strategies.bayesian.cost_aware import CostAware

    spent, rule = Spent(cell), cell.method.partition(":")[2]
    alone = cell.method == "single"
    fields: dict[str, Any] = VARIANTS.get(rule, {"rule": rule} if rule else {})
    strategy: Any = Auto() if alone else CostAware(**fields)
    problem = replace(spent.function.problem(), scale=spent.target.scale, scales=() if alone else spent.scales)
    history = History(scale=spent.target.scale, scales=() if alone else tuple(e.scale for e in spent.scales))
    while spent.cost < most and time.time() < until:
        started = time.process_time()
        (candidate,) = strategy.ask(problem, history, 1, seed=cell.seed)
        spent.asked_s.append(time.process_time() - started)
        scale = candidate.scale or spent.target.scale
        run = candidate.weights, scale, history.next_id, cell.seed, candidate.origin
        history = history.with_record(spent.observe(*run))
        if candidate.origin in {"sobol", "uniform"} or not spent.due(scale):
            continue
        if not alone and spent.runs[spent.target.name] > 1 and scale == spent.target.scale:
            of_target = replace(problem, scales=()), history.of_scale(scale)
            spent.own.append(spent.priced(_recommended(*of_target, cell.seed)[0]))
        weights, share = _recommended(problem, history, cell.seed)
        spent.shares += [] if share is None else [(round(spent.cost, 3), share)]
        if spent.judge(weights):
            break
    return spent


def _recommended(problem: Any, history: Any, seed: int) -> tuple[Any, float | None]:
    """The mixture of the lowest posterior mean at the target, by the model that asks are made with.

    Beside it the share of what that believes which comes from all scales, where it was compared with the target's own.
    """
    from bomix.numerics.determinism import deterministic
    from bomix.optimization.multistart import Search, optimize
    from bomix.posterior.belief import believe
    from bomix.strategies.auto import Auto
    from bomix.surrogates.models.scales import MultiScaleModel

    with deterministic():
        surrogate = Auto().chosen(problem).surrogate
        belief = believe(problem, history, surrogate, seed=seed)
        search = Search(raw=64, starts=4, iterations=20, polished=1)
        best = optimize(belief.negated_mean, problem.space, seed=seed, near=belief.ranked(), search=search)
    return best, belief.model.share if isinstance(belief.model, MultiScaleModel) else None


def by_botorch(cell: Cell, until: float, most: float) -> Spent:
    """A search by BoTorch over K - 1 weights and the fidelity, which is the cost in runs of the target; likewise."""
    import torch
    from scales_botorch import botorch_best, botorch_next, whole

    from bomix.history import History
    from bomix.strategies.bayesian.cost_aware import CostAware

    torch.manual_seed(cell.seed)
    spent = Spent(cell)
    names = spent.function.domain_names
    problem = replace(spent.function.problem(), scale=spent.target.scale, scales=spent.scales)
    history = History(scale=spent.target.scale, scales=tuple(e.scale for e in spent.scales))
    fidelities = {each.scale: each.cost / spent.target.cost for each in spent.scales}
    X, y = [], []

    def run(weights: Any, scale: Any) -> None:
        nonlocal history
        record = spent.observe(dict(zip(names, map(float, weights), strict=True)), scale, len(y), cell.seed)
        history = history.with_record(record)
        X.append([*weights[:-1], fidelities[scale]])
        y.append(-float(np.mean(list(record.result.losses.values()))))

    while True:
        (candidate,) = CostAware().ask(problem, history, 1, seed=cell.seed)
        if candidate.origin not in {"sobol", "uniform"}:
            break
        run(problem.space.to_array(candidate.weights), candidate.scale)
    by_fidelity = {value: scale for scale, value in fidelities.items()}
    while spent.cost < most and time.time() < until:
        started = time.process_time()
        point = botorch_next(cell.method, X, y, sorted(fidelities.values()))
        spent.asked_s.append(time.process_time() - started)
        scale = by_fidelity[min(by_fidelity, key=lambda each: abs(each - point[-1]))]
        run(whole(point[:-1]), scale)
        if spent.due(scale) and spent.judge(whole(botorch_best(X, y))):
            break
    return spent


def run(arguments: argparse.Namespace) -> None:
    """Run what is not in the file yet."""
    import torch

    torch.set_num_threads(1)
    file: Path = arguments.out
    there = [json.loads(line)["cell"] for line in file.read_text().splitlines()] if file.exists() else []
    began = time.time()
    for cell in _cells(arguments):
        if cell.key in there or time.time() - began > arguments.seconds:
            continue
        started = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            search = by_botorch if cell.method in {"mes", "kg"} else by_bomix
            spent = search(cell, began + arguments.seconds, arguments.most)
        line = {
            "cell": cell.key,
            "found": spent.found(),
            "spent": spent.cost,
            "runs": spent.runs,
            "path": spent.path,
            "own": spent.own,
            "shares": spent.shares,
            "ask_s": max(spent.asked_s),
            "cpu_s": time.process_time() - started,
        }
        with file.open("a") as stream:
            stream.write(json.dumps(line) + "\n")
        print(cell.key, line["found"], spent.runs, f"{line['cpu_s']:.0f} CPU-s", flush=True)


def _cells(arguments: argparse.Namespace) -> Iterator[Cell]:
    """The cells, seed by seed; the target alone is the same whatever there is beside it."""
    others = [each for each in arguments.methods if each != "single"]
    for problem, seed in product(arguments.problems, arguments.seeds):
        if "single" in arguments.methods:
            yield Cell(problem, "single", 2, 0.8, seed)
        for count, agreement, method in product(arguments.scales, arguments.agreement, others):
            yield Cell(problem, method, count, agreement, seed)


def table(arguments: argparse.Namespace) -> None:
    """Median cost of each method, and its ratio to bomix at the target alone, seed by seed."""
    lines = [json.loads(line) for file in arguments.files for line in file.read_text().splitlines()]
    cells = {tuple(line["cell"]): line for line in lines}
    alone = {(key[0], key[4]): line for key, line in cells.items() if key[1] == "single"}
    print("| problem | scales | agreement | method | seeds | found | median cost | to single, median | worst | own |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for group in sorted({key[:1] + key[2:4] + key[1:2] for key in cells}):
        own = {key[4]: line for key, line in cells.items() if key[:1] + key[2:4] + key[1:2] == group}
        costs = {seed: line["found"] or line["spent"] for seed, line in own.items()}
        there = [seed for seed in costs if (group[0], seed) in alone]
        ratios = [costs[seed] / _cost(alone[group[0], seed]) for seed in there]
        good = sum(line["found"] is not None for line in own.values())
        ratio, worst = (np.median(ratios), max(ratios)) if ratios else (math.nan, math.nan)
        by_own = ", ".join(f"{found(line['own']) or math.nan:g}" for line in own.values() if line.get("own"))
        row = f"{good} | {np.median([*costs.values()]):.1f} | {ratio:.2f} | {worst:.2f} | {by_own} |"
        print(f"| {group[0]} | {group[1]} | {group[2]:g} | {group[3]} | {len(own)} | {row}")


def _cost(line: Mapping[str, Any]) -> float:
    """What was spent until the best mixture was found, or in all."""
    return float(line["found"] or line["spent"])


def _asks(arguments: argparse.Namespace) -> None:
    """Print what an ask costs."""
    from scales_ask import run as run_asks

    run_asks(arguments)


def _oracle(arguments: argparse.Namespace) -> None:
    """Print what a search needs that knows the smaller scale."""
    from scales_oracle import run as run_oracle

    run_oracle(arguments, PROBLEMS)


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add what can be asked for; the function to call with the arguments is their ``call``."""
    parts = parser.add_subparsers(required=True)
    runs = parts.add_parser("run")
    runs.add_argument("--out", type=Path, required=True)
    runs.add_argument("--problems", nargs="+", choices=list(PROBLEMS), default=["7-useless"])
    runs.add_argument("--scales", type=int, nargs="+", default=[2, 3])
    runs.add_argument("--agreement", type=float, nargs="+", default=[0.3, 0.6, 0.8, 0.95])
    runs.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    runs.add_argument("--methods", nargs="+", default=["single", "cost_aware"])
    runs.add_argument("--seconds", type=float, default=math.inf, help="End a cell, and begin none, after so many.")
    runs.add_argument("--most", type=float, default=MOST, help="End a search that has cost as many runs of the target.")
    runs.set_defaults(call=run)
    oracle = parts.add_parser("oracle", help="What a search needs that knows the smaller scale, see scales_oracle.")
    oracle.add_argument("--problems", nargs="+", choices=list(PROBLEMS), default=["7-useless"])
    oracle.add_argument("--agreement", type=float, nargs="+", default=[0.8, 0.95])
    oracle.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    oracle.add_argument("--most", type=int, default=16, help="Runs of the target at which it gives up.")
    oracle.set_defaults(call=_oracle)
    asks = parts.add_parser("ask", help="What an ask over three scales costs, see scales_ask.")
    asks.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    asks.set_defaults(call=_asks)
    tables = parts.add_parser("table")
    tables.add_argument("files", type=Path, nargs="+")
    tables.set_defaults(call=table)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_commands(parser)
    arguments = parser.parse_args()
    arguments.call(arguments)


if __name__ == "__main__":
    main()
