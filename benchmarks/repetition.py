"""Domains that run out: how far from the best mixture methods end, and how much better than true they predict it.

    python benchmarks/repetition.py run [--seeds 100-103] [--domains 12 39] [--pools scarce plenty] [--methods default]
    python benchmarks/repetition.py table

The function is the family ``epochs`` (four losses, a tenth of their variance is no law's; noise 0.01 in their mean).
``scarce`` pools hold two runs, so that small domains are read many times; in ``plenty`` none is read once. Regret is the
true objective of the mixture that a method ends with above that of the best one, optimism what it predicts for that
mixture below what is true, both in nats per token. One-shot methods see a design of so many runs; ``*`` marks searches
that ask in batches of :data:`BATCH` and are asked what they recommend on the way. What FILE holds is not run again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from bomix.contracts.strategy import Strategy, StrategyTraits
from bomix.contracts.surrogate import Surrogate
from bomix.contracts.traits import traits
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.history import History
from bomix.numerics.determinism import deterministic
from bomix.posterior.belief import believe
from bomix.posterior.expected import on_arrays, predicted
from bomix.problem import Problem
from bomix.recommendation.decision import decide
from bomix.strategies.auto import Auto
from bomix.strategies.checks import surrogate_of
from bomix.strategies.designs import Dirichlet, Sobol
from bomix.strategies.i_optimal import IOptimal
from bomix.strategies.regression.kl import KLProposer
from bomix.strategies.regression.regmix import RegMix
from bomix.surrogates.laws.spec import LawRegression
from bomix.trial import Record, Result, Trial

RESULTS = Path(__file__).parent / "results" / "repetition.jsonl"
METRICS = 4
"""Losses of a run: validation sets are fewer than buckets."""
MISFIT = 0.1
"""Share of what mixtures change that no law in epochs has: the fitted law is never exactly the planted one."""
POOLS = {"scarce": 0.5, "plenty": 0.005}
"""Passes of the natural mixture over every domain."""
RUNS = (40, 80, 120)
"""Runs after which methods are compared."""
ON_THE_WAY = (27, *RUNS)
"""The same of searches: a third of 80 besides."""
BATCH = 8
"""Mixtures that a search asks for at a time."""
SIMULATED = 100_000
"""Mixtures that ``regmix`` simulates, a tenth of the published number, in a fifteenth of the time: on seed 0 regrets of
twelve buckets changed by less than a hundredth with all of them."""
STRENGTHS = (0.0, 0.01, 0.03, 0.1, 0.3)
"""Strengths of the KL penalty among which that of ``olmix`` was chosen on tuning seeds."""

Point = tuple[np.ndarray, float]
"""A mixture, ``d`` weights, and the objective that is predicted for it; NaN where nothing is."""


@dataclass(frozen=True)
class Method:
    """A way to end with a mixture.

    Attributes:
        strategy: What proposes or searches, given the runs after which it ends.
        design: What proposes the runs of a one-shot method; None of a search.
        asked: Whether it ends with what it asks for next; else with what a study recommends.
    """

    strategy: Callable[[int], Strategy]
    design: Strategy | None = None
    asked: bool = False


SWARM = Dirichlet(temperature=2.0)
"""Draws about the natural mixture as RegMix and olmix make them."""
METHODS: Mapping[str, Method] = {
    "default": Method(lambda n: Auto(n_init=n), Sobol()),
    "default*": Method(lambda n: Auto()),
    **{
        f"olmix {strength:g}": Method(
            lambda n, strength=strength: KLProposer(strength, surrogate=LawRegression(form="log_linear"), n_init=n),
            SWARM,
            asked=True,
        )
        for strength in STRENGTHS
    },
    "regmix": Method(lambda n: RegMix(n_init=n, target="metrics", simulated=SIMULATED), SWARM, asked=True),
}
"""Name to method."""


def function_of(domains: int, pools: str, seed: int) -> Synthetic:
    """The function of a seed."""
    return Synthetic(
        family="epochs",
        domains=domains,
        useless=domains - METRICS,
        seed=seed,
        named=False,
        misfit=MISFIT,
        natural_epochs=POOLS[pools],
    )


def asked(strategy: Strategy, function: Synthetic, problem: Problem, history: History, n: int, *, seed: int) -> History:
    """The record once it holds ``n`` runs, asked for in batches."""
    while len(history) < n:
        for candidate in strategy.ask(problem, history, min(BATCH, n - len(history)), seed=seed):
            number = len(history)
            losses = function.observe(problem.space.to_array(candidate.weights), entropy=[seed, number])
            result = Result(dict(zip(problem.metric_names, losses.tolist(), strict=True)))
            history = history.with_record(Record(Trial(number, candidate.weights, number, candidate.origin), result))
    return history


def ended(method: Method, strategy: Strategy, problem: Problem, history: History, seed: int) -> Point:
    """What a method ends with, and what it predicts for it."""
    surrogate: Surrogate | None = surrogate_of(strategy, problem)
    assert surrogate is not None
    with deterministic():
        if method.asked:
            (candidate,) = strategy.ask(problem, history, 1, seed=seed)
            point, belief = problem.space.to_array(candidate.weights), believe(problem, history, surrogate, seed=seed)
        else:
            decision = decide(problem, history, surrogate, seed=seed)
            point, belief = decision.point, decision.belief
        return point, float(on_arrays(predicted(belief))(point[None])[0]) * belief.aggregate.unit


def cells(name: str, domains: int, pools: str, seed: int, runs: Sequence[int]) -> Iterator[dict[str, object]]:
    """Run a method, a line for each number of runs."""
    function, method = function_of(domains, pools, seed), METHODS[name]
    problem = function.problem(budget=max(RUNS))
    history, spent = History(), 0.0
    for n in sorted(runs):
        strategy = method.strategy(n)
        started = time.process_time()
        history = asked(method.design or strategy, function, problem, history, n, seed=seed)
        searching = time.process_time()
        point, value = ended(method, strategy, problem, history, seed)
        spent += searching - started
        true = float(function.value(point))
        tried = problem.space.to_arrays(record.trial.weights for record in history.records)
        yield {
            "domains": domains,
            "pools": pools,
            "method": name,
            "seed": seed,
            "runs": n,
            "regret": true - function.optimum()[1],
            "optimism": true - value,
            "tried": float(function.regret(tried).min()),
            "cpu_s": round(spent + time.process_time() - searching, 2),
        }


def reference(domains: int, pools: str, seed: int) -> dict[str, float]:
    """Regrets of the natural and the uniform mixture, and the median of mixtures uniform on the space."""
    function = function_of(domains, pools, seed)
    problem = function.problem()
    points = problem.space.sample(2000, np.random.default_rng(seed))
    found = {name: float(function.regret(problem.space.to_array(at))) for name, at in problem.anchors().items()}
    return found | {"random": float(np.median(function.regret(points)))}


def lines(path: Path) -> list[dict[str, object]]:
    """What a file of results holds."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def key(row: Mapping[str, object]) -> tuple[object, ...]:
    """What tells a line from others."""
    return row["domains"], row["pools"], row["method"], row["seed"], row["runs"]


