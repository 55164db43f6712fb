"""Choices of the Gaussian process, compared on RegMix's published runs.

    python benchmarks/gp_choices.py [--data FOLDER] [--subsets 6]

FOLDER holds ``train_mixture_1m.csv`` and ``train_pile_loss_1m.csv`` (github.com/sail-sg/regmix, folder ``data``, MIT
licence); by default ``$BOMIX_DATA/regmix``. Trains on random subsets of the 512 training runs and judges on 200 others;
the published test runs are not touched. One thread.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from botorch.acquisition.objective import ScalarizedPosteriorTransform
from botorch.utils.datasets import SupervisedDataset
from scipy.stats import spearmanr

from bomix.contracts.context import FitContext
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.combined.stacking import log_density
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.kernels.composition_specs import Scaled, Sum
from bomix.surrogates.kernels.specs import EffectiveWeight, Linear, Stationary
from bomix.surrogates.means.law import LawMean

LOG, POWER, SQRT, RAW = (Scaled(Stationary(encoding=name)) for name in ("log", "power", "sqrt", "raw"))
EFFECTIVE = Scaled(EffectiveWeight())
CHOICES = {
    "default": GP(),
    "default, best hyperparameters": GP(draws=0),
    "log alone": GP(kernels=(LOG,)),
    "log alone, best": GP(kernels=(LOG,), draws=0),
    "power alone": GP(kernels=(POWER,)),
    "sqrt alone": GP(kernels=(SQRT,)),
    "raw alone": GP(kernels=(RAW,)),
    "log + effective weight alone": GP(kernels=(Sum((LOG, EFFECTIVE)),)),
    "sqrt and log, best": GP(kernels=(LOG, SQRT), draws=0),
    "default, linear added": GP(kernels=(LOG, Sum((LOG, EFFECTIVE, Scaled(Linear()))))),
    "log on a law": GP(kernels=(Scaled(Stationary(), variance=0.1),), mean=LawMean()),
    "default, metrics independent": GP(correlated=False),
}
SIZES = (25, 64)
JUDGED = 200


@dataclass(frozen=True)
class Runs:
    """The table: ``n x d`` weights in the order of ``context.domains``, ``n x m`` losses in nats per token."""

    weights: np.ndarray
    losses: np.ndarray
    context: FitContext


def read(folder: Path) -> Runs:
    """Join the two tables by their key and set the rounded weights right."""
    mixtures = pd.read_csv(folder / "train_mixture_1m.csv").set_index("index")
    losses = pd.read_csv(folder / "train_pile_loss_1m.csv").set_index("index")
    mixtures = mixtures.filter(like="train_the_pile_").rename(columns=lambda name: name.removeprefix("train_the_pile_"))
    joined = mixtures.join(losses.filter(like="metric/"), how="inner", validate="one_to_one")
    space = MixtureSpace(tuple(mixtures.columns))
    weights = joined[list(space.domains)].to_numpy()
    metrics = [name for name in joined.columns if name.startswith("metric/")]
    return Runs(
        weights / weights.sum(axis=1, keepdims=True), joined[metrics].to_numpy(), FitContext(space, tuple(metrics))
    )


def judge(spec: GP, runs: Runs, n: int, subset: int) -> list[float]:
    """Log densities, left out and judged, Spearman x 100 and coverage of the mean of all losses, CPU-seconds."""
    order = np.random.default_rng(subset).permutation(len(runs.weights))
    train, test = order[:n], order[n : n + JUDGED]
    X, Y = torch.from_numpy(runs.weights), torch.from_numpy(runs.losses)
    context = runs.context
    data = SupervisedDataset(
        X[train], Y[train], feature_names=list(context.domains), outcome_names=list(context.metrics)
    )
    started = time.process_time()
    model = spec.fit(data, context=context, seed=0)
    seconds = time.process_time() - started
    with torch.no_grad():
        posterior = model.posterior(X[test].unsqueeze(-2), observation_noise=True)
        mean, sd = posterior.mean.squeeze(-2), posterior.variance.squeeze(-2).sqrt()
        # Per standard deviation of the training losses, so that metrics of different spread count alike.
        left = model.leave_one_out()
        inside = log_density(left, Y[train]) + torch.log(Y[train].std(0))
        density = -0.5 * ((Y[test] - mean) / sd) ** 2 - torch.log(sd / Y[train].std(0)) - 0.5 * math.log(2 * math.pi)
        share = torch.full((Y.shape[1],), 1.0 / Y.shape[1], dtype=torch.float64)
        aggregate = ScalarizedPosteriorTransform(share)(posterior)
        error = (Y[test] @ share - aggregate.mean.flatten()).abs()
        covered = (error < 1.96 * aggregate.variance.flatten().sqrt()).double().mean().item()
    rank = spearmanr(Y[test] @ share, aggregate.mean.flatten()).statistic
    return [inside.mean().item(), density.mean().item(), 100 * rank, 100 * covered, seconds]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("BOMIX_DATA", ".")) / "regmix")
    parser.add_argument("--subsets", type=int, default=6)
    options = parser.parse_args()
    if not (options.data / "train_mixture_1m.csv").is_file():
        parser.exit(2, f"no tables in {options.data}; see --help for where to get them\n")
    torch.set_num_threads(1)
    runs = read(options.data)
    print("| choice | N | left-out density | log density | Spearman x 100, mean of losses | coverage of 95 % | CPU-s |")
    print("|---|---|---|---|---|---|---|")
    for name, spec in CHOICES.items():
        for n in SIZES:
            left, density, rank, covered, seconds = np.mean(
                [judge(spec, runs, n, k) for k in range(options.subsets)], axis=0
            )
            print(
                f"| {name} | {n} | {left:.2f} | {density:.2f} | {rank:.1f} | {covered:.1f} | {seconds:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
