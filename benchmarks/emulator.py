"""Fit an emulator of RegMix's runs, and say how good it is.

    python benchmarks/emulator.py fit [--family NAME] [--data FOLDER]      # writes into bomix/evaluators/synthetic
    python benchmarks/emulator.py quality [--family NAME] [--data FOLDER]  # on the 256 test mixtures, kept from the fit

FOLDER holds RegMix's tables (github.com/sail-sg/regmix, folder ``data``, MIT licence); by default
``$BOMIX_DATA/regmix``, and ``../shared/data/regmix`` where that is not set. The 13 losses of 17 domains are learnt from
the 512 training runs at 1M parameters. The family ``regmix``: saturating curves of each weight by ridge regression, and
what they leave by an ensemble of small networks with smooth units, each from a bootstrap sample. The others are in
``emulator_fits.py``. None is a Gaussian process, and all are smooth and tame far from the runs, so that their means
have a proper optimum. That optimum is the best known, from 2,000 starts.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from emulator_fits import exponentials, interactions, trees
from scipy.stats import spearmanr

from bomix.evaluators.synthetic.emulator import RegmixEmulator, curves
from bomix.evaluators.synthetic.emulator_families import EMULATORS, REGMIX, file_of, load
from bomix.evaluators.synthetic.optimum import minimum
from bomix.space.polytope import project

MEMBERS, HIDDEN, STEPS = 8, 32, 1500
RIDGE, DECAY, RATE = 1.0, 1.0, 5e-3
STARTS, STRENGTHS = 2000, (0.05, 0.1, 0.3, 1.0, 3.0)


def read(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray, list[str], list[str]]:
    """Mixtures ``n x 17``, losses ``n x 13``, names sorted; joined by key, the rounded weights set right."""
    mixtures = pd.read_csv(folder / f"{split}_mixture_1m.csv").set_index("index").filter(like="train_the_pile_")
    losses = pd.read_csv(folder / f"{split}_pile_loss_1m.csv").set_index("index").filter(like="metric/")
    mixtures = mixtures.rename(columns=lambda name: name.removeprefix("train_the_pile_")).sort_index(axis=1)
    losses = losses.rename(columns=lambda name: name.removeprefix("metric/the_pile_").removesuffix("_val_loss"))
    losses = losses.sort_index(axis=1).loc[mixtures.index]
    weights = mixtures.to_numpy(dtype=float)
    return weights / weights.sum(axis=1, keepdims=True), losses.to_numpy(), [*mixtures.columns], [*losses.columns]


def networks(weights: np.ndarray, losses: np.ndarray) -> dict[str, np.ndarray]:
    """The coefficients of the family ``regmix``."""
    mean, sd, features = losses.mean(axis=0), losses.std(axis=0), curves(weights)
    targets = (losses - mean) / sd
    centre = features.mean(axis=0)
    gram = (features - centre).T @ (features - centre) + RIDGE * np.eye(len(centre))
    linear = np.linalg.solve(gram, (features - centre).T @ targets)
    left = targets - (features - centre) @ linear
    members = [network(features, left, seed=seed) for seed in range(MEMBERS)]
    inner, inner_bias, outer, outer_bias = (np.stack(parts) for parts in zip(*members, strict=True))
    return {
        "linear": linear * sd,
        "constant": mean + sd * (outer_bias.mean(axis=0) - centre @ linear),
        "inner": inner,
        "inner_bias": inner_bias,
        "outer": outer * sd,
    }


def network(features: np.ndarray, targets: np.ndarray, *, seed: int) -> list[np.ndarray]:
    """One network, from a bootstrap sample of the runs."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(len(features), (len(features),), generator=generator)
    X, Y = torch.as_tensor(features)[rows], torch.as_tensor(targets)[rows]
    starts = [
        torch.randn(X.shape[1], HIDDEN, generator=generator, dtype=torch.float64) / X.shape[1] ** 0.5,
        torch.zeros(HIDDEN, dtype=torch.float64),
        0.1 * torch.randn(HIDDEN, Y.shape[1], generator=generator, dtype=torch.float64) / HIDDEN**0.5,
        torch.zeros(Y.shape[1], dtype=torch.float64),
    ]
    layers = [start.requires_grad_() for start in starts]
    inner, inner_bias, outer, outer_bias = layers
    optimizer = torch.optim.AdamW(layers, lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        predicted = torch.tanh(X @ inner + inner_bias) @ outer + outer_bias
        loss = (predicted - Y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return [layer.detach().numpy() for layer in layers]


def best_known(emulator: RegmixEmulator) -> np.ndarray:
    """The best mixture that a heavy search finds, ``d`` weights."""
    from scipy.optimize import minimize

    def function(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return emulator(points).mean(axis=-1), emulator.gradient(points)

    rng, d = np.random.default_rng(0), len(emulator.domains)
    starts = np.concatenate([rng.dirichlet(np.full(d, strength), STARTS // 5) for strength in STRENGTHS])
    found = [
        minimize(
            lambda x: tuple(each[0] for each in function(x[None])),
            start,
            jac=True,
            bounds=[(0.0, 1.0)] * d,
            constraints={"type": "eq", "fun": lambda x: x.sum() - 1.0, "jac": lambda x: np.ones(d)},
            method="SLSQP",
            options={"maxiter": 300, "ftol": 1e-10},
        )
        for start in starts
    ]
    values = np.array([each.fun for each in found])
    best = project(found[int(values.argmin())].x, np.zeros(d), np.ones(d))
    weights, value = minimum(function, best, local=True)
    reached = int((values < value + 1e-6).sum())
    print(f"best known value {value:.6f}, reached from {reached} of {len(starts)} starts")
    print(f"uniform {emulator(np.full(d, 1.0 / d)).mean():.4f}")
    print({name: round(float(weight), 3) for name, weight in zip(emulator.domains, weights, strict=True)})
    return weights


FITS = {
    REGMIX: networks,
    "regmix_interactions": interactions,
    "regmix_exponentials": exponentials,
    "regmix_trees": trees,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("fit", "quality"))
    parser.add_argument("--family", choices=tuple(FITS), default=REGMIX)
    data = Path(os.environ.get("BOMIX_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=data / "regmix")
    arguments = parser.parse_args()
    if not (arguments.data / "train_mixture_1m.csv").exists():
        parser.error(f"{arguments.data} holds no tables of RegMix; get them from github.com/sail-sg/regmix")
    torch.set_num_threads(1)
    family, file = arguments.family, file_of(arguments.family)
    weights, losses, domains, metrics = read(arguments.data, "train")
    if arguments.what == "fit":
        coefficients = {name: array.astype(np.float32) for name, array in FITS[family](weights, losses).items()}
        arrays = {name: array.astype(float) for name, array in coefficients.items()}
        best = best_known(EMULATORS[family](tuple(domains), tuple(metrics), np.empty(0), **arrays))
        np.savez_compressed(file, domains=np.array(domains), metrics=np.array(metrics), best=best, **coefficients)
        load.cache_clear()
        print(f"{file}: {file.stat().st_size / 1024:.0f} kB")
    quality(arguments.data, family)


def quality(folder: Path, family: str) -> None:
    """Errors and rank correlations on the runs of the fit and on the test mixtures."""
    emulator = load(family)
    for split in ("train", "test"):
        weights, losses, _, _ = read(folder, split)
        predicted = emulator(weights)
        rmse = np.sqrt(((predicted - losses) ** 2).mean())
        mean_rmse = np.sqrt(((predicted - losses).mean(axis=1) ** 2).mean())
        ranks = [spearmanr(predicted[:, j], losses[:, j]).statistic for j in range(losses.shape[1])]
        rank = spearmanr(predicted.mean(axis=1), losses.mean(axis=1)).statistic
        print(
            f"{split}: RMSE {rmse:.4f} of a loss, {mean_rmse:.4f} of their mean (sd {losses.mean(axis=1).std():.3f}); "
            f"Spearman {100 * np.mean(ranks):.2f} of a loss, {100 * rank:.2f} of the mean; "
            f"lowest mean of the runs {losses.mean(axis=1).min():.4f}"
        )


if __name__ == "__main__":
    main()
