"""What repetition does at equal shares, and equal epochs at other shares: the runs of the grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import plan

Row = Mapping[str, Any]
RESAMPLES = 2000
"""Of runs, for intervals of correlations: more moves no second digit."""


def mean(row: Row) -> float:
    """The objective: mean of the four losses, nats per token."""
    return float(np.mean(list(row["losses"].values())))


def of(rows: Sequence[Row], domain: str) -> list[Row]:
    """The runs of the grid in which this domain repeats."""
    return [row for row in rows if row["set"] == plan.GRID and row["name"].startswith(domain)]


def explained(runs: Sequence[Row], domain: str, value: Callable[[Row], float]) -> dict[str, float]:
    """Shares of the variance of a loss that squares of logarithms explain: of the share, the epochs, and the pool."""
    y = np.array([value(row) for row in runs])
    share, epochs = (np.log([row[key][domain] for row in runs]) for key in ("weights", "epochs"))
    both = [share, share**2, epochs, epochs**2, share * epochs]
    columns = {"share": both[:2], "epochs": both[2:4], "pool": [share - epochs, (share - epochs) ** 2], "both": both}
    return {name: _r_squared(y, features) for name, features in columns.items()}


def _r_squared(y: np.ndarray, features: Sequence[np.ndarray]) -> float:
    X = np.stack([np.ones_like(y), *features], axis=1)
    left = y - X @ np.linalg.lstsq(X, y, rcond=None)[0]
    return float(1 - left.var() / y.var())


def harms(rows: Sequence[Row], domain: str) -> np.ndarray:
    """What repetition costs against one epoch of the same share, a row for each run of more than one.

    Returns:
        ``n x 4``: share, epochs, harm to the domain's own loss and to the objective, nats per token.
    """
    runs = of(rows, domain)
    once = {(row["weights"][domain], row["seed"]): row for row in runs if row["name"].endswith(" x 1")}
    found = []
    for row in runs:
        base = once.get((row["weights"][domain], row["seed"]))
        if base is not None and base is not row:
            own = row["losses"][domain] - base["losses"][domain]
            found.append((row["weights"][domain], row["epochs"][domain], own, mean(row) - mean(base)))
    return np.array(found)


def correlations(harm: np.ndarray, epochs: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Of harm with log epochs and with the share, then each with the other held fixed."""
    epochs = np.log(epochs)
    ((_, with_epochs, with_share), (_, _, between), _) = np.corrcoef([harm, epochs, share])
    pairs = ((with_epochs, with_share), (with_share, with_epochs))
    fixed = [(one - other * between) / np.sqrt((1 - other**2) * (1 - between**2)) for one, other in pairs]
    return np.array([with_epochs, with_share, *fixed])


def with_intervals(harm: np.ndarray, epochs: np.ndarray, share: np.ndarray) -> list[str]:
    """The same with 95 % intervals by the bootstrap over runs."""
    places = np.random.default_rng(0).integers(len(harm), size=(RESAMPLES, len(harm)))
    low, high = np.quantile([correlations(harm[at], epochs[at], share[at]) for at in places], [0.025, 0.975], axis=0)
    told = zip(correlations(harm, epochs, share), low, high, strict=True)
    return [f"{r:+.2f} [{x:+.2f}, {y:+.2f}]" for r, x, y in told]


def table(rows: Sequence[Row]) -> None:
    """Which explains more of what repetition does: the epochs, or the share."""
    print(f"{len([row for row in rows if row['set'] == plan.GRID])} runs of the grid\n")
    print("| domain | loss | R2 by share | by epochs | by pool | by share and epochs |\n|---|---|---|---|---|---|")
    for domain in plan.SMALL:
        for what, value in (("own", lambda row, domain=domain: row["losses"][domain]), ("mean", mean)):
            r = explained(of(rows, domain), domain, value)
            print(f"| {domain} | {what} | {r['share']:.2f} | {r['epochs']:.2f} | {r['pool']:.2f} | {r['both']:.2f} |")
    print(
        "\n| domain | harm to | r with log epochs | with share | with epochs, share fixed | with share, epochs fixed |"
    )
    print("|---|---|---|---|---|---|")
    for domain in plan.SMALL:
        found = harms(rows, domain)
        for what, column in (("own loss", 2), ("mean", 3)):
            told = with_intervals(found[:, column], found[:, 1], found[:, 0])
            print(f"| {domain} | {what} | {' | '.join(told)} |")
    print("\n| harm to own loss at 50 % | " + " | ".join(f"{e} epochs" for e in plan.GRID_EPOCHS[1:]) + " |")
    print("|---|" + "---|" * (len(plan.GRID_EPOCHS) - 1))
    for domain in plan.SMALL:
        found = harms([row for row in rows if row["seed"] == plan.SEED], domain)
        at = {round(epochs): own for share, epochs, own, _ in found if share == plan.GRID_SHARES[-1]}
        cells = " | ".join("" if at.get(e) is None else f"{at[e]:+.3f}" for e in plan.GRID_EPOCHS[1:])
        print(f"| {domain} | {cells} |")
