"""Fits of the further emulators of RegMix's runs, for ``benchmarks/emulator.py``: what is learnt from ``n`` runs.

Each takes weights ``n x d`` and losses ``n x m`` and returns the arrays of its class in
``bomix/evaluators/synthetic/emulator_families.py``.
"""

from __future__ import annotations

import numpy as np
import torch

from bomix.evaluators.synthetic.emulator import curves
from bomix.evaluators.synthetic.emulator_families import FLOOR, SHARP, leaf_shares, log_shares

# Penalties of ridge regressions on standardised losses, of which held-out parts of the runs choose one.
RIDGES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
FOLDS = 8
# Exponentials of each loss, their largest rate, bells and their width, steps and rates of the descent.
TERMS, FASTEST, CENTRES, WIDTH, STEPS, RATE, DECAY = 3, 1.0, 128, 0.35, 2000, 0.02, 1e-5
# Trees, what is left of each, random ones among which it is chosen, width of splits, runs that shrink a leaf by half.
TREES, LEARNING, TRIED, SPLIT_WIDTH, LEAST = 250, 0.15, 200, 0.5, 4.0


def ridge(features: np.ndarray, targets: np.ndarray, *, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients ``f x m`` and constants ``m`` of ridge regression on centred columns."""
    centre, mean = features.mean(axis=0), targets.mean(axis=0)
    gram = (features - centre).T @ (features - centre) + penalty * np.eye(len(centre))
    found = np.linalg.solve(gram, (features - centre).T @ (targets - mean))
    return found, mean - centre @ found


def best_ridge(features: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ridge regression with the penalty that predicts held-out eighths of the runs best."""
    fold = np.arange(len(features)) % FOLDS
    errors = []
    for penalty in RIDGES:
        left = []
        for each in range(FOLDS):
            slopes, constant = ridge(features[fold != each], targets[fold != each], penalty=penalty)
            left.append(features[fold == each] @ slopes + constant - targets[fold == each])
        errors.append((np.concatenate(left) ** 2).mean())
    print("held-out R2 by penalty", [f"{1.0 - error:.4f}" for error in errors])
    return ridge(features, targets, penalty=RIDGES[int(np.argmin(errors))])


def interactions(weights: np.ndarray, losses: np.ndarray) -> dict[str, np.ndarray]:
    """Logarithms of losses by curves of each weight and products of every two logarithms, one ridge regression."""
    targets = np.log(losses)
    mean, sd, d = targets.mean(axis=0), targets.std(axis=0), weights.shape[1]
    rows, columns = np.triu_indices(d, 1)
    logs, singles = log_shares(weights), curves(weights)
    found, constant = best_ridge(np.hstack([singles, logs[:, rows] * logs[:, columns]]), (targets - mean) / sd)
    products = np.zeros((d, d, losses.shape[1]))
    products[rows, columns] = products[columns, rows] = 0.5 * found[singles.shape[1] :] * sd
    return {"constant": mean + sd * constant, "linear": found[: singles.shape[1]] * sd, "products": products}


def exponentials(weights: np.ndarray, losses: np.ndarray) -> dict[str, np.ndarray]:
    """Exponential laws by gradient descent, rates below :data:`FASTEST`; bells on what they leave by ridge regression.

    Each term begins with a fall that is steeper than that of the one before it, for every domain alike.
    """
    generator = torch.Generator().manual_seed(0)
    mean, sd, (d, m) = losses.mean(axis=0), losses.std(axis=0), (weights.shape[1], losses.shape[1])
    X, Y = torch.as_tensor(weights), torch.as_tensor((losses - mean) / sd)
    start = torch.randn(TERMS, m, d, generator=generator, dtype=torch.float64)
    start = start + torch.tensor([3.0**k for k in range(TERMS)], dtype=torch.float64)[:, None, None]
    parts = [start, torch.full((TERMS, m), 1.0 / TERMS, dtype=torch.float64), torch.zeros(m, dtype=torch.float64)]
    raw, heights, constant = (part.requires_grad_() for part in parts)
    optimizer = torch.optim.Adam([{"params": [raw], "lr": 10 * RATE}, {"params": [heights, constant], "lr": RATE}])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        rates = FASTEST - torch.nn.functional.softplus(raw)
        terms = torch.einsum("nd,kmd->nkm", X, rates).exp() * heights
        loss = (constant + terms.sum(dim=1) - Y).square().mean() + DECAY * (
            rates.square().mean() + heights.square().mean()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    t, a, c = (part.detach().numpy() for part in (rates, heights, constant))
    left = Y.numpy() - c - (np.exp(np.einsum("nd,kmd->nkm", weights, t)) * a).sum(axis=1)
    print(f"R2 of the exponential laws on the runs: {1.0 - (left**2).mean():.4f}")
    roots = np.sqrt(weights + FLOOR)
    centres = roots[np.random.default_rng(0).permutation(len(roots))[:CENTRES]]
    squares = ((roots[:, None] - centres) ** 2).sum(axis=-1)
    bells, of_bells = best_ridge(np.exp(-0.5 * squares / WIDTH**2), left)
    found = {"rates": t, "heights": a * sd, "constant": mean + sd * (c + of_bells), "centres": centres}
    return found | {"width": np.array(WIDTH), "bells": bells * sd}


def trees(weights: np.ndarray, losses: np.ndarray) -> dict[str, np.ndarray]:
    """Boosting: each tree is the best of some random ones on what those before it leave, its leaves shrunk."""
    rng = np.random.default_rng(0)
    mean, sd, (n, d), m = losses.mean(axis=0), losses.std(axis=0), weights.shape, losses.shape[1]
    left, logs = (losses - mean) / sd, np.log(weights + SHARP)
    columns, thresholds, leaves = [], [], []
    for _ in range(TREES):
        here = rng.integers(0, d, (TRIED, 3))
        at = logs[rng.integers(0, n, (TRIED, 3)), here]
        shares = leaf_shares(weights, here, at, SPLIT_WIDTH).reshape(n, TRIED, 8).transpose(1, 0, 2)
        gram = shares.transpose(0, 2, 1) @ shares + LEAST * np.eye(8)
        values = np.linalg.solve(gram, shares.transpose(0, 2, 1) @ left)
        gains = (2.0 * left - shares @ values) * (shares @ values)
        best = int(gains.sum(axis=(1, 2)).argmax())
        left = left - LEARNING * shares[best] @ values[best]
        columns.append(here[best])
        thresholds.append(at[best])
        leaves.append(LEARNING * values[best].reshape(2, 2, 2, m) * sd)
    print(f"R2 of the trees on the runs: {1.0 - (left**2).mean():.4f}")
    arrays = {"columns": np.array(columns), "thresholds": np.array(thresholds), "leaves": np.array(leaves)}
    return {"constant": mean, "width": np.array(SPLIT_WIDTH), **arrays}
