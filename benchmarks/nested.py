"""Trees of domains: what an ask costs, and what closing nodes gains or loses at the same number of runs.

    python benchmarks/nested.py cost       CPU-seconds of an ask: 200 domains in 12 nodes, 12 metrics, 100 runs
    python benchmarks/nested.py regret     regret after 40 and 80 runs, nodes closed, opened half-way, and free
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

import bomix
from bomix.config.tree_spec import NodeSpec
from bomix.strategies.auto import Auto
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.kernels.composition_specs import Scaled, Sum
from bomix.surrogates.kernels.logarithmic_specs import Logarithmic
from bomix.surrogates.kernels.specs import Stationary

METRICS = 12


@dataclasses.dataclass(frozen=True)
class Problem:
    """Losses ``c + (sum_i t_i w_i + 0.02)^-0.2`` of a tree of domains.

    Attributes:
        tokens: Domain to its tokens, over two orders of magnitude.
        use: ``METRICS x d`` what each domain is worth to each metric.
    """

    tokens: Mapping[str, float]
    use: np.ndarray

    @classmethod
    def drawn(cls, *, leaves: int, groups: int, alike: float, seed: int) -> Problem:
        """A tree with as even nodes as there can be."""
        rng = np.random.default_rng(seed)
        names = sorted(f"g{leaf % groups:02d}/d{leaf // groups:02d}" for leaf in range(leaves))
        tokens = {name: 1e9 * 10.0 ** rng.uniform(0.0, 2.0) for name in names}
        nodes = [name.partition("/")[0] for name in names]
        of_node = {node: rng.normal(size=METRICS) for node in sorted({*nodes})}
        own = rng.normal(size=(METRICS, leaves))
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
            [f"m{number:02d}" for number in range(METRICS)],
            tree={node: NodeSpec(inside) for node in nodes},
            target=bomix.TargetSpec(tokens=0.1 * sum(self.tokens.values())),
            budget={"trials": trials},
            strategy=strategy,
            seed=seed,
        )

    def best(self, study: bomix.Study) -> float:
        """The least mean loss of the whole space, which is convex: exact."""
        import torch

        from bomix.optimization.minimize import minimise

        use = torch.as_tensor(self.use)
        function = lambda X: (2.0 + (X @ use.mT + 0.02) ** -0.2).mean(dim=-1)  # noqa: E731
        return float(minimise(function, study.problem.space, shape="convex", seed=0).value)


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


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["cost"])
    parser.add_argument("--leaves", type=int, default=200)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    {"cost": cost}[arguments.what](arguments)


if __name__ == "__main__":
    main()
