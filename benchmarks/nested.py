"""Trees of domains: what an ask costs, and what closing nodes gains or loses at the same number of runs.

    python benchmarks/nested.py cost       CPU-seconds of an ask: 200 domains in 12 nodes, 12 metrics, 100 runs
    python benchmarks/nested.py price      what fixed shares cost at most, exactly
    python benchmarks/nested.py regret     regret after 20 and 40 runs, nodes closed, opened half-way, and free
    python benchmarks/nested.py kernels    log density of held-out runs, with and without lengthscales of parents

Losses are known functions: each metric falls with some domains, siblings being alike to the degree `--alike` (1: what
counts is the sum of a node; 0: domains of one node are as different as those of two). Seeds 100 on are for reporting.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Mapping

import numpy as np
import torch
from botorch.utils.datasets import SupervisedDataset

import bomix
from bomix.config.tree_spec import NodeSpec
from bomix.contracts.context import FitContext
from bomix.contracts.kernel import Kernel
from bomix.contracts.surrogate import Surrogate
from bomix.optimization.minimize import minimise
from bomix.strategies.auto import Auto
from bomix.surrogates.combined.auto import Auto as Stacked
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.kernels.composition_specs import Scaled, Sum
from bomix.surrogates.kernels.nested_specs import Nodes, Siblings
from bomix.surrogates.kernels.presets import MIXED_KERNELS
from bomix.surrogates.kernels.specs import Stationary

HELD, GROUPS, SEEDS = 128, 6, 5


@dataclasses.dataclass(frozen=True)
class Problem:
    """Losses ``c + (sum_i t_i w_i + 0.02)^-0.2`` of a tree of domains.

    Attributes:
        tokens: Domain to its tokens, over two orders of magnitude.
        use: ``m x d`` what each domain is worth to each metric.
    """

    tokens: Mapping[str, float]
    use: np.ndarray

    @classmethod
    def drawn(cls, *, leaves: int, groups: int, alike: float, seed: int, metrics: int = 12) -> Problem:
        """A tree with as even nodes as there can be."""
        rng = np.random.default_rng(seed)
        names = sorted(f"g{leaf % groups:02d}/d{leaf // groups:02d}" for leaf in range(leaves))
        tokens = {name: 1e9 * 10.0 ** rng.uniform(0.0, 2.0) for name in names}
        nodes = [name.partition("/")[0] for name in names]
        of_node = {node: rng.normal(size=metrics) for node in sorted({*nodes})}
        own = rng.normal(size=(metrics, leaves))
        shared = np.array([of_node[node] for node in nodes]).T
        return cls(tokens, np.exp(2.0 * (np.sqrt(alike) * shared + np.sqrt(1.0 - alike) * own) - 2.0))

    def losses(self, weights: Mapping[str, float]) -> dict[str, float]:
        """The losses of a mixture."""
        seen = self.use @ np.array([weights[name] for name in self.tokens])
        return {f"m{number:02d}": float(2.0 + (each + 0.02) ** -0.2) for number, each in enumerate(seen)}

    def study(self, *, inside: str, trials: int, strategy: Auto, seed: int) -> bomix.Study:
        """A study of it in memory."""
        nodes = sorted({name.partition("/")[0] for name in self.tokens})
        return bomix.Study(
            {name: bomix.DomainSpec(tokens=count) for name, count in self.tokens.items()},
            [f"m{number:02d}" for number in range(len(self.use))],
            tree={node: NodeSpec(inside) for node in nodes},
            target=bomix.TargetSpec(tokens=0.1 * sum(self.tokens.values())),
            budget={"trials": trials},
            strategy=strategy,
            seed=seed,
        )

    def best(self, study: bomix.Study) -> float:
        """The least mean loss of what a study searches, which is convex: exact."""
        searched = study.problem.searched.space
        spread = torch.as_tensor(self._spread(study))
        use = torch.as_tensor(self.use) @ spread.mT
        function = lambda X: (2.0 + (X @ use.mT + 0.02) ** -0.2).mean(dim=-1)  # noqa: E731
        return float(minimise(function, searched, shape="convex", seed=0).value)

    def _spread(self, study: bomix.Study) -> np.ndarray:
        """Weights of all domains, a row for each thing that is searched."""
        nested, names = study.problem.nested, study.problem.searched.space.domains
        if nested is None:
            return np.eye(len(names))
        return np.array([[nested.shares[node].get(name, 0.0) for name in self.tokens] for node in names])


def run(study: bomix.Study, problem: Problem, trials: int) -> float:
    """Ask and tell until there are so many trials; CPU-seconds of all asks."""
    spent = 0.0
    while len(study.history.completed) < trials:
        began = time.process_time()
        trial = study.ask()
        spent += time.process_time() - began
        study.tell(trial, problem.losses(trial.weights))
    return spent


def cost(arguments: argparse.Namespace) -> None:
    """A row for each way to treat the nodes."""
    problem = Problem.drawn(leaves=arguments.leaves, groups=12, alike=0.7, seed=arguments.seed)
    print("| inside | weights searched | runs | CPU-seconds of an ask |\n|---|---|---|---|")
    for inside in ("natural", "uniform", "free"):
        study = problem.study(inside=inside, trials=arguments.runs + 8, strategy=Auto(), seed=arguments.seed)
        space, whole = study.problem.searched.space, study.problem
        points = space.sobol(arguments.runs, seed=arguments.seed)
        mixtures = [space.to_weights(point) for point in points]
        spread = [each if whole.nested is None else whole.nested.spread(each) for each in mixtures]
        study.records.add_all([(each, problem.losses(each)) for each in spread])
        design, counted = 33, 3
        for _ in range(design):  # past the design, which costs nothing
            trial = study.ask()
            study.tell(trial, problem.losses(trial.weights))
            if trial.origin not in ("uniform", "natural", "sobol"):
                break
        each = run(study, problem, len(study.history.completed) + counted) / counted
        print(f"| {inside} | {space.dimension} | {len(study.history.completed)} | {each:.2f} |", flush=True)


KERNELS: Mapping[str, tuple[Kernel, ...]] = {
    "all domains alike (default)": MIXED_KERNELS,
    "siblings": tuple(map(Siblings, MIXED_KERNELS)),
    "sums of nodes": tuple(map(Nodes, MIXED_KERNELS)),
    "sums, and a little of each": (Sum((Nodes(MIXED_KERNELS[1]), Scaled(Siblings(Stationary()), variance=0.1))),),
}
"""Name to families of covariances."""


def kernels(arguments: argparse.Namespace) -> None:
    """A row for each likeness of siblings: log density of a run's metric that was not learnt from, by each kernel."""
    surrogates: dict[str, Surrogate] = {name: GP(families) for name, families in KERNELS.items()}
    chosen = tuple(surrogates[name] for name in KERNELS if name != "sums of nodes")
    surrogates["the other three, stacked"] = Stacked(of=chosen, folds=3)
    print("| siblings alike to | " + " | ".join(surrogates) + " |\n" + "|---" * (1 + len(surrogates)) + "|", flush=True)
    for alike in (1.0, 0.5, 0.0):
        problem = Problem.drawn(leaves=24, groups=GROUPS, alike=alike, seed=arguments.seed)
        study = problem.study(inside="free", trials=64, strategy=Auto(), seed=arguments.seed)
        space, n = study.problem.space, arguments.runs
        points = space.sobol(n + HELD, seed=arguments.seed)
        rows = [list(problem.losses(space.to_weights(point)).values()) for point in points]
        X, Y = torch.as_tensor(points), torch.as_tensor(np.array(rows))
        unit = Y[:n].std(dim=0)
        Y += arguments.noise * unit * torch.as_tensor(np.random.default_rng(arguments.seed).normal(size=Y.shape))
        context = FitContext(space, study.problem.metric_names)
        names = {"feature_names": list(space.domains), "outcome_names": list(context.metrics)}
        found = []
        for surrogate in surrogates.values():
            model = surrogate.fit(SupervisedDataset(X[:n], Y[:n], **names), context=context, seed=0)
            with torch.no_grad():
                there = model.posterior(X[n:].unsqueeze(-2), observation_noise=True)
            sd, miss = there.variance.squeeze(-2).sqrt() / unit, (Y[n:] - there.mean.squeeze(-2)) / unit
            density = -0.5 * (miss / sd).square() - sd.log() - 0.5 * np.log(2.0 * np.pi)
            found.append(float(density.mean()))
        print(f"| {alike:g} | " + " | ".join(f"{value:.2f}" for value in found) + " |", flush=True)


