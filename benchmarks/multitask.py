"""What the metrics tell about each other: ``multitask`` against ``gp`` where trials lack metrics, on RegMix's runs.

    python benchmarks/multitask.py [--data FOLDER] [--sizes 16,25,32,64] [--subsets 6]

FOLDER holds RegMix's tables (github.com/sail-sg/regmix, folder ``data``, MIT licence); by default
``$BOMIX_DATA/regmix``. Trains on random subsets of the 512 training runs and judges on 200 others; the published test
runs are not touched. Three tables: ``all`` metrics at every trial; ``half``, each trial lacks a random half of the 13;
``few``, Pile-CC and five random others are measured at the first eight trials only. Beside each mean stands the paired
difference from ``gp`` on the same subsets, and its standard error. One thread.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
from botorch.utils.datasets import SupervisedDataset
from regression import Runs, read
from scipy.stats import spearmanr

from bomix.contracts.context import FitContext
from bomix.contracts.surrogate import Surrogate
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.cross_validation.held_out import new_runs
from bomix.surrogates.cross_validation.scores import Z95
from bomix.surrogates.gp.multitask import MultiTask
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.models.joint import HeldOut

CHOICES: dict[str, Surrogate] = {
    "gp": GP(),
    "multitask (default)": MultiTask(),
    "multitask, hyperparameters apart": MultiTask(together=False),
    "multitask, shrinkage 8": MultiTask(shrinkage=8.0),
}
REGIMES = ("all", "half", "few")
JUDGED, FIRST, ABSENT = 200, 8, 6
SCORES = {
    "Spearman x 100, mean of losses": 1,
    "Spearman x 100, Pile-CC": 1,
    "log density per metric": 2,
    "log density, all metrics at once": 2,
    "coverage of 95 %, mean of losses": 1,
    "CPU-s": 1,
}


def partial(Y: torch.Tensor, regime: str, main: int, rng: np.random.Generator) -> torch.Tensor:
    """``n x m`` losses with the gaps of a regime; ``main`` is the column of Pile-CC."""
    Y, (n, m) = Y.clone(), Y.shape
    if regime == "half":
        for row in range(n):
            Y[row, rng.permutation(m)[: m // 2 + row % 2]] = math.nan
    if regime == "few":
        others = rng.permutation([metric for metric in range(m) if metric != main])[: ABSENT - 1]
        Y[FIRST:, [main, *others]] = math.nan
    return Y


def judge(spec: Surrogate, runs: Runs, n: int, regime: str, subset: int) -> list[float]:
    """The scores of one fit, in the order of :data:`SCORES`."""
    rng, main = np.random.default_rng(subset), runs.metrics.index("pile_cc")
    order = rng.permutation(len(runs.weights))
    train, test = order[:n], order[n : n + JUDGED]
    data = SupervisedDataset(
        runs.weights[train],
        partial(runs.losses[train], regime, main, rng),
        feature_names=list(runs.domains),
        outcome_names=list(runs.metrics),
    )
    started = time.process_time()
    model = spec.fit(data, context=FitContext(MixtureSpace(runs.domains), runs.metrics), seed=0)
    predicted = new_runs(model, runs.weights[test])
    return [*scores(predicted, runs.losses[test], runs.losses.std(dim=0), main), time.process_time() - started]


def scores(predicted: HeldOut, Y: torch.Tensor, unit: torch.Tensor, main: int) -> list[float]:
    """All of :data:`SCORES` but the time; densities are of losses in units of their spread over all runs."""
    mean, covariance, m = predicted.mean, predicted.covariance, Y.shape[-1]
    constant = -0.5 * math.log(2.0 * math.pi)
    sd = covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    alone = constant - 0.5 * ((Y - mean) / sd).square() - (sd / unit).log()
    factor = torch.linalg.cholesky(covariance / (unit * unit.unsqueeze(-1)) + 1e-9 * torch.eye(m).double())
    white = torch.linalg.solve_triangular(factor, ((Y - mean) / unit).unsqueeze(-1), upper=False).squeeze(-1)
    together = constant - (0.5 * white.square() + factor.diagonal(dim1=-2, dim2=-1).log()).mean(dim=-1)
    error, spread = (Y - mean).mean(dim=-1).abs(), covariance.mean(dim=(-2, -1)).sqrt()
    return [
        100.0 * spearmanr(Y.mean(dim=-1), mean.mean(dim=-1)).statistic,
        100.0 * spearmanr(Y[:, main], mean[:, main]).statistic,
        alone.mean().item(),
        together.mean().item(),
        100.0 * (error <= Z95 * spread).double().mean().item(),
    ]


def row(name: str, found: np.ndarray, reference: np.ndarray) -> str:
    """A line of the table from ``subsets x scores``, and the same of what it is compared with."""
    cells = []
    for column, digits in enumerate(SCORES.values()):
        apart = found[:, column] - reference[:, column]
        cell = f"{found[:, column].mean():.{digits}f}"
        if found is not reference and column < len(SCORES) - 1:
            cell += f" ({apart.mean():+.{digits}f} ± {apart.std(ddof=1) / math.sqrt(len(apart)):.{digits}f})"
        cells.append(cell)
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("BOMIX_DATA", ".")) / "regmix")
    parser.add_argument("--sizes", default="16,25,32,64")
    parser.add_argument("--regimes", default=",".join(REGIMES))
    parser.add_argument("--subsets", type=int, default=6)
    options = parser.parse_args()
    if not (options.data / "train_mixture_1m.csv").is_file():
        parser.exit(2, f"no tables in {options.data}; see --help for where to get them\n")
    torch.set_num_threads(1)
    runs = read(options.data, "train", "1m")
    for regime in options.regimes.split(","):
        for n in map(int, options.sizes.split(",")):
            print(f"\n| {regime}, N = {n} | {' | '.join(SCORES)} |\n|---|{'---|' * len(SCORES)}")
            reference = None
            for name, spec in CHOICES.items():
                found = np.array([judge(spec, runs, n, regime, subset) for subset in range(options.subsets)])
                reference = found if reference is None else reference
                print(row(name, found, reference), flush=True)


if __name__ == "__main__":
    main()
