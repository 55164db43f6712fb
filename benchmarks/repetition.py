"""Domains that run out: how far from the best mixture methods end, and how much better than true they predict it.

    python benchmarks/repetition.py run [--seeds 100-103] [--domains 12 39] [--pools scarce plenty] [--methods default]
    python benchmarks/repetition.py table

The function is the family ``epochs`` (four losses, a tenth of their variance is no law's; noise 0.01 in their mean).
``scarce`` pools hold two runs, so that small domains are read many times; in ``plenty`` none is read once. Regret is
the true objective of the mixture that a method ends with above that of the best one, optimism what it predicts for that
mixture below what is true, both in nats per token. One-shot methods see a design of so many runs; ``*`` marks searches
that ask in batches of :data:`BATCH` and are asked what they recommend on the way. What FILE holds is not run again.

Of the default, ``covered`` are shares of true values within 90 % intervals: of the losses and of the objective at
:data:`HELD` mixtures that no run has, half about the natural mixture and half spread over the space, and of the losses
and of the objective at the mixture that it ends with; ``r2`` is the share of the variance of the losses at the former
that predictions explain. None that recommends by another model has them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from bomix.acquisition.improvement import LogEI
from bomix.contracts.strategy import Strategy
from bomix.contracts.surrogate import Surrogate
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.history import History
from bomix.numerics.determinism import deterministic
from bomix.posterior.belief import believe
from bomix.posterior.expected import on_arrays, predicted
from bomix.posterior.seeds import RegressionSeeds
from bomix.problem import Problem
from bomix.recommendation.decision import decide
from bomix.strategies.at_target import IN_EPOCHS
from bomix.strategies.auto import Auto
from bomix.strategies.checks import surrogate_of
from bomix.strategies.designs import Dirichlet, Sobol
from bomix.strategies.i_optimal import IOptimal
from bomix.strategies.regression.kl import KLProposer
from bomix.strategies.regression.law import Law
from bomix.strategies.regression.regmix import RegMix
from bomix.surrogates.laws.spec import LawRegression
from bomix.surrogates.models.joint import JointModel
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
HELD = 400
"""Mixtures at which the true values are compared with intervals."""
NINETY = 1.645
"""Standard deviations on either side within which 90 % of a normal variable lie."""
SIMULATED = 100_000
"""Mixtures that ``regmix`` simulates: a tenth of the published number, which keeps a cell at ten seconds."""
STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0)
"""Strengths of the KL penalty among which that of ``olmix`` was chosen on tuning seeds."""


class End(NamedTuple):
    """What a method ends with.

    Attributes:
        point: A mixture, ``d`` weights.
        value: The objective that is predicted for it.
        model: What predicts losses with intervals; None where a formula or a regression alone predicts the objective.
    """

    point: np.ndarray
    value: float
    model: JointModel | None = None


@dataclass(frozen=True)
class Method:
    """A way to end with a mixture.

    Attributes:
        strategy: What proposes or searches, given the runs after which it ends.
        design: What proposes the runs of a one-shot method; None of a search.
        asked: Whether it ends with what it asks for next; else with what a study recommends.
        blind: Whether it is not told how often a run reads each domain.
        certain: Whether what it recommends takes the parameters of its law for certain, as what it asks does.
    """

    strategy: Callable[[int], Strategy]
    design: Strategy | None = None
    asked: bool = False
    blind: bool = False
    certain: bool = False


SWARMS: Mapping[str, Dirichlet] = {
    "sparse": Dirichlet(temperature=2.0),
    "dense": Dirichlet(temperature=2.0, concentration=(5.0, 50.0)),
}
"""Draws about the natural mixture, as RegMix publishes them, and ten times as dense, where a linear law is at home."""
DESIGNS: Mapping[str, Strategy] = {
    **SWARMS,
    "sobol": Sobol(),
    "sobol and deletions": Sobol(replicates=3, deletions=True),
    "exchanged": IOptimal(features="epochs", trials=40),
    "exchanged and deletions": IOptimal(features="epochs", trials=80, replicates=3, deletions=True),
    "exchanged logs": IOptimal(features="log", trials=40),
}
"""Name to what proposes the runs of a one-shot method."""
METHODS: Mapping[str, Method] = {
    "default": Method(lambda n: Auto(n_init=n), Sobol()),
    "default*": Method(lambda n: Auto()),
    "default, law for certain": Method(lambda n: Auto(n_init=n), Sobol(), certain=True),
    "default*, law for certain": Method(lambda n: Auto(), certain=True),
    "default, passes unknown": Method(lambda n: Auto(n_init=n), Sobol(), blind=True),
    "default*, passes unknown": Method(lambda n: Auto(), blind=True),
    **{
        f"law, {name}": Method(lambda n: Law(form="epochs", n_init=n), each, asked=True)
        for name, each in DESIGNS.items()
    },
    "law*": Method(lambda n: Law(form="epochs")),
    "log-EI*": Method(lambda n: Auto(acquisition=LogEI())),
    **{f"default, {name}": Method(lambda n: Auto(n_init=n), each) for name, each in DESIGNS.items()},
    **{
        f"olmix {strength:g} {prior}, {name}": Method(
            lambda n, strength=strength, prior=prior: KLProposer(strength, prior, LawRegression(form="log_linear"), n),
            design,
            asked=True,
        )
        for strength in STRENGTHS
        for prior in ("natural", "uniform")
        for name, design in SWARMS.items()
    },
    **{
        f"regmix, {name}": Method(
            lambda n, swarm=swarm: RegMix(
                n_init=n, simulated=SIMULATED, concentration=swarm.concentration, temperature=swarm.temperature
            ),
            swarm,
            asked=True,
        )
        for name, swarm in SWARMS.items()
    },
}
"""Name to method."""


REPORTED = (
    "default",
    "default*",
    "default, law for certain",
    "default, passes unknown",
    "olmix 3 uniform, dense",
    "regmix, dense",
    "law, exchanged",
)
"""What the table of the README shows, ``olmix`` and ``regmix`` at their best on tuning seeds."""


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


def mixtures(problem: Problem, n: int, *, seed: int) -> np.ndarray:
    """``n x d``: half about the natural mixture, half spread over the space."""
    about = [
        each.weights for each in replace(SWARMS["sparse"], anchors=False).ask(problem, History(), n // 2, seed=seed)
    ]
    return np.vstack([problem.space.to_arrays(about), problem.space.sobol(n - n // 2, seed=seed)])


def ended(method: Method, strategy: Strategy, problem: Problem, history: History, seed: int) -> End:
    """What a method ends with, and what it predicts for it."""
    surrogate: Surrogate | None = IN_EPOCHS if method.certain else surrogate_of(strategy, problem)
    assert surrogate is not None
    with deterministic():
        if isinstance(
            strategy, Law | KLProposer | RegMix
        ):  # what they ask for, without fitting twice to know what they predict
            found = strategy._minimise(problem, history, seed, RegressionSeeds.of(seed, history.n_asked).search)
            value = float(found.values(found.point[None])[0])
            return End(found.point, value - _penalty(strategy, problem, found.point))
        if method.asked:
            (candidate,) = strategy.ask(problem, history, 1, seed=seed)
            point, belief = problem.space.to_array(candidate.weights), believe(problem, history, surrogate, seed=seed)
        else:
            decision = decide(problem, history, surrogate, seed=seed)
            point, belief = decision.point, decision.belief
        value = float(on_arrays(predicted(belief))(point[None])[0]) * belief.aggregate.unit
        return End(point, value, belief.model if isinstance(belief.model, JointModel) else None)


def covered(function: Synthetic, problem: Problem, end: End, seed: int) -> dict[str, object]:
    """Shares of true values within 90 % intervals, and R2, see the head of the module; nothing without a model."""
    if end.model is None:
        return {}
    points = np.vstack([mixtures(problem, HELD, seed=2 * seed + 1), end.point])
    true = function.losses(points)
    with torch.no_grad():
        mean, covariance = end.model.moments(torch.as_tensor(points).unsqueeze(-2))
    error = true - mean.squeeze(-2).numpy()
    losses = np.abs(error) < NINETY * covariance.diagonal(dim1=-2, dim2=-1).sqrt().numpy()
    objective = np.abs(error.mean(axis=1)) < NINETY * covariance.mean(dim=(-2, -1)).sqrt().numpy()
    return {
        "covered": round(float(losses[:-1].mean()), 4),
        "covered_objective": round(float(objective[:-1].mean()), 4),
        "covered_end": round(float(losses[-1].mean()), 4),
        "covered_end_objective": float(objective[-1]),
        "r2": round(float((1.0 - np.square(error[:-1]).mean(axis=0) / true[:-1].var(axis=0)).mean()), 4),
    }


def _penalty(strategy: Strategy, problem: Problem, point: np.ndarray) -> float:
    """What the KL penalty adds to a prediction at ``d`` weights."""
    if not isinstance(strategy, KLProposer):
        return 0.0
    prior = strategy.shares(problem)
    used = point > 0.0
    return strategy.strength * float((point[used] * np.log(point[used] / prior[used])).sum())


def cells(
    name: str, domains: int, pools: str, seed: int, runs: Sequence[int], least: float | None
) -> Iterator[dict[str, object]]:
    """Run a method, a line for each number of runs; ``least`` is the best objective there is, where it is known."""
    function, method = function_of(domains, pools, seed), METHODS[name]
    problem, least = function.problem(budget=max(RUNS)), function.optimum()[1] if least is None else least
    problem = replace(problem, passes={}) if method.blind else problem
    history, spent = History(), 0.0
    for n in sorted(runs):
        strategy = method.strategy(n)
        started = time.process_time()
        history = asked(method.design or strategy, function, problem, history, n, seed=seed)
        searching = time.process_time()
        end = ended(method, strategy, problem, history, seed)
        spent, ending = spent + searching - started, time.process_time() - searching
        true = float(function.value(end.point))
        tried = problem.space.to_arrays(record.trial.weights for record in history.records)
        yield {
            "domains": domains,
            "pools": pools,
            "method": name,
            "seed": seed,
            "runs": n,
            "regret": true - least,
            "optimism": true - end.value,
            "tried": float(function.value(tried).min()) - least,
            "least": least,
            "cpu_s": round(spent + ending, 2),
            **covered(function, problem, end, seed),
        }


def reference(row: Mapping[str, object]) -> dict[str, float]:
    """Regrets of the natural and the uniform mixture, and the median of mixtures uniform on the space of a line."""
    seed, least = int(str(row["seed"])), float(str(row["least"]))
    function = function_of(int(str(row["domains"])), str(row["pools"]), seed)
    problem = function.problem()
    points = problem.space.sample(2000, np.random.default_rng(seed))
    found = {name: float(function.value(problem.space.to_array(at))) for name, at in problem.anchors().items()}
    found["random"] = float(np.median(function.value(points)))
    return {name: value - least for name, value in found.items()}


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
    least = {(row["domains"], row["pools"], row["seed"]): float(str(row["least"])) for row in lines(options.out)}
    options.out.parent.mkdir(exist_ok=True)
    for seed in seeds(options.seeds):
        for domains in options.domains:
            for pools in options.pools:
                for name in options.methods:
                    usual = RUNS if METHODS[name].design is not None else ON_THE_WAY
                    wanted = [n for n in options.runs or usual if n <= options.most]
                    if all((domains, pools, name, seed, n) in done for n in wanted):
                        continue
                    known = least.get((domains, pools, seed))
                    for row in cells(name, domains, pools, seed, wanted, known):
                        least[domains, pools, seed] = float(str(row["least"]))
                        if key(row) not in done:
                            with options.out.open("a") as file:
                                file.write(json.dumps(row) + "\n")


def table(options: argparse.Namespace) -> None:
    """Print means over seeds."""
    rows = [row for row in lines(options.out) if row["seed"] in set(seeds(options.seeds))]
    print(
        "| buckets, pools | method | runs | regret | optimism | covered: losses, objective; there | R2 "
        "| best tried | CPU-s | seeds |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for domains, pools in sorted({(row["domains"], row["pools"]) for row in rows}, key=str):
        here = [row for row in rows if (row["domains"], row["pools"]) == (domains, pools)]
        found = [reference(row) for row in {row["seed"]: row for row in here}.values()]
        for name in ("natural", "uniform", "random"):
            print(f"| {domains}, {pools} | {name} | 0 | {np.mean([each[name] for each in found]):.4f} | | | | | | |")
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
        f"| {_covered(own)} | {column['tried'].mean():.4f} | {column['cpu_s'].mean():.0f} | {len(own)} |"
    )


def _covered(rows: Sequence[Mapping[str, object]]) -> str:
    """Two columns of the table: what intervals cover, and R2; empty where a line has none."""
    names = ("covered", "covered_objective", "covered_end", "covered_end_objective", "r2")
    if any(name not in row for row in rows for name in names):
        return "|"
    losses, objective, there, value, r2 = (np.mean([float(str(row[name])) for row in rows]) for name in names)
    return f"{losses:.2f}, {objective:.2f}; {there:.2f}, {value:.2f} | {r2:.2f}"


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
    parser.add_argument("--methods", nargs="+", default=list(REPORTED), choices=list(METHODS))
    parser.add_argument(
        "--runs", type=int, nargs="+", default=None, help="numbers of runs, those of METHODS unless given"
    )
    parser.add_argument("--most", type=int, default=max(RUNS), help="leave larger numbers of runs out")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    (run if options.what == "run" else table)(options)


if __name__ == "__main__":
    main()