def price(arguments: argparse.Namespace) -> None:
    """A row for each likeness of siblings: what the best mixture with fixed shares loses on the best of all, exactly.

    Means over seeds from ``--seed`` on, beside what the natural mixture loses.
    """
    print(f"{arguments.leaves} domains in {GROUPS} nodes, means of {SEEDS} functions\n")
    print("| siblings alike to | natural inside | uniform inside | the natural mixture |\n|---|---|---|---|")
    for alike in (1.0, 0.7, 0.3, 0.0):
        lost = []
        for seed in range(arguments.seed, arguments.seed + SEEDS):
            problem = Problem.drawn(leaves=arguments.leaves, groups=GROUPS, alike=alike, seed=seed)
            studies = [
                problem.study(inside=inside, trials=20, strategy=Auto(), seed=0)
                for inside in ("free", "natural", "uniform")
            ]
            least, *others = (problem.best(each) for each in studies)
            plain = float(np.mean(list(problem.losses(studies[0].problem.anchors()["natural"]).values())))
            lost.append([each - least for each in (*others, plain)])
        print(f"| {alike:g} | " + " | ".join(f"{each:.4f}" for each in np.mean(lost, axis=0)) + " |", flush=True)


def regret(arguments: argparse.Namespace) -> None:
    """A row for each way to treat the nodes: what the best recommendation loses on the best mixture of all."""
    print(f"siblings alike to {arguments.alike:g}, {arguments.leaves} domains in {GROUPS} nodes\n")
    print(f"| inside | after {arguments.runs // 2} runs | after {arguments.runs} runs |\n|---|---|---|")
    problem = Problem.drawn(
        leaves=arguments.leaves, groups=GROUPS, alike=arguments.alike, seed=arguments.seed, metrics=arguments.metrics
    )
    made = {"trials": arguments.runs, "strategy": Auto(), "seed": arguments.seed}
    for name, ways in {"natural": ("natural", "natural"), "natural, then free": ("natural", "free"),
                       "free": ("free", "free")}.items():  # fmt: skip
        study = problem.study(inside=ways[0], **made)
        least, lost = problem.best(problem.study(inside="free", **made)), []
        for runs, inside in zip((arguments.runs // 2, arguments.runs), ways, strict=True):
            if inside != ways[0]:  # as in a folder whose study file was changed
                study.spec = dataclasses.replace(study.spec, tree=dict.fromkeys(study.spec.tree, NodeSpec(inside)))
                study.records.prepare()
            run(study, problem, runs)
            best = problem.losses(study.recommend().weights)
            lost.append(float(np.mean(list(best.values()))) - least)
        print(f"| {name} | " + " | ".join(f"{each:.4f}" for each in lost) + " |", flush=True)


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["cost", "price", "regret", "kernels"])
    parser.add_argument("--leaves", type=int)
    parser.add_argument("--runs", type=int)
    parser.add_argument("--noise", type=float, default=0.1, help="Standard deviation of a run, of a metric's.")
    parser.add_argument("--alike", type=float, default=0.7, help="How alike siblings are, 0 to 1.")
    parser.add_argument("--metrics", type=int, default=4, help="Of the functions whose regret is measured.")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.runs = arguments.runs or {"cost": 100, "price": 0, "kernels": 40, "regret": 40}[arguments.what]
    arguments.leaves = arguments.leaves or (200 if arguments.what == "cost" else 24)
    {"cost": cost, "price": price, "regret": regret, "kernels": kernels}[arguments.what](arguments)


if __name__ == "__main__":
    main()