def run(options: argparse.Namespace) -> None:
    """Run what the file does not hold yet."""
    torch.set_num_threads(1)
    done = {key(row) for row in lines(options.out)}
    options.out.parent.mkdir(exist_ok=True)
    for seed in seeds(options.seeds):
        for domains in options.domains:
            for pools in options.pools:
                for name in options.methods:
                    usual = RUNS if METHODS[name].design is not None else ON_THE_WAY
                    wanted = [n for n in options.runs or usual if n <= options.most]
                    if all((domains, pools, name, seed, n) in done for n in wanted):
                        continue
                    for row in cells(name, domains, pools, seed, wanted):
                        if key(row) not in done:
                            with options.out.open("a") as file:
                                file.write(json.dumps(row) + "\n")


def table(options: argparse.Namespace) -> None:
    """Print means over seeds."""
    rows = [row for row in lines(options.out) if row["seed"] in set(seeds(options.seeds))]
    print("| buckets, pools | method | runs | regret | optimism | best tried | CPU-s | seeds |")
    print("|---|---|---|---|---|---|---|---|")
    for domains, pools in sorted({(row["domains"], row["pools"]) for row in rows}, key=str):
        here = [row for row in rows if (row["domains"], row["pools"]) == (domains, pools)]
        found = [reference(int(str(domains)), str(pools), int(str(seed))) for seed in {row["seed"] for row in here}]
        for name in ("natural", "uniform", "random"):
            print(f"| {domains}, {pools} | {name} | 0 | {np.mean([each[name] for each in found]):.4f} | | | | |")
        for name in dict.fromkeys(row["method"] for row in here):
            for n in sorted({int(str(row["runs"])) for row in here if row["method"] == name}):
                print(_line(f"{domains}, {pools}", str(name), n, here))


def _line(label: str, name: str, n: int, rows: Sequence[Mapping[str, object]]) -> str:
    """A row of the table."""
    own = [row for row in rows if (row["method"], row["runs"]) == (name, n)]
    column = {
        each: np.array([float(str(row[each])) for row in own]) for each in ("regret", "optimism", "tried", "cpu_s")
    }
    error = column["regret"].std(ddof=1) / np.sqrt(len(own)) if len(own) > 1 else 0.0
    return (
        f"| {label} | {name} | {n} | {column['regret'].mean():.4f} ± {error:.4f} | {column['optimism'].mean():+.4f} "
        f"| {column['tried'].mean():.4f} | {column['cpu_s'].mean():.0f} | {len(own)} |"
    )


def seeds(text: str) -> list[int]:
    """Seeds of ``first-last``, or one."""
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def main() -> None:
    """Run or print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("--seeds", default="100-103", help="first and last")
    parser.add_argument("--domains", type=int, nargs="+", default=[12, 39])
    parser.add_argument("--pools", nargs="+", default=list(POOLS), choices=list(POOLS))
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument(
        "--runs", type=int, nargs="+", default=None, help="numbers of runs, those of METHODS unless given"
    )
    parser.add_argument("--most", type=int, default=max(RUNS), help="leave larger numbers of runs out")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    (run if options.what == "run" else table)(options)


if __name__ == "__main__":
    main()
